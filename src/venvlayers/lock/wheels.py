"""Which wheels fit: for each package, one for every platform that it applies to.

Tags are those of the target (PEP 425, PEP 600), never of the machine that
locks. Source distributions are not looked at: nothing is built.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from packaging.tags import Tag, compatible_tags, cpython_tags, generic_tags
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from venvlayers.platforms import DEFAULT_TARGETS, Interpreter, Platform, Targets


@cache
def supported_tags(
    platform: Platform, python: Interpreter, targets: Targets = DEFAULT_TARGETS
) -> tuple[Tag, ...]:
    """Return the tags of wheels that run under *python* on *platform*, best first.

    On the oldest systems that *targets* names, and so on later ones.
    """
    version = (python.version.major, python.version.minor)
    platforms = platform.wheel_platforms(targets)
    series = f"{version[0]}{version[1]}"
    if python.is_pypy:
        abis = [python.pypy_abi] if python.pypy_abi else []
        own = generic_tags(f"pp{series}", abis, platforms)
        # Not pp39-none-any: packaging has PyPy's wheels without extensions as pp3 (PEP 425).
        return (*own, *compatible_tags(version, f"pp{version[0]}", platforms))
    return (
        *cpython_tags(version, platforms=platforms),
        *compatible_tags(version, f"cp{series}", platforms),
    )


def wheel_name(wheel: Mapping[str, Any]) -> str:
    """Return the file name of a wheel entry (PEP 751: ``name``, else from ``url`` or ``path``)."""
    if "name" in wheel:
        return str(wheel["name"])
    if "url" in wheel:
        return unquote(PurePosixPath(urlsplit(wheel["url"]).path).name)
    return PurePosixPath(wheel["path"].replace("\\", "/")).name


def renamed_for_cpython(filename: str) -> str:
    """Return a name for the same wheel under which uv installs it with a CPython.

    uv holds a name's tags against the Python that it is given, which is always a CPython.
    PEP 751 lets a lock call a file otherwise than its address does. The tags become the
    build number, so that wheels of one version have names of their own in uv's cache.
    """
    name, version, *tags = filename.removesuffix(".whl").split("-")
    return f"{name}-{version}-0{'_'.join(tags)}-py3-none-any.whl"


def fitting_wheels(
    package: Mapping[str, Any],
    platforms: Sequence[Platform],
    python: Interpreter,
    targets: Targets = DEFAULT_TARGETS,
) -> tuple[list[dict[str, Any]], list[Platform]]:
    """Return the wheels of *package* that fit a platform, by name, and the platforms left out."""
    tagged = [(wheel, _tags(wheel_name(wheel))) for wheel in package.get("wheels", ())]
    kept: dict[str, dict[str, Any]] = {}
    missing = []
    for platform in platforms:
        supported = frozenset(supported_tags(platform, python, targets))
        fitting = [wheel for wheel, tags in tagged if not supported.isdisjoint(tags)]
        kept |= {wheel_name(wheel): wheel for wheel in fitting}
        if not fitting:
            missing.append(platform)
    return [kept[name] for name in sorted(kept)], missing


def _tags(name: str) -> frozenset[Tag]:
    try:
        return parse_wheel_filename(name)[3]
    except InvalidWheelFilename:
        # Indexes hold files from before the rules; one that cannot be read fits nowhere.
        return frozenset()
