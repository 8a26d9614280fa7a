"""One run: a request together with everything that it means for one stack.

What is read before anything is planned lives here; the plan is made in `outlook.py`,
and what has effects is in `stages.py` and `building.py`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from venvlayers.errors import BuildError, LockError, SelectionError
from venvlayers.layout import Layout
from venvlayers.lock.model import Upgrade
from venvlayers.plan import OUTPUT_ACTIONS, Goal
from venvlayers.planning import buildable
from venvlayers.platforms import Platform, host_platform
from venvlayers.report import Kind, Reporter
from venvlayers.request import Request
from venvlayers.selection import Selection, select
from venvlayers.spec.model import StackSpec
from venvlayers.spec.parse import load

if TYPE_CHECKING:
    from venvlayers.deploy.exported import ExportRecipe
    from venvlayers.lock.model import Change
    from venvlayers.publish.outputs import PublishedLayer
    from venvlayers.publish.state import Recipe

_OUTPUT_DIRS = {Goal.PUBLISH: "_artifacts", Goal.EXPORT: "_export"}


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run.

    Attributes:
        request: What was asked for.
        spec: The stack.
        layout: Where its files are.
        platform: What to build for: this machine.
        selection: What is to be done with each layer.
        reporter: Where messages go.
        done: What was cleaned, locked, built and exported: actions with the names of layers.
        changes: What changed in locks, by environment name.
    """

    request: Request
    spec: StackSpec
    layout: Layout
    platform: Platform
    selection: Selection
    reporter: Reporter
    done: list[tuple[str, str]] = field(default_factory=list)
    changes: dict[str, tuple[Change, ...]] = field(default_factory=dict)

    @property
    def output_dir(self) -> Path:
        """Where archives or exports go."""
        default = _OUTPUT_DIRS.get(self.request.goal, "_artifacts")
        return below(self.spec, self.request.output_dir or Path(default))

    @property
    def upgrade(self) -> Upgrade:
        """Which locked versions are not kept."""
        asked = self.request.upgrade
        return replace(asked, reset=asked.reset | self.selection.reset)

    @property
    def local_wheels(self) -> tuple[Path, ...]:
        """Directories of wheels to lock from too, absolute.

        Raises:
            LockError: One is not there.
        """
        places = tuple(below(self.spec, path) for path in self.request.local_wheels)
        for place in places:
            if not place.is_dir():
                raise LockError(f"there is no directory {place}, which wheels are to come from")
        return places

    @property
    def order(self) -> list[str]:
        """The environment names of all layers, as declared."""
        return [layer.env_name for layer in self.spec.layers]

    @cached_property
    def published_before(self) -> Mapping[str, tuple[Recipe, PublishedLayer]]:
        """The layers whose archives are in place and intact; every byte is read, once."""
        if self.request.goal is not Goal.PUBLISH:
            return {}
        from venvlayers.publish.outputs import published_before  # noqa: PLC0415
        from venvlayers.workflow.outputs import outputs  # noqa: PLC0415

        return published_before(outputs(self))

    @cached_property
    def exported_before(self) -> Mapping[str, ExportRecipe]:
        """The layers whose exports are in place as they were left."""
        if self.request.goal is not Goal.EXPORT:
            return {}
        from venvlayers.deploy.exported import exported_before  # noqa: PLC0415
        from venvlayers.publish.outputs import explained  # noqa: PLC0415

        with explained(self.output_dir):
            return exported_before(self.layout.exported_record(self.platform), self.output_dir)


def below(spec: StackSpec, path: Path) -> Path:
    """Return *path* relative to the specification's directory, `~` and ``..`` resolved as text."""
    return Path(os.path.normpath(spec.root / path.expanduser()))


def start(request: Request, reporter: Reporter) -> Run:
    """Read the specification, and find out what a request means for it.

    Raises:
        SpecError: The specification cannot be used.
        SelectionError: The request does not fit it.
        BuildError: Nothing can be built on this machine.
    """
    spec = load(request.project)
    for warning in spec.warnings:
        reporter.say(Kind.WARNING, str(warning))
    selection = select(spec, request.wish(locked=_is_locked(request)), request.choice)
    for text in selection.warnings:
        reporter.say(Kind.WARNING, text)
    run = Run(
        request=request,
        spec=spec,
        layout=stack_layout(spec, request.build_dir),
        platform=this_machine(),
        selection=selection,
        reporter=reporter,
    )
    _refuse_changes(run)
    _require_buildable(run)
    return run


def stack_layout(spec: StackSpec, build_dir: Path | None) -> Layout:
    """Return where a stack's files are; *build_dir* is what the request says of it."""
    layout = Layout.of(spec)
    return replace(layout, build_dir=below(spec, build_dir)) if build_dir else layout


def this_machine() -> Platform:
    """Return the platform to build for.

    Raises:
        BuildError: It is none that we know.
    """
    try:
        return host_platform()
    except LookupError as error:
        raise BuildError(str(error)) from error


def _is_locked(request: Request) -> bool:
    return request.locked or os.environ.get("VENVSTACKS_LOCKED", "") not in ("", "0")


def is_locked(run: Run) -> bool:
    """Tell whether locks must not change."""
    return _is_locked(run.request)


def _refuse_changes(run: Run) -> None:
    """Refuse to be told at once to change locks and not to."""
    upgrade = run.upgrade
    if is_locked(run) and (upgrade.everything or upgrade.packages or upgrade.reset):
        raise SelectionError(
            "locks are to be changed, which --locked or VENVSTACKS_LOCKED forbids",
            hint="leave out one of the two",
        )


def _require_buildable(run: Run) -> None:
    selected = [(layer, run.selection.of(layer.env_name)) for layer in run.spec.layers]
    if run.request.goal in OUTPUT_ACTIONS:
        wanted = [layer for layer, operations in selected if operations.publish]
    else:
        wanted = [layer for layer, operations in selected if operations.build]
    is_asked = bool(wanted) or not selected
    if run.request.goal >= Goal.BUILD and is_asked and not buildable(wanted, run.platform):
        raise BuildError(
            f"no layer is made for {run.platform}, which this machine is",
            hint="add it to `platforms`, or build on another machine",
        )
