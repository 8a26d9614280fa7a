"""What is known about the platforms that layers are made for, and the Pythons on them.

A `Platform` is a value: its names, its markers (PEP 508), its wheel tags
(PEP 425, 600) and the shape of an environment on it, which depends on the
`Interpreter` too. Nothing here looks at the machine that runs, except
`host_platform`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cached_property

from venvlayers.values import frozen


@frozen
class Targets:
    """The oldest systems that a layer is to run on.

    Attributes:
        glibc: The C library of Linux.
        macos: The release of macOS.
    """

    glibc: tuple[int, int] = (2, 28)
    macos: tuple[int, int] = (13, 0)


DEFAULT_TARGETS = Targets()
"""What a layer is made for that says nothing else."""


@dataclass(frozen=True, slots=True, order=True)
class PythonVersion:
    """A version of Python, exact to the patch release (``3.12.7``) or a series (``3.12``)."""

    major: int
    minor: int
    patch: int | None = None

    @classmethod
    def parse(cls, text: str) -> PythonVersion:
        """Parse ``X.Y`` or ``X.Y.Z``.

        Raises:
            ValueError: *text* is neither.
        """
        parts = text.split(".")
        if len(parts) not in (2, 3) or not all(part.isascii() and part.isdigit() for part in parts):
            raise ValueError(f"not a Python version: {text!r}")
        return cls(*(int(part) for part in parts))

    @property
    def series(self) -> str:
        """``X.Y``."""
        return f"{self.major}.{self.minor}"

    def admits(self, other: PythonVersion) -> bool:
        """Tell whether *other* is this version, or a release of this series."""
        same_series = (self.major, self.minor) == (other.major, other.minor)
        return same_series and self.patch in (None, other.patch)

    def __str__(self) -> str:
        return self.series if self.patch is None else f"{self.series}.{self.patch}"


@frozen(kw_only=False)
class Interpreter:
    """An implementation of Python, exact to the release.

    Attributes:
        implementation: As `sys.implementation.name`, one of `IMPLEMENTATIONS`.
        version: The Python that it implements.
        release: Its own version, where it counts them apart: that of PyPy, such as
            ``7.3.20``; None if that is not known, and for CPython.
    """

    implementation: str
    version: PythonVersion
    release: str | None = None

    def __str__(self) -> str:
        return f"{IMPLEMENTATIONS[self.implementation]} {self.version}"

    @property
    def library(self) -> str:
        """The directory of its standard library: ``python3.12``, ``pypy3.11``.

        So are its own program and the directory of its headers called.
        """
        return f"{_LIBRARIES[self.implementation]}{self.version.series}"

    @property
    def shared_library(self) -> str:
        """A pattern for the names of the shared library that is the interpreter, on Linux."""
        return f"lib{self.library}-c.so" if self.is_pypy else f"lib{self.library}.so*"

    @property
    def is_pypy(self) -> bool:
        """Whether it is PyPy, and not CPython."""
        return self.implementation == "pypy"

    @property
    def aliases(self) -> tuple[str, ...]:
        """The names that its program has in an environment besides ``python``."""
        common = ("python3", f"python{self.version.series}")
        own = ("pypy", "pypy3", self.library) if self.is_pypy else ()
        return (*common, *own)

    @property
    def markers(self) -> dict[str, str]:
        """The values of the markers (PEP 508) that do not depend on the platform."""
        return {
            "implementation_name": self.implementation,
            "implementation_version": self.release or str(self.version),
            "platform_python_implementation": IMPLEMENTATIONS[self.implementation],
            "python_full_version": str(self.version),
            "python_version": self.version.series,
        }

    @property
    def marker(self) -> str:
        """The environment marker that is true under this Python and no other release.

        It names all that it implies, because uv does not know which of them go together.
        """
        implied = dict(self.markers)
        del implied["python_version"]
        return " and ".join(f"{name} == '{value}'" for name, value in implied.items())

    @property
    def pypy_abi(self) -> str | None:
        """The ABI tag (PEP 425) of extensions for PyPy, such as ``pypy311_pp73``.

        None for CPython, and where PyPy's own release is not known.
        """
        if not self.is_pypy or self.release is None:
            return None
        major, minor = self.release.split(".")[:2]
        return f"pypy{self.version.major}{self.version.minor}_pp{major}{minor}"


IMPLEMENTATIONS = {"cpython": "CPython", "pypy": "PyPy"}
"""Every implementation that layers run on, with what it calls itself."""

_LIBRARIES = {"cpython": "python", "pypy": "pypy"}


@frozen(kw_only=False, slots=False)
class Platform:
    """One platform that layers can be made for.

    Attributes:
        name: venvstacks' name for it, such as ``linux_x86_64``.
        os_name: As `os.name` there.
        sys_platform: As `sys.platform` there.
        system: As `platform.system()` there.
        machine: As `platform.machine()` there.
        uv_key: The end of uv's name for a Python built for it.
    """

    name: str
    os_name: str
    sys_platform: str
    system: str
    machine: str
    uv_key: str

    def __str__(self) -> str:
        return self.name

    @property
    def is_windows(self) -> bool:
        """Whether environments have Windows' layout."""
        return self.sys_platform == "win32"

    @property
    def bin_dir(self) -> str:
        """The directory of an environment's programs, relative to it."""
        return "Scripts" if self.is_windows else "bin"

    def site_packages(self, python: Interpreter) -> str:
        """Return an environment's site-packages, relative to it, with ``/``.

        PyPy's are laid out like CPython's since PyPy 3.8.
        """
        return "Lib/site-packages" if self.is_windows else f"lib/{python.library}/site-packages"

    @property
    def environment_python(self) -> str:
        """A layered environment's Python, relative to it, with ``/``."""
        return "Scripts/python.exe" if self.is_windows else "bin/python"

    def runtime_python(self, python: Interpreter) -> str:
        """Return a runtime layer's own Python program, relative to it, with ``/``."""
        return "python.exe" if self.is_windows else f"bin/{python.library}"

    def extension_suffixes(self, python: Interpreter) -> tuple[str, ...]:
        """Return what the names of extension modules end with that *python* imports here.

        Best first; see `importlib.machinery.EXTENSION_SUFFIXES`, PEP 3149 and, for the stable
        ABIs, PEP 384 and 803. PyPy has its own ABI and no stable one.
        """
        last = ".pyd" if self.is_windows else ".so"
        number = f"{python.version.major}{python.version.minor}"
        if python.implementation == "pypy":
            abi = python.pypy_abi
            return (
                (f".{abi.replace('_', '-')}-{self._extension_tag}{last}", last) if abi else (last,)
            )
        if self.is_windows:
            return (f".cp{number}-{self._extension_tag}{last}", last)
        stable = (".abi3.so", ".abi3t.so") if python.version >= _ABI3T_SINCE else (".abi3.so",)
        return (f".cpython-{number}-{self._extension_tag}{last}", *stable, last)

    @property
    def _extension_tag(self) -> str:
        tags = {"linux": f"{self.machine}-linux-gnu", "darwin": "darwin", "win32": self.name}
        return tags[self.sys_platform]

    @cached_property
    def marker(self) -> str:
        """The environment marker that is true on this platform and on no other of `PLATFORMS`."""
        return f"sys_platform == '{self.sys_platform}' and platform_machine == '{self.machine}'"

    def marker_environment(self, python: Interpreter) -> dict[str, str]:
        """Return the values of all markers (PEP 508) under *python* on this platform.

        What only the running machine knows (kernel release and version) is empty.
        """
        return {
            **python.markers,
            "os_name": self.os_name,
            "platform_machine": self.machine,
            "platform_release": "",
            "platform_system": self.system,
            "platform_version": "",
            "sys_platform": self.sys_platform,
        }

    def uv_platform(self, targets: Targets = DEFAULT_TARGETS) -> str:
        """Return uv's ``--python-platform`` whose wheels include those for these *targets*.

        The macOS release is no part of it; see `deployment_target`.
        """
        minor = next(known for known in _UV_GLIBC if known >= _glibc_minor(targets))
        return {
            "linux": f"{self.machine}-manylinux_2_{minor}",
            "darwin": f"{'aarch64' if self.machine == 'arm64' else self.machine}-apple-darwin",
            "win32": f"{'aarch64' if self.machine == 'ARM64' else 'x86_64'}-pc-windows-msvc",
        }[self.sys_platform]

    def deployment_target(self, targets: Targets = DEFAULT_TARGETS) -> str | None:
        """Return ``MACOSX_DEPLOYMENT_TARGET`` for these *targets*; None elsewhere."""
        return ".".join(map(str, targets.macos)) if self.sys_platform == "darwin" else None

    def wheel_platforms(self, targets: Targets = DEFAULT_TARGETS) -> tuple[str, ...]:
        """Return the platform tags of wheels that run here, best first."""
        from packaging.tags import mac_platforms  # noqa: PLC0415 - costs 10 ms to import

        if self.sys_platform == "win32":
            return (self.name,)
        if self.sys_platform == "darwin":
            return tuple(mac_platforms(targets.macos, self.machine))
        return tuple(_manylinux_tags(self.machine, _glibc_minor(targets)))


_ABI3T_SINCE = PythonVersion(3, 15)

_UV_GLIBC: tuple[int, ...] = (17, 28, *range(31, 41))
"""The glibc releases, from 2.17 to 2.40, that uv has a platform for."""


def _glibc_minor(targets: Targets) -> int:
    """Return the newest glibc 2.x whose wheels count: no newer than uv can install for."""
    return min(targets.glibc[1], _UV_GLIBC[-1]) if targets.glibc[0] == 2 else _UV_GLIBC[-1]  # noqa: PLR2004


def _manylinux_tags(machine: str, newest: int) -> list[str]:
    # PEP 600 tags go down to 2.17 (2.5 on x86-64); the three older names are aliases.
    legacy = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
    oldest = 5 if machine == "x86_64" else 17
    tags = [f"linux_{machine}"]  # first, as packaging.tags has it
    for minor in range(newest, oldest - 1, -1):
        tags.append(f"manylinux_2_{minor}_{machine}")
        if minor in legacy:
            tags.append(f"{legacy[minor]}_{machine}")
    return tags


PLATFORMS: dict[str, Platform] = {
    platform.name: platform
    for platform in (
        Platform("linux_x86_64", "posix", "linux", "Linux", "x86_64", "linux-x86_64-gnu"),
        Platform("linux_aarch64", "posix", "linux", "Linux", "aarch64", "linux-aarch64-gnu"),
        Platform("macosx_arm64", "posix", "darwin", "Darwin", "arm64", "macos-aarch64-none"),
        Platform("macosx_x86_64", "posix", "darwin", "Darwin", "x86_64", "macos-x86_64-none"),
        Platform("win_amd64", "nt", "win32", "Windows", "AMD64", "windows-x86_64-none"),
        Platform("win_arm64", "nt", "win32", "Windows", "ARM64", "windows-aarch64-none"),
    )
}
"""Every platform that layers can be made for, by name."""


_SYSTEMS = {"macos": "darwin", "macosx": "darwin", "osx": "darwin", "win": "win32"}
_SYSTEMS |= {"windows": "win32", "linux": "linux", "darwin": "darwin"}
_MACHINES = {"amd64": "x86_64", "x64": "x86_64", "x86_64": "x86_64", "intel": "x86_64"}
_MACHINES |= {"aarch64": "arm64", "arm64": "arm64"}
_CALLED = {"AMD64": "x86_64", "ARM64": "arm64", "aarch64": "arm64"}


def platform_called_otherwise(name: str) -> Platform | None:
    """Return the platform that others call *name*, such as ``linux_amd64`` or ``macos-x64``."""
    system, _, machine = name.casefold().replace("-", "_").partition("_")
    wanted = _SYSTEMS.get(system), _MACHINES.get(machine)
    for platform in PLATFORMS.values():
        if (platform.sys_platform, _CALLED.get(platform.machine, platform.machine)) == wanted:
            return platform
    return None


def host_platform() -> Platform:
    """Return the platform of the machine that runs this.

    Raises:
        LookupError: It is none of `PLATFORMS`.
    """
    from platform import machine as this_machine  # noqa: PLC0415 - it costs 2 ms

    machine = this_machine()
    for platform in PLATFORMS.values():
        if platform.sys_platform == sys.platform and platform.machine.lower() == machine.lower():
            return platform
    raise LookupError(f"layers cannot be built on {sys.platform} with {machine}")
