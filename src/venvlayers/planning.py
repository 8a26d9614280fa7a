"""Making a plan: from what is declared, asked for, locked, built and published.

It only reads: lock records, build records, launch modules, and what is in place
of outputs. So it is also the way to find out that nothing is to be done. The
values that come out are in `plan.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field, replace
from typing import TypeVar

from venvlayers.build.key import KeyInputs, environment_key
from venvlayers.build.sources import AppModules, app_modules
from venvlayers.errors import PythonUnavailableError
from venvlayers.layout import Layout
from venvlayers.lock.model import PythonPin
from venvlayers.lock.state import PROJECT_CHANGED, LockState, lock_states
from venvlayers.lock.store import LockRecord
from venvlayers.plan import OUTPUT_ACTIONS, Goal, Need, Plan, Step, Target
from venvlayers.platforms import Platform
from venvlayers.project.model import ProjectWheel
from venvlayers.selection import Extent, Operations, Selection
from venvlayers.spec.model import LayerSpec, StackSpec
from venvlayers.values import frozen

_T = TypeVar("_T")
_Found = TypeVar("_Found")


@frozen
class Outlook:
    """What planning asks of the stages after locking, for one platform; it knows none of them.

    Attributes:
        fingerprint: What a runtime's source would make of a pin now.
        built_key: The key of the environment in place, or None.
        outputs: Which layers have outputs in place, each with whether it is what a
            target would give now.
    """

    fingerprint: Callable[[PythonPin], str]
    built_key: Callable[[str], str | None]
    outputs: Callable[[], Mapping[str, Callable[[Target], bool]]]


def plan_stack(
    spec: StackSpec,
    layout: Layout,
    goal: Goal,
    outlooks: Mapping[Platform, Outlook],
    *,
    selection: Selection,
    given_wheel: Callable[[], ProjectWheel | None] = lambda: None,
) -> Plan:
    """Plan a run, for all platforms that there is an outlook for.

    Args:
        spec: The stack.
        layout: Where its files are.
        goal: How far to go.
        outlooks: What to ask of the stages after locking, by platform.
        selection: What was asked for.
        given_wheel: What returns the project's wheel as it would be made now; None if that
            is not known.

    Raises:
        LockError: A lock is damaged.
        BuildError: A launch module cannot be read.
        PythonUnavailableError: A pinned Python is gone.
    """
    layers = with_lower(spec, selection)
    states = lock_states(replace(spec, layers=layers), layout, reset=selection.reset)
    locking = _lock_steps(layers, states, selection)
    lasting = {
        name: replace(state, outdated=state.outdated or _outdated_by(locking[name]))
        for name, state in states.items()
    }
    given = _Given(spec=spec, layers=layers, states=lasting, locking=locking, selection=selection)
    cleaning = [step for platform in outlooks for step in _clean_steps(selection, platform)]
    found: dict[Platform, Mapping[str, Target]] = {}
    making: list[Step] = []
    if goal >= Goal.BUILD:
        wheel = given_wheel() if any(layer.has_wheel for layer in layers) else None
        found = _targets_of_each(given, outlooks, wheel)
        for platform, outlook in outlooks.items():
            made = _steps_for(platform, goal, given, found[platform], outlook)
            making += [replace(step, platform=platform) for step in made]
    return Plan(
        goal=goal,
        platforms=tuple(outlooks),
        selection=selection,
        layers=layers,
        steps=(*cleaning, *locking.values(), *making),
        targets=found,
    )


@frozen
class _Given:
    """What is the same for all platforms.

    Attributes:
        spec: The stack.
        layers: The selected layers and all below them.
        states: What is known about their locks, as they will be.
        locking: What is to be done with each lock.
        selection: What was asked for.
        modules: The digests of applications' modules, as far as they are known.
    """

    spec: StackSpec
    layers: tuple[LayerSpec, ...]
    states: Mapping[str, LockState]
    locking: Mapping[str, Step]
    selection: Selection
    modules: dict[str, AppModules | None] = field(default_factory=dict)


def _targets_of_each(
    given: _Given, outlooks: Mapping[Platform, Outlook], wheel: ProjectWheel | None
) -> dict[Platform, Mapping[str, Target]]:
    def find(platform: Platform) -> Mapping[str, Target]:
        return targets(
            buildable(given.layers, platform),
            given.states,
            platform,
            outlooks[platform].fingerprint,
            wheel,
            modules_by_name=given.modules,
        )

    return dict(zip(outlooks, for_each(outlooks, find), strict=True))


def for_each(platforms: Iterable[_T], find: Callable[[_T], _Found]) -> list[_Found]:
    """Return what *find* finds for each of *platforms*, or runs of them.

    Raises:
        PythonUnavailableError: A Python is gone, or does not serve some; these are all named.
    """
    found: list[_Found] = []
    lacking: list[PythonUnavailableError] = []
    for one in platforms:
        try:
            found.append(find(one))
        except PythonUnavailableError as error:
            if not error.lacking:
                raise
            lacking.append(error)
    if lacking:
        names = tuple(name for error in lacking for name in error.lacking)
        raise PythonUnavailableError(lacking[0].what, lacking=names, hint=lacking[0].hint)
    return found


def _steps_for(
    platform: Platform,
    goal: Goal,
    given: _Given,
    found: Mapping[str, Target],
    outlook: Outlook,
) -> list[Step]:
    """Return the steps after locking."""
    here = buildable(given.layers, platform)
    building = _build_steps(here, found, given.locking, given.selection, outlook)
    if goal not in OUTPUT_ACTIONS:
        return list(building.values())
    making = _output_steps(
        buildable(given.spec.layers, platform),
        goal,
        found=found,
        building=building,
        selection=given.selection,
        outlook=outlook,
    )
    return [*building.values(), *making]


def with_lower(spec: StackSpec, selection: Selection) -> tuple[LayerSpec, ...]:
    """Return the selected layers and all below them, whether or not anything is done with those."""
    names = set(selection.operations)
    names |= {name for layer in spec.layers if layer.env_name in names for name in layer.lower}
    return tuple(layer for layer in spec.layers if layer.env_name in names)


def buildable(layers: Iterable[LayerSpec], platform: Platform) -> tuple[LayerSpec, ...]:
    """Return those of *layers* that are made for *platform*."""
    return tuple(layer for layer in layers if platform in layer.platforms)


def targets(
    layers: tuple[LayerSpec, ...],
    states: Mapping[str, LockState],
    platform: Platform,
    fingerprint: Callable[[PythonPin], str],
    wheel: ProjectWheel | None = None,
    *,
    complete: bool = True,
    modules_by_name: dict[str, AppModules | None] | None = None,
) -> dict[str, Target]:
    """Return what environments are to be, by name, for those whose lock is valid.

    Args:
        layers: Those that are made for *platform*, each after those below it.
        states: What is known about their locks.
        platform: What for.
        fingerprint: What a runtime's source would make of a pin now.
        wheel: The project's wheel; None while that is not known.
        complete: Whether what contains the project is left out while its wheel is not known.
        modules_by_name: The digests of modules that are known; others are added.
    """
    known = {} if modules_by_name is None else modules_by_name
    found: dict[str, Target] = {}
    for layer in layers:
        record = _valid_record(states[layer.env_name])
        runtime = _valid_record(states[layer.runtime_name])
        if complete and layer.has_wheel and wheel is None:
            continue
        if record and runtime and runtime.python and all(name in found for name in layer.lower):
            if layer.env_name not in known:
                known[layer.env_name] = app_modules(layer)
            inputs = KeyInputs(
                deployed_name=layer.deployed_name(record.lock_version),
                lower=tuple(found[name].deployed_name for name in layer.lower),
                layer=layer,
                platform=platform,
                record=record,
                python=str(runtime.python),
                fingerprint="" if layer.lower else fingerprint(runtime.python),
                modules=known[layer.env_name],
                project=wheel.content_hash if wheel and layer.has_wheel else None,
            )
            found[layer.env_name] = _target(inputs, wheel)
    return found


def _target(inputs: KeyInputs, wheel: ProjectWheel | None) -> Target:
    return Target(
        layer=inputs.layer,
        key=environment_key(inputs),
        modules=inputs.modules,
        deployed_name=inputs.deployed_name,
        lower=inputs.lower,
        wheel=wheel if inputs.layer.has_wheel else None,
    )


def _valid_record(state: LockState) -> LockRecord | None:
    return state.saved.record if state.saved and not state.outdated else None


_CLEANED = "its environment is to be removed"


def _clean_steps(selection: Selection, platform: Platform) -> list[Step]:
    return [
        Step(action="clean", env_name=name, need=Need.YES, reason=_CLEANED, platform=platform)
        for name, operations in selection.operations.items()
        if operations.clean
    ]


def _lock_steps(
    layers: Iterable[LayerSpec], states: Mapping[str, LockState], selection: Selection
) -> dict[str, Step]:
    steps: dict[str, Step] = {}
    for layer in layers:
        name = layer.env_name
        changing = [below for below in layer.lower if steps[below].need in (Need.YES, Need.MAYBE)]
        need, reason = _lock_need(states[name], selection.of(name).lock, changing)
        steps[name] = Step(action="lock", env_name=name, need=need, reason=reason)
    return steps


def _lock_need(state: LockState, extent: Extent, changing: Sequence[str]) -> tuple[Need, str]:
    """Return whether a layer is to be locked, and why.

    Args:
        state: What is known about its lock.
        extent: What was asked for.
        changing: The layers below it whose locks may change.
    """
    if state.outdated and extent is Extent.NO:
        return Need.BLOCKED, state.outdated
    if state.outdated and state.certain:
        return Need.YES, state.outdated
    if extent is Extent.YES:
        return Need.YES, "it is to be locked anew"
    if state.outdated:
        return Need.MAYBE, state.outdated
    if changing:
        return Need.MAYBE, f"{changing[0]} below it is to be locked"
    return Need.NO, "its lock is valid"


def _outdated_by(step: Step) -> str | None:
    return None if step.need is Need.NO else step.reason


def _build_steps(
    layers: Iterable[LayerSpec],
    found: Mapping[str, Target],
    locking: Mapping[str, Step],
    selection: Selection,
    outlook: Outlook,
) -> dict[str, Step]:
    steps = {}
    for layer in layers:
        name = layer.env_name
        operations = selection.of(name)
        if operations.build or operations.publish:
            if name in found:
                built = None if operations.clean else outlook.built_key(name)
                need, reason = _build_need(built, found[name].key, operations)
            else:
                need, reason = _unknown_need(locking, layer)
            steps[name] = Step(action="build", env_name=name, need=need, reason=reason)
    return steps


def _build_need(built: str | None, key: str, operations: Operations) -> tuple[Need, str]:
    if built == key:
        return Need.NO, "nothing in it changed"
    reason = "it is not built yet" if built is None else "its contents changed"
    if operations.clean:
        reason = _CLEANED
    return (Need.YES if operations.build else Need.BLOCKED), reason


def _unknown_need(locking: Mapping[str, Step], layer: LayerSpec) -> tuple[Need, str]:
    """Return whether a layer is to be built of which it is not known yet what is to be in it."""
    blocked = [
        name for name in (layer.env_name, *layer.lower) if locking[name].need is Need.BLOCKED
    ]
    if blocked:
        return Need.BLOCKED, f"the lock of {blocked[0]} is outdated"
    if all(locking[name].need is Need.NO for name in (layer.env_name, *layer.lower)):
        return Need.MAYBE, PROJECT_CHANGED
    return Need.MAYBE, "its lock is to be made first"


def _output_steps(
    layers: Iterable[LayerSpec],
    goal: Goal,
    *,
    found: Mapping[str, Target],
    building: Mapping[str, Step],
    selection: Selection,
    outlook: Outlook,
) -> list[Step]:
    in_place = outlook.outputs()
    planned = []
    stack = [layer.env_name for layer in layers]
    for name in stack:
        extent = selection.of(name).publish
        if not extent:
            continue
        if building[name].need is not Need.NO:
            blocked = building[name].need is Need.BLOCKED
            need, reason = (Need.BLOCKED if blocked else Need.MAYBE), building[name].reason
        elif extent is Extent.YES:
            need, reason = Need.YES, "it is to be made anew"
        elif name not in in_place:
            need, reason = Need.YES, "its output is not there"
        elif not in_place[name](found[name]):
            need, reason = Need.YES, "its output is older"
        else:
            need, reason = Need.NO, "its output is in place"
        planned.append((name, need, reason))
    reason = "its output is there, and it is not in the stack any more"
    planned += [(name, Need.YES, reason) for name in in_place if name not in stack]
    action = OUTPUT_ACTIONS[goal]
    return [
        Step(action=action, env_name=name, need=need, reason=reason)
        for name, need, reason in planned
    ]
