"""Which platforms a run is for: what was asked for, or what this machine is."""

from __future__ import annotations

import os
from collections.abc import Sequence

from venvlayers.errors import BuildError, SelectionError
from venvlayers.plan import OUTPUT_ACTIONS, Goal
from venvlayers.planning import buildable
from venvlayers.platforms import PLATFORMS, Platform, host_platform
from venvlayers.request import Request
from venvlayers.selection import Selection
from venvlayers.spec.model import LayerSpec, StackSpec
from venvlayers.spec.values import platform_meant
from venvlayers.values import frozen

VARIABLE = "VENVSTACKS_PLATFORMS"
"""Names of platforms, with commas between them, for `Request.platforms`."""

ALL = "all"
"""Stands for every platform that one of the layers in question is made for."""

HOST = "host"
"""Stands for the platform of the machine that runs this."""


@frozen
class Platforms:
    """What a run is for.

    Attributes:
        chosen: At least one.
        named: Whether somebody named them.
    """

    chosen: tuple[Platform, ...]
    named: bool = False


def choose_platforms(request: Request, spec: StackSpec, selection: Selection) -> Platforms:
    """Return the platforms that a run is for, in the order of `PLATFORMS`.

    Raises:
        SelectionError: A name is none of a platform.
        BuildError: No layer is made for one of them, or nobody named one and this machine is none.
    """
    where, names = _names(request)
    wanted = _wanted(request.goal, spec, selection)
    if set(names) <= {HOST}:
        return _this_machine(request.goal, spec, wanted)
    chosen = set(_known(where, [name for name in names if name not in (ALL, HOST)]))
    if HOST in names:
        chosen.add(this_machine())
    if ALL in names:
        chosen |= {platform for layer in wanted for platform in layer.platforms}
        chosen = chosen or {this_machine()}  # nothing is to be done for any
    ordered = tuple(platform for platform in PLATFORMS.values() if platform in chosen)
    _require_layers(where, ordered, spec, wanted)
    return Platforms(chosen=ordered, named=True)


def this_machine() -> Platform:
    """Return the platform of the machine that runs this.

    Raises:
        BuildError: It is none that we know.
    """
    try:
        return host_platform()
    except LookupError as error:
        hint = "name the platforms that layers are to be made for: they can be made here"
        raise BuildError(str(error), hint=hint) from error


def _names(request: Request) -> tuple[str, Sequence[str]]:
    """Return the names of platforms, and who gave them."""
    if request.platforms or request.goal is Goal.LOCK:
        return "--platform", () if request.goal is Goal.LOCK else request.platforms
    if request.goal is Goal.EXPORT:  # is for the machine that makes it, unless somebody insists
        return "", ()
    if names := os.environ.get(VARIABLE, "").replace(",", " ").split():
        return VARIABLE, names
    return "tool.hatch.build.targets.venvstacks.platforms", request.platforms_by_default


def _known(where: str, names: Sequence[str]) -> list[Platform]:
    problems = [
        f"{where}: there is no platform {name!r}" + (f" ({meant})" if meant else "")
        for name in names
        if name not in PLATFORMS
        for meant in (platform_meant(name, ALL, HOST),)
    ]
    if problems:
        listed = ", ".join(PLATFORMS)
        hint = f"the platforms are {listed}; `{ALL}` stands for all, `{HOST}` for this machine's"
        raise SelectionError("\n".join(problems), hint=hint)
    return [PLATFORMS[name] for name in names]


def _wanted(goal: Goal, spec: StackSpec, selection: Selection) -> list[LayerSpec]:
    """Return the layers that are to be published, or built where nothing is published."""
    selected = [(layer, selection.of(layer.env_name)) for layer in spec.layers]
    if goal in OUTPUT_ACTIONS:
        return [layer for layer, operations in selected if operations.publish]
    return [layer for layer, operations in selected if operations.build]


def _this_machine(goal: Goal, spec: StackSpec, wanted: Sequence[LayerSpec]) -> Platforms:
    here = this_machine()
    if goal >= Goal.BUILD and _lacks_layers(here, spec, wanted):
        raise BuildError(
            f"no layer is made for {here}, which this machine is",
            hint=f"add it to `platforms`, or name others: --platform, or {VARIABLE}",
        )
    return Platforms(chosen=(here,))


def _lacks_layers(platform: Platform, spec: StackSpec, wanted: Sequence[LayerSpec]) -> bool:
    return bool(wanted or not spec.layers) and not buildable(wanted, platform)


def _require_layers(
    where: str, chosen: Sequence[Platform], spec: StackSpec, wanted: Sequence[LayerSpec]
) -> None:
    without = [platform.name for platform in chosen if _lacks_layers(platform, spec, wanted)]
    if without:
        made_for = {platform.name for layer in wanted for platform in layer.platforms}
        listed = ", ".join(name for name in PLATFORMS if name in made_for)
        raise BuildError(
            f"{where}: no layer is made for {', '.join(without)}",
            hint=f"add that to `platforms` of layers; they are made for {listed or 'none'}",
        )
