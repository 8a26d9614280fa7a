"""Dividing a resolution among layers: what is below is a constraint, and is not repeated.

A resolution holds everything an application imports. Each package in it belongs
to the lowest layer that has it, separately for each platform; what is left is
the layer's own. Markers are kept exact by writing them for the platforms that
the layer is made for: a finite set, so there is nothing to prove about them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from packaging.markers import Marker

from venvlayers.lock.model import LayerLock
from venvlayers.platforms import Interpreter, Platform
from venvlayers.values import frozen


@frozen
class Provided:
    """A package that a lower layer provides.

    Attributes:
        name: Its normalised name.
        version: The version locked there.
        layer: The environment name of the nearest layer that has it.
        platforms: Where that layer has it.
    """

    name: str
    version: str
    layer: str
    platforms: tuple[Platform, ...]


def provided_below(lower: Sequence[LayerLock], platforms: Sequence[Platform]) -> list[Provided]:
    """Return what the layers in *lower* provide, the first in path order shadowing the rest."""
    found: dict[tuple[str, str, str], list[Platform]] = {}
    for platform in platforms:
        seen: set[str] = set()
        for lock in lower:
            for package in lock.packages_for(platform):
                if package.name not in seen:
                    seen.add(package.name)
                    key = (package.name, str(package.version), lock.env_name)
                    found.setdefault(key, []).append(platform)
    return [
        Provided(name=name, version=version, layer=layer, platforms=tuple(where))
        for (name, version, layer), where in sorted(found.items())
    ]


def shadowed(name: str, lower: Sequence[LayerLock], platforms: Sequence[Platform]) -> Iterator[str]:
    """Yield a sentence for each package that two layers below *name* have in different versions.

    The nearer layer's is the one that is imported, also by what the other layer has.
    """
    told = set()
    for platform in platforms:
        first: dict[str, tuple[str, str]] = {}
        for lock in lower:
            for package in lock.packages_for(platform):
                version = str(package.version)
                nearer, chosen = first.setdefault(package.name, (lock.env_name, version))
                if chosen != version and (package.name, lock.env_name) not in told:
                    told.add((package.name, lock.env_name))
                    yield (
                        f"{name} will use {package.name}=={chosen} of {nearer}, and "
                        f"{lock.env_name}, which was locked with {version}, has to do with it"
                    )


def constraint(provided: Provided, platforms: Sequence[Platform]) -> str:
    """Return the requirement (PEP 508) that holds a layer to what is below it."""
    marker = marker_for(provided.platforms, platforms)
    pin = f"{provided.name}=={provided.version}"
    return f"{pin} ; {marker}" if marker else pin


def marker_for(selected: Iterable[Platform], platforms: Sequence[Platform]) -> str | None:
    """Return a marker that is true on *selected* among *platforms*; None if on all of them.

    Names the operating system alone where that says enough.
    """
    chosen = [platform for platform in platforms if platform in set(selected)]
    if len(chosen) == len(platforms):
        return None
    terms: list[str] = []
    for system in dict.fromkeys(platform.sys_platform for platform in chosen):
        everywhere = [platform for platform in platforms if platform.sys_platform == system]
        here = [platform for platform in chosen if platform.sys_platform == system]
        if here == everywhere:
            terms.append(f"sys_platform == '{system}'")
        else:
            terms.extend(f"({platform.marker})" for platform in here)
    return " or ".join(terms) if len(terms) > 1 else terms[0].strip("()")


def own_packages(
    resolved: Iterable[dict[str, Any]],
    provided: Iterable[Provided],
    platforms: Sequence[Platform],
    python: Interpreter,
) -> list[tuple[dict[str, Any], tuple[Platform, ...]]]:
    """Return the packages of a resolution that no lower layer has, and where they apply.

    Args:
        resolved: The ``packages`` of a PEP 751 lock.
        provided: What is below.
        platforms: What the layer is made for.
        python: The exact Python of its runtime.
    """
    below = {(entry.name, platform) for entry in provided for platform in entry.platforms}
    own = []
    for package in resolved:
        marker = Marker(package["marker"]) if "marker" in package else None
        where = tuple(
            platform
            for platform in platforms
            if (package["name"], platform) not in below
            and (marker is None or _applies(marker, platform, python))
        )
        if where:
            own.append((package, where))
    return own


def _applies(marker: Marker, platform: Platform, python: Interpreter) -> bool:
    return marker.evaluate(dict(platform.marker_environment(python)), context="lock_file")
