"""Shared libraries: is each one that is needed in the layer, below it, or on every system?

Followed from what certainly runs: extension modules that can be imported, and programs.
What only other libraries need, or plug-ins that are loaded by name, is a note. A library
in the layer counts wherever it is, because packages load some before others, by path.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import PurePosixPath

from venvlayers.check.base import is_of_system
from venvlayers.check.binary import Binary
from venvlayers.check.inspection import Inspection
from venvlayers.check.model import Finding, Severity
from venvlayers.check.patterns import matches_end
from venvlayers.spec.model import FindingKind


@dataclass(frozen=True, slots=True)
class Needs:
    """Where the libraries are that the binaries of a layer need.

    Attributes:
        used: The binaries that run for certain, and the libraries that they need, by path.
        lacking: The libraries that are not in the layer nor part of the system: names, each
            with the paths of the binaries that need it.
        elsewhere: The names of libraries that are in the layer, where the loader does not look.
    """

    used: frozenset[str]
    lacking: dict[str, list[str]] = field(default_factory=dict)
    elsewhere: set[str] = field(default_factory=set)


def find_needs(inspection: Inspection) -> Needs:
    """Return where the libraries are that a layer needs."""
    lacking: dict[str, list[str]] = {}
    elsewhere: set[str] = set()
    leads: dict[str, list[str]] = {}
    for path in inspection.binaries:
        if (binary := inspection.fitting(path)) is None:
            continue
        for library in binary.needed:
            if found := _where_loaded(inspection, path, binary, library):
                leads.setdefault(path, []).append(found)
            elif is_of_system(library, inspection.platform.sys_platform):
                continue
            elif known := inspection.by_name.get(inspection.library_name(library)):
                leads.setdefault(path, []).extend(known)
                elsewhere.add(inspection.library_name(library))
            else:
                lacking.setdefault(inspection.library_name(library), []).append(path)
    return Needs(_reached(_roots(inspection), leads), lacking, elsewhere)


def _roots(inspection: Inspection) -> Iterator[str]:
    for module in inspection.extensions:
        if module.importable and inspection.is_extension(module):
            yield module.path
    programs = f"{inspection.platform.bin_dir}/"
    python = inspection.platform.runtime_python(inspection.layer.environment.python.interpreter)
    for path in inspection.binaries:
        if path.startswith(programs) or path == python:
            yield path


def _reached(roots: Iterable[str], leads: dict[str, list[str]]) -> frozenset[str]:
    reached: set[str] = set()
    waiting = list(roots)
    while waiting:
        path = waiting.pop()
        if path not in reached:
            reached.add(path)
            waiting += leads.get(path, ())
    return frozenset(reached)


def _where_loaded(inspection: Inspection, path: str, binary: Binary, library: str) -> str | None:
    """Return the file of the layer that the loader takes for *library*; None if none."""
    folder = path.rpartition("/")[0]
    for place in _places(folder, binary, library):
        if place in inspection.sizes or place in inspection.links:
            return place
    if inspection.platform.is_windows:  # in any case: beside the file, or where packages say
        beside = [
            found
            for found in inspection.by_name.get(library, ())
            if posixpath.dirname(found) == folder
        ]
        return beside[0] if beside else None
    return None


def _places(folder: str, binary: Binary, library: str) -> Iterator[str]:
    if library.startswith("@loader_path/"):
        yield posixpath.normpath(f"{folder}/{library.removeprefix('@loader_path/')}")
    elif library.startswith("@rpath/") or "/" not in library:
        name = library.removeprefix("@rpath/")
        for directory in _searched(folder, binary.search):
            yield posixpath.normpath(f"{directory}/{name}") if "/" in name else directory + name


@lru_cache(maxsize=10_000)  # a directory of libraries asks the same for each of them
def _searched(folder: str, search: tuple[str, ...]) -> tuple[str, ...]:
    """Return the directories of the layer that a binary in *folder* looks in, ending with ``/``."""
    found = (
        posixpath.normpath(f"{folder}/{entry.removeprefix(variable).lstrip('/')}")
        for entry in search
        for variable in ("$ORIGIN", "${ORIGIN}", "@loader_path")
        if entry.startswith(variable)
    )
    return tuple("" if directory == "." else f"{directory}/" for directory in found)


def check_libraries(
    inspection: Inspection, needs: Needs, lower: Sequence[Inspection]
) -> Iterator[Finding]:
    """Yield the libraries that are in layers below only, or nowhere.

    Args:
        inspection: The layer.
        needs: What it needs.
        lower: The layers below it, in path order.
    """
    for library, paths in needs.lacking.items():
        below = _layer_with(library, lower)
        if below and inspection.platform.is_windows:
            continue  # where packages tell the loader themselves
        used = [path for path in paths if path in needs.used]
        for package, files in _by_package(inspection, paths if below else used or paths):
            if below:
                yield _below(inspection, package, files, library, below)
            else:
                severity = Severity.WARNING if used else Severity.NOTE
                yield _missing(inspection, package, files, library, severity)


def _by_package(
    inspection: Inspection, paths: Iterable[str]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    found: dict[str, list[str]] = {}
    for path in paths:
        found.setdefault(inspection.owners.get(path, ""), []).append(path)
    for package, files in found.items():
        yield package, tuple(files)


def _layer_with(library: str, lower: Sequence[Inspection]) -> str | None:
    for layer in lower:
        patterns = layer.layer.hidden_libraries
        for path in layer.by_name.get(layer.library_name(library), ()):
            if not any(matches_end(PurePosixPath(path), pattern) for pattern in patterns):
                return layer.layer.name
    return None


def _below(
    inspection: Inspection, package: str, files: tuple[str, ...], library: str, layer: str
) -> Finding:
    return Finding(
        kind=FindingKind.LIBRARY_BELOW,
        severity=Severity.WARNING,
        layer=inspection.layer.name,
        package=package,
        files=files,
        about=(library,),
        what=f"needs {{}} of {layer}, and the loader does not look there",
        remedy=f"unless the package loads it by itself, {inspection.layer.name} has to have it",
    )


def _missing(
    inspection: Inspection,
    package: str,
    files: tuple[str, ...],
    library: str,
    severity: Severity,
) -> Finding:
    return Finding(
        kind=FindingKind.MISSING_LIBRARY,
        severity=severity,
        layer=inspection.layer.name,
        package=package,
        files=files,
        about=(library,),
        what=f"needs {{}}: not in any layer, and not on every "
        f"{inspection.platform.system.replace('Darwin', 'macOS')}",
        remedy=_remedy(inspection, package, library),
    )


def _remedy(inspection: Inspection, package: str, library: str) -> str:
    if inspection.is_runtime and not package:  # an interpreter of this machine
        return 'it has to be there where the layer runs; with `runtime-source = "managed"` it is'
    if inspection.platform.is_windows and library.startswith(("msvcp", "vcomp", "concrt", "mfc")):
        return "where the layer runs, the Visual C++ Redistributable has to be installed"
    return "it has to be there where the layer runs, or to come with a package of the layer"
