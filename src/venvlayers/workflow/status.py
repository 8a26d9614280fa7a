"""How a stack stands: its layers, their locks, and what was asked to be done with each.

Nothing is done to find out. As text it is a tree for people; as JSON it has the
fields that `docs/command.md` promises.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from venvlayers.lock.state import LockState, lock_states
from venvlayers.plan import OUTPUT_ACTIONS, Goal, Need, Plan, Step
from venvlayers.report import Kind, Reporter
from venvlayers.request import Request
from venvlayers.selection import Extent, Operations, related
from venvlayers.spec.kinds import LayerKind
from venvlayers.spec.model import LayerSpec, StackSpec
from venvlayers.spec.parse import load
from venvlayers.values import frozen
from venvlayers.workflow.outlook import make_plan
from venvlayers.workflow.project import told
from venvlayers.workflow.run import stack_layout, start
from venvlayers.workflow.trust import Trusted, trusted

_UNKNOWN_VERSION = "???"


@frozen
class LayerStatus:
    """How one layer stands.

    Attributes:
        layer: The layer.
        install_target: The directory that it is deployed as; ends in ``@???`` while the
            version is not known.
        outdated: Why its lock is not valid; None if it is.
        operations: What is to be done with it, in words; None if that was not asked.
    """

    layer: LayerSpec
    install_target: str
    outdated: str | None
    operations: tuple[str, ...] | None

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON value."""
        operations = self.operations
        return {
            "name": self.layer.env_name,
            "install_target": self.install_target,
            "has_valid_lock": self.outdated is None,
            "lock_problem": self.outdated,
            "selected_operations": None if operations is None else list(operations),
            "dependencies": list(self.layer.lower),
            "launch": str(self.layer.launch) if self.layer.launch else None,
            "project": self._project(),
        }

    def _project(self) -> dict[str, Any] | None:
        use = self.layer.project
        return {"extras": list(use.extras), "is_below": use.is_below} if use else None

    def lines(self) -> Iterator[str]:
        """Yield the lines of the tree: the layer, what it starts and has, what is below it."""
        name = self.layer.env_name
        target = "" if self.install_target == name else f" -> {self.install_target}"
        operations = f"  ({', '.join(self.operations)})" if self.operations else ""
        reason = f": {self.outdated}" if self.outdated else ""
        yield f"  {'*' if self.outdated else ' '} {name}{target}{operations}{reason}"
        if self.layer.launch:
            yield f"      starts {self.layer.launch}"
        if self.layer.has_wheel:
            yield "      the project itself"
        yield from (f"      {below}" for below in self.layer.lower)


@frozen
class StackStatus:
    """How a stack stands.

    Attributes:
        spec: The stack.
        layers: Those of its layers that were asked for.
        plan: What there is to do; None if that was not asked.
        trusted: What would be taken as given, if the plan was carried out.
    """

    spec: StackSpec
    layers: tuple[LayerStatus, ...]
    plan: Plan | None = None
    trusted: tuple[Trusted, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON value."""
        kinds = {kind.value: [status.as_json() for status in self._of(kind)] for kind in LayerKind}
        return {
            "spec_name": self.spec.path.name,
            **kinds,
            "plan": self.plan.as_json() if self.plan else None,
            **({"trusted": [asdict(one) for one in self.trusted]} if self.plan else {}),
        }

    def as_text(self) -> str:
        """Return it as a tree, and below it what there is to do and why."""
        lines = [f"{self.spec.path.name}"]
        for kind in LayerKind:
            if found := self._of(kind):
                lines += [kind.value, *(line for status in found for line in status.lines())]
        if self.plan:
            lines += ["to do", *(_to_do(self.plan) or ["    nothing"])]
        return "\n".join(lines)

    def _of(self, kind: LayerKind) -> list[LayerStatus]:
        return [status for status in self.layers if status.layer.kind is kind]


_MARKS = {Need.YES: " ", Need.MAYBE: "?", Need.BLOCKED: "!"}


def _to_do(plan: Plan) -> list[str]:
    steps = [step for step in plan.steps if step.need is not Need.NO]
    rows = [(step.action, _named(step, plan)) for step in steps]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(2)]
    return [
        f"  {_MARKS[step.need]} {action:<{widths[0]}}  {name:<{widths[1]}}  {step.reason}"
        for step, (action, name) in zip(steps, rows, strict=True)
    ]


def _named(step: Step, plan: Plan) -> str:
    several = step.platform and len(plan.platforms) > 1
    return f"{step.env_name} for {step.platform}" if several else step.env_name


def stack_status(request: Request, reporter: Reporter) -> StackStatus:
    """Return how the layers that were asked for stand, with all below and above them.

    Raises:
        VenvstacksError: The specification, a pattern or a lock cannot be used.
    """
    spec = load(request.project)
    layout = stack_layout(spec, request.build_dir)
    spec = told(spec, layout)
    for warning in spec.warnings:
        reporter.say(Kind.WARNING, str(warning))
    selection = related(spec, request.choice)
    for text in selection.warnings:
        reporter.say(Kind.WARNING, text)
    states = lock_states(spec, layout)
    layers = [layer for layer in spec.layers if layer.env_name in selection]
    return StackStatus(spec=spec, layers=tuple(_described(layers, states)))


def planned_status(request: Request, reporter: Reporter) -> StackStatus:
    """Return how the selected layers stand, and what there is to do with them.

    Raises:
        VenvstacksError: The specification, the request or a lock cannot be used.
    """
    run = start(request, reporter)
    plan = make_plan(run)
    states = lock_states(run.spec, run.layout, reset=run.selection.reset)
    layers = [layer for layer in run.spec.layers if layer.env_name in run.selection]
    return StackStatus(
        spec=run.spec,
        layers=tuple(_described(layers, states, plan)),
        plan=plan,
        trusted=trusted(run, plan),
    )


def _described(
    layers: Iterable[LayerSpec], states: dict[str, LockState], plan: Plan | None = None
) -> Iterator[LayerStatus]:
    for layer in layers:
        state = states[layer.env_name]
        yield LayerStatus(
            layer=layer,
            install_target=_install_target(layer, state),
            outdated=state.outdated,
            operations=None if plan is None else tuple(_words(layer, plan)),
        )


def _install_target(layer: LayerSpec, state: LockState) -> str:
    if not layer.versioned:
        return layer.env_name
    if state.saved is None or state.outdated:
        return f"{layer.env_name}@{_UNKNOWN_VERSION}"
    return layer.deployed_name(state.saved.record.lock_version)


def _words(layer: LayerSpec, plan: Plan) -> Iterator[str]:
    """Yield what is to be done with a layer, in the words of the command."""
    name = layer.env_name
    operations = plan.selection.of(name)
    if name in plan.selection.reset:
        yield "reset-lock"
    if operations.clean:
        yield "clean"
    here = any(platform in layer.platforms for platform in plan.platforms)
    for word, extent in _extents(operations, plan.goal):
        if extent and (here or word == "lock"):
            yield word if extent is Extent.YES else f"{word}-if-needed"


def _extents(operations: Operations, goal: Goal) -> Iterator[tuple[str, Extent]]:
    yield "lock", operations.lock
    yield "build", operations.build
    yield OUTPUT_ACTIONS.get(goal, "publish"), operations.publish
