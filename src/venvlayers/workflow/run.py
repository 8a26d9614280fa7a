"""One run: a request together with everything that it means for one stack.

What is read before anything is planned lives here; the plan is made in `outlook.py`,
and what has effects is in `stages.py` and `building.py`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from venvlayers.errors import LockError, SelectionError
from venvlayers.layout import Layout
from venvlayers.lock.model import Upgrade
from venvlayers.plan import Goal
from venvlayers.platforms import Platform
from venvlayers.project.model import ProjectWheel
from venvlayers.report import Kind, Reporter
from venvlayers.request import Request
from venvlayers.selection import Selection, select
from venvlayers.spec.model import StackSpec
from venvlayers.spec.parse import load
from venvlayers.values import frozen
from venvlayers.workflow.project import known_wheel, project_place, told
from venvlayers.workflow.targets import choose_platforms

if TYPE_CHECKING:
    from venvlayers.deploy.exported import ExportRecipe
    from venvlayers.lock.model import Change
    from venvlayers.publish.outputs import InPlace
    from venvlayers.workflow.checking import Seen

_OUTPUT_DIRS = {Goal.PUBLISH: "_artifacts", Goal.EXPORT: "_export"}


@frozen(kw_only=False)
class Done:
    """Something that was done.

    Attributes:
        action: As in `Step`.
        env_name: The layer's environment name.
        platform: What for; None for locks.
    """

    action: str
    env_name: str
    platform: Platform | None = None


@frozen(slots=False)
class Run:
    """One run, seen from one of its platforms.

    Attributes:
        request: What was asked for.
        spec: The stack.
        layout: Where its files are.
        platform: What to build for.
        platforms: All that it builds for, in order; see `each`.
        named: Whether somebody named them.
        selection: What is to be done with each layer.
        reporter: Where messages go.
        done: What was cleaned, locked, built and exported.
        changes: What changed in locks, by environment name.
        seen: What is known of environments that were built, by platform and name.
    """

    request: Request
    spec: StackSpec
    layout: Layout
    platform: Platform
    platforms: tuple[Platform, ...]
    selection: Selection
    reporter: Reporter
    named: bool = False
    done: list[Done] = field(default_factory=list)
    changes: dict[str, tuple[Change, ...]] = field(default_factory=dict)
    seen: dict[tuple[Platform, str], Seen] = field(default_factory=dict)

    @property
    def output_dir(self) -> Path:
        """Where archives or exports go."""
        # Exports have the names that layers are deployed by, and nothing of the platform.
        is_apart = self.several and self.request.goal is Goal.EXPORT
        return self.outputs_dir / self.platform.name if is_apart else self.outputs_dir

    @property
    def outputs_dir(self) -> Path:
        """Where the outputs of all its platforms go."""
        default = _OUTPUT_DIRS.get(self.request.goal, "_artifacts")
        return below(self.spec, self.request.output_dir or Path(default))

    @property
    def several(self) -> bool:
        """Whether it is for more than one platform."""
        return len(self.platforms) > 1

    @cached_property
    def each(self) -> tuple[Run, ...]:
        """This run for each of its platforms; they note together what was done."""
        return tuple(replace(self, platform=platform) for platform in self.platforms)

    def label(self, env_name: str) -> str:
        """Return what a layer is called in messages: with its platform, if there are several."""
        return f"{env_name} for {self.platform}" if self.several else env_name

    def note(self, action: str, env_name: str) -> None:
        """Note what was done with a layer on this platform."""
        self.done.append(Done(action, env_name, self.platform))

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

    @cached_property
    def wheel(self) -> ProjectWheel | None:
        """The project's wheel as it would be made now; None while that is not known.

        Raises:
            BuildError: A source file cannot be read.
        """
        place = project_place(self.spec, self.layout)
        return known_wheel(place) if place else None

    @property
    def order(self) -> list[str]:
        """The environment names of all layers, as declared."""
        return [layer.env_name for layer in self.spec.layers]

    @cached_property
    def published_before(self) -> Mapping[str, InPlace]:
        """The layers whose archives are in place and intact."""
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
        BuildError: No layer is made for the platform.
    """
    spec = load(request.project)
    layout = stack_layout(spec, request.build_dir)
    spec = told(spec, layout)
    for warning in spec.warnings:
        reporter.say(Kind.WARNING, str(warning))
    selection = select(spec, request.wish(locked=_is_locked(request)), request.choice)
    for text in selection.warnings:
        reporter.say(Kind.WARNING, text)
    platforms = choose_platforms(request, spec, selection)
    run = Run(
        request=request,
        spec=spec,
        layout=layout,
        platform=platforms.chosen[0],
        platforms=platforms.chosen,
        named=platforms.named,
        selection=selection,
        reporter=reporter,
    )
    _warn_of_unmade(run)
    _refuse_changes(run)
    _require_distinct_names(run)
    _require_cache_size(run)
    return run


def _warn_of_unmade(run: Run) -> None:
    """Say which layers somebody named that are for other platforms; those below are made."""
    if run.request.goal < Goal.BUILD:
        return
    where = ", ".join(platform.name for platform in run.platforms)
    for layer in run.spec.layers:
        if layer.env_name in run.selection.named and not set(layer.platforms) & set(run.platforms):
            made_for = ", ".join(platform.name for platform in layer.platforms)
            run.reporter.say(
                Kind.WARNING,
                f"{layer.env_name} is not made for {where}, so only layers below it are built"
                f" (it is for {made_for})",
            )


def stack_layout(spec: StackSpec, build_dir: Path | None) -> Layout:
    """Return where a stack's files are; *build_dir* is what the request says of it."""
    layout = Layout.of(spec)
    return replace(layout, build_dir=below(spec, build_dir)) if build_dir else layout


def is_tagged(run: Run) -> bool:
    """Tell whether names of outputs have the platform in them.

    Who names platforms may name others tomorrow, and have both in one place.
    """
    by_default = run.named or run.request.tags_by_default
    said = (run.request.tag_outputs, run.spec.options.tag_outputs, by_default)
    return next(value for value in said if value is not None)


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


def _require_distinct_names(run: Run) -> None:
    """Refuse to give outputs of several platforms the same names."""
    if run.several and run.request.goal is Goal.PUBLISH and not is_tagged(run):
        raise SelectionError(
            "outputs of several platforms need the platform in their names, which --no-tag-outputs"
            " or `tag-outputs` rules out",
            hint="leave that out, or publish platform by platform to a directory for each",
        )


def _require_cache_size(run: Run) -> None:
    """Refuse a size of the cache that is none before any work, not when it is needed."""
    if run.request.goal >= Goal.BUILD:
        from venvlayers.cache.size import cache_limit  # noqa: PLC0415 - planning a lock needs none

        cache_limit()
