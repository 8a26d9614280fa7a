"""What is known about the platforms that layers are made for.

A `Platform` is a value: its names, its markers (PEP 508), its wheel tags
(PEP 425, 600) and the shape of an environment on it. Nothing here looks at the
machine that runs, except `host_platform`.
"""

from __future__ import annotations

import platform as _host
import sys
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True, slots=True, kw_only=True)
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
    """A CPython version, exact to the patch release (``3.12.7``) or a series (``3.12``)."""

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


@dataclass(frozen=True)
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

    def site_packages(self, python: PythonVersion) -> str:
        """Return an environment's site-packages, relative to it, with ``/``."""
        return (
            "Lib/site-packages" if self.is_windows else f"lib/python{python.series}/site-packages"
        )

    def environment_python(self, python: PythonVersion) -> str:
        """Return a layered environment's Python, relative to it, with ``/``."""
        del python
        return "Scripts/python.exe" if self.is_windows else "bin/python"

    def runtime_python(self, python: PythonVersion) -> str:
        """Return a runtime layer's own Python program, relative to it, with ``/``."""
        return "python.exe" if self.is_windows else f"bin/python{python.series}"

    @cached_property
    def marker(self) -> str:
        """The environment marker that is true on this platform and on no other of `PLATFORMS`."""
        return f"sys_platform == '{self.sys_platform}' and platform_machine == '{self.machine}'"

    def marker_environment(self, python: PythonVersion) -> dict[str, str]:
        """Return the values of all markers (PEP 508) under CPython *python* on this platform.

        What only the running machine knows (kernel release and version) is empty.
        """
        return {
            "implementation_name": "cpython",
            "implementation_version": str(python),
            "os_name": self.os_name,
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": self.system,
            "platform_version": "",
            "python_full_version": str(python),
            "python_version": python.series,
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


def host_platform() -> Platform:
    """Return the platform of the machine that runs this.

    Raises:
        LookupError: It is none of `PLATFORMS`.
    """
    machine = _host.machine()
    for platform in PLATFORMS.values():
        if platform.sys_platform == sys.platform and platform.machine.lower() == machine.lower():
            return platform
    raise LookupError(f"layers cannot be built on {sys.platform} with {machine}")
