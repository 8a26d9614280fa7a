"""What there is in an environment: a look at every name, and at the headers of binaries.

Each check asks this value; the environment is walked once.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from functools import cached_property

from venvlayers.build.model import Distribution
from venvlayers.check.binary import Binary, Format
from venvlayers.check.extensions import Extension, find_extensions
from venvlayers.check.headers import Headers
from venvlayers.check.listing import listed
from venvlayers.check.model import CheckedLayer
from venvlayers.check.reading import exports_module
from venvlayers.platforms import Platform
from venvlayers.spec.kinds import LayerKind
from venvlayers.spec.names import normalised
from venvlayers.values import frozen

_VERSIONED = re.compile(r".*\.so\.[0-9.]+")

FORMATS = {"linux": Format.ELF, "darwin": Format.MACH_O, "win32": Format.PE}
"""The format of binaries, by `sys.platform`."""


@frozen(kw_only=False, slots=False)
class Inspection:
    """What is in an environment.

    Attributes:
        layer: The layer.
        sizes: The size of each file, by its path relative to the environment, with ``/``.
            Without bytecode, which does not ship.
        links: Where each symlink leads, by its path.
        binaries: What each program, library or extension module says of itself.
        damaged: What is wrong with those that cannot be read.
    """

    layer: CheckedLayer
    sizes: Mapping[str, int]
    links: Mapping[str, str]
    binaries: Mapping[str, tuple[Binary, ...]]
    damaged: Mapping[str, str]

    @property
    def platform(self) -> Platform:
        """What the layer is built for."""
        return self.layer.environment.platform

    @property
    def is_runtime(self) -> bool:
        """Whether there is an interpreter in it."""
        return self.layer.environment.kind is LayerKind.RUNTIME

    @cached_property
    def site_packages(self) -> str:
        """Where packages are, with a ``/`` at the end."""
        python = self.layer.environment.python.interpreter
        return f"{self.platform.site_packages(python)}/"

    @cached_property
    def owners(self) -> Mapping[str, str]:
        """The distribution that brought each file, by its normalised name."""
        found: dict[str, str] = {}
        for distribution in self.layer.environment.distributions:
            found.update(dict.fromkeys(distribution.files, package_name(distribution)))
        return found

    @cached_property
    def by_name(self) -> Mapping[str, tuple[str, ...]]:
        """The files that a library's name can mean, links too; in lower case on Windows."""
        found: dict[str, list[str]] = {}
        is_windows = self.platform.is_windows
        for path in (*self.sizes, *self.links):
            name = path.rpartition("/")[2]
            found.setdefault(name.lower() if is_windows else name, []).append(path)
        for path, parts in self.binaries.items():
            for part in parts:
                if part.name:
                    places = found.setdefault(self.library_name(part.name), [])
                    if path not in places:
                        places.append(path)
        return {name: tuple(paths) for name, paths in found.items()}

    @cached_property
    def extensions(self) -> tuple[Extension, ...]:
        """The files that are named like extension modules."""
        python = self.layer.environment.python.interpreter
        places = [self.site_packages]
        if self.is_runtime:
            library = self.site_packages.removesuffix("site-packages/")
            places += [f"{library}lib-dynload/", "DLLs/"]
        suffixes = self.platform.extension_suffixes(python)
        return tuple(find_extensions(self.sizes, places, suffixes))

    def is_extension(self, module: Extension) -> bool:
        """Tell whether a file is an extension module, and not a library that is named like one.

        Raises:
            OSError: It cannot be read.
        """
        if module.tagged:
            return True
        if module.name.startswith("lib"):  # the largest files of a layer; none is a module
            return False
        return exports_module(self.layer.environment.path / module.path, module.name)

    def library_name(self, path: str) -> str:
        """Return how the loader of this platform compares the names of libraries."""
        name = path.replace("\\", "/").rpartition("/")[2]
        return name.lower() if self.platform.is_windows else name

    @cached_property
    def _wanted(self) -> tuple[Format, str]:
        return FORMATS[self.platform.sys_platform], self.platform.machine

    def fitting(self, path: str) -> Binary | None:
        """Return what is for this platform in a binary; None if nothing is."""
        for part in self.binaries.get(path, ()):
            if (part.format, part.machine) == self._wanted:
                return part
        return None


def package_name(distribution: Distribution) -> str:
    """Return the normalised name of a distribution, which has underscores in file names."""
    return normalised(distribution.name)


def inspect(layer: CheckedLayer, headers: Headers) -> Inspection:
    """Look at everything in an environment.

    Args:
        layer: The layer.
        headers: What is known of binaries.

    Raises:
        OSError: Something cannot be read.
    """
    root = os.fspath(layer.environment.path)
    files, links = listed(root)
    sizes = {path: os.stat(f"{root}/{path}").st_size for path in files}  # noqa: PTH116 - 10,000
    candidates = _candidates(sizes, layer.environment.platform)
    found = headers.of(root, candidates, layer.environment.distributions)
    binaries = {path: parts for path, parts in found.items() if parts and isinstance(parts, tuple)}
    damaged = {path: reason for path, reason in found.items() if isinstance(reason, str)}
    return Inspection(layer, sizes, links, binaries, damaged)


def _candidates(paths: Mapping[str, int], platform: Platform) -> Iterator[str]:
    """Yield the files that are named like programs, libraries or extension modules."""
    programs = f"{platform.bin_dir}/"
    for path in paths:
        if platform.is_windows:
            named = path.lower().endswith((".pyd", ".dll", ".exe"))
        else:
            named = (
                path.endswith((".so", ".dylib"))
                or (".so." in path and _VERSIONED.fullmatch(path) is not None)
                or (".framework/" in path and "." not in path.rpartition("/")[2])
            )
        if named or path.startswith(programs):
            yield path
