"""What there is to do, and why: decided before anything is done.

A `Plan` is immutable; it can be shown, compared and tested without a process.
Making one only reads: lock records, build records, launch modules, and what is
in place of outputs. So it is also the way to find out that nothing is to be
done. Carrying it out is the business of `workflow.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, IntEnum
from typing import Any

from venvlayers.build.key import KeyInputs, environment_key
from venvlayers.build.sources import AppModules, app_modules
from venvlayers.layout import Layout
from venvlayers.lock.model import PythonPin
from venvlayers.lock.state import LockState, lock_states
from venvlayers.lock.store import LockRecord
from venvlayers.platforms import Platform
from venvlayers.spec.model import LayerSpec, StackSpec


class Goal(IntEnum):
    """How far to go. Publishing and exporting both stand on building."""

    LOCK = 1
    BUILD = 2
    PUBLISH = 3
    EXPORT = 4


class Need(Enum):
    """Whether a step has to be done."""

    YES = "yes"
    MAYBE = "maybe"
    """That depends on the outcome of an earlier step."""
    NO = "no"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One piece of work on one layer.

    Attributes:
        action: ``lock``, ``build``, ``publish`` or ``local-export``.
        env_name: The layer's environment name.
        need: Whether it has to be done.
        reason: Why, for people.
    """

    action: str
    env_name: str
    need: Need
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An environment as it is to be.

    Attributes:
        layer: The layer.
        key: Its key.
        modules: The digests of an application's modules.
        locked_at: When its lock last changed.
        deployed_name: The directory that it is to be unpacked as.
        lower: Those of the layers below it, in path order.
    """

    layer: LayerSpec
    key: str
    modules: AppModules | None
    locked_at: datetime
    deployed_name: str
    lower: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All steps of one run, in the order in which they are done.

    Attributes:
        goal: How far to go.
        platform: What to build for.
        steps: Every step, also those without need.
        targets: What environments are to be, where locks are valid.
    """

    goal: Goal
    platform: Platform
    steps: tuple[Step, ...]
    targets: Mapping[str, Target]

    @property
    def is_done(self) -> bool:
        """Whether there is nothing to do."""
        return all(step.need is Need.NO for step in self.steps)

    def step(self, action: str, env_name: str) -> Step:
        """Return one step.

        Raises:
            KeyError: There is no such step.
        """
        for step in self.steps:
            if (step.action, step.env_name) == (action, env_name):
                return step
        raise KeyError((action, env_name))

    def as_json(self) -> dict[str, Any]:
        """Return the plan as a JSON value."""
        steps = [
            {
                "action": step.action,
                "layer": step.env_name,
                "need": step.need.value,
                "reason": step.reason,
            }
            for step in self.steps
        ]
        return {"goal": self.goal.name.lower(), "platform": self.platform.name, "steps": steps}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What planning asks of the stages after locking; it knows none of them.

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
    spec: StackSpec, layout: Layout, goal: Goal, platform: Platform, outlook: Outlook
) -> Plan:
    """Plan a run.

    Raises:
        LockError: A lock is damaged.
        BuildError: A launch module cannot be read.
        PythonUnavailableError: A pinned Python is gone.
    """
    states = lock_states(spec, layout)
    steps = [_lock_step(layer, states[layer.env_name]) for layer in spec.layers]
    found: dict[str, Target] = {}
    if goal >= Goal.BUILD:
        layers = buildable(spec, platform)
        found = targets(layers, states, platform, outlook.fingerprint)
        steps += [_build_step(layer, found, outlook.built_key) for layer in layers]
        if goal in OUTPUT_ACTIONS:
            steps += _output_steps(layers, OUTPUT_ACTIONS[goal], found, steps, outlook)
    return Plan(goal=goal, platform=platform, steps=tuple(steps), targets=found)


OUTPUT_ACTIONS = {Goal.PUBLISH: "publish", Goal.EXPORT: "local-export"}
"""What the last step of these goals is called."""


def buildable(spec: StackSpec, platform: Platform) -> tuple[LayerSpec, ...]:
    """Return the layers that are made for *platform*."""
    return tuple(layer for layer in spec.layers if platform in layer.platforms)


def targets(
    layers: tuple[LayerSpec, ...],
    states: Mapping[str, LockState],
    platform: Platform,
    fingerprint: Callable[[PythonPin], str],
) -> dict[str, Target]:
    """Return what environments are to be, by name, for those whose lock is valid."""
    found: dict[str, Target] = {}
    for layer in layers:
        record = _valid_record(states[layer.env_name])
        runtime = _valid_record(states[layer.runtime_name])
        if record and runtime and runtime.python and all(name in found for name in layer.lower):
            modules = app_modules(layer)
            deployed_name = layer.deployed_name(record.lock_version)
            lower = tuple(found[name].deployed_name for name in layer.lower)
            inputs = KeyInputs(
                deployed_name=deployed_name,
                lower=lower,
                layer=layer,
                platform=platform,
                record=record,
                python=str(runtime.python),
                fingerprint="" if layer.lower else fingerprint(runtime.python),
                modules=modules,
            )
            found[layer.env_name] = Target(
                layer=layer,
                key=environment_key(inputs),
                modules=modules,
                locked_at=record.locked_at,
                deployed_name=deployed_name,
                lower=lower,
            )
    return found


def _valid_record(state: LockState) -> LockRecord | None:
    return state.saved.record if state.saved and not state.outdated else None


def _lock_step(layer: LayerSpec, state: LockState) -> Step:
    wanted = Need.YES if state.certain else Need.MAYBE
    need = wanted if state.outdated else Need.NO
    reason = state.outdated or "its lock is valid"
    return Step(action="lock", env_name=layer.env_name, need=need, reason=reason)


def _build_step(
    layer: LayerSpec, found: Mapping[str, Target], built_key: Callable[[str], str | None]
) -> Step:
    name = layer.env_name
    if name not in found:
        return Step(
            action="build", env_name=name, need=Need.MAYBE, reason="its lock is to be made first"
        )
    built = built_key(name)
    if built == found[name].key:
        return Step(action="build", env_name=name, need=Need.NO, reason="nothing in it changed")
    reason = "its contents changed" if built else "it is not built yet"
    return Step(action="build", env_name=name, need=Need.YES, reason=reason)


def _output_steps(
    layers: tuple[LayerSpec, ...],
    action: str,
    found: Mapping[str, Target],
    steps: Sequence[Step],
    outlook: Outlook,
) -> list[Step]:
    building = {step.env_name: step for step in steps if step.action == "build"}
    in_place = outlook.outputs()
    planned = []
    for layer in layers:
        name = layer.env_name
        if building[name].need is not Need.NO:
            need, reason = Need.MAYBE, building[name].reason
        elif name not in in_place:
            need, reason = Need.YES, "its output is not there"
        elif not in_place[name](found[name]):
            need, reason = Need.YES, "its output is older"
        else:
            need, reason = Need.NO, "its output is in place"
        planned.append(Step(action=action, env_name=name, need=need, reason=reason))
    gone = [name for name in in_place if name not in building]
    reason = "its output is there, and it is not in the stack any more"
    planned += [Step(action=action, env_name=name, need=Need.YES, reason=reason) for name in gone]
    return planned
