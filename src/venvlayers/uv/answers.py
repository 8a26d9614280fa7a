"""Reading what uv prints. Pure; nothing is started here."""

from __future__ import annotations

import re
from typing import Any

from venvlayers.platforms import Platform, PythonVersion
from venvlayers.values import frozen

MIRRORS = {"cpython": "UV_PYTHON_INSTALL_MIRROR", "pypy": "UV_PYPY_INSTALL_MIRROR"}
"""The variable that names another place to fetch an implementation from."""


@frozen
class ManagedPython:
    """A build of CPython or PyPy that uv can fetch.

    Attributes:
        key: uv's name for it.
        version: Of the Python that it is.
        build: The date of the python-build-standalone release, or PyPy's own version, from
            its address; None if that has none.
    """

    key: str
    version: PythonVersion
    build: str | None


def requirers_in(text: str) -> dict[str, tuple[str, ...]]:
    """Return by package those that require it, out of annotated requirements.

    Their lines are such as ``lib==1.0 ; <marker>  # via tool, demo (pyproject.toml)``.
    """
    found: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        if match := re.match(r"([A-Za-z0-9._-]+).*# via (.+)", line):
            names = [
                name for name in match[2].split(", ") if re.fullmatch(r"[A-Za-z0-9._-]+", name)
            ]
            found[match[1]] = tuple(dict.fromkeys([*found.get(match[1], ()), *names]))
    return found


def managed_key(implementation: str, version: PythonVersion, platform: Platform) -> str:
    """Return uv's name for a release of a Python built for *platform*."""
    return f"{implementation}-{version}-{platform.uv_key}"


def builds_for(platform: Platform, listed: list[dict[str, Any]]) -> tuple[ManagedPython, ...]:
    """Return the final releases for *platform* in uv's JSON list of Pythons, newest first."""
    found = [
        ManagedPython(key=entry["key"], version=version, build=_build_of(entry["url"]))
        for entry in listed
        if entry["variant"] == "default"
        and entry["key"].endswith(f"-{platform.uv_key}")
        and (version := _release(entry["version"]))
    ]
    return tuple(sorted(found, key=lambda python: python.version, reverse=True))


def _release(text: str) -> PythonVersion | None:
    """Parse a final release; None for alphas, betas and candidates."""
    return PythonVersion.parse(text) if re.fullmatch(r"\d+\.\d+\.\d+", text) else None


def _build_of(url: str) -> str | None:
    match = re.search(r"(?:%2B|\+)(\d{8})-|/pypy[\d.]+-v([\d.]+)-", url)
    return match[1] or match[2] if match else None
