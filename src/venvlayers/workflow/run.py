"""One run: a request together with everything that it means for one stack.

What is read before anything is done lives here; what has effects is in
`stages.py` and `building.py`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from venvlayers.build.recorded import recorded_key
from venvlayers.build.runtime.source import RuntimeContext, RuntimeSource
from venvlayers.errors import BuildError, LockError, PublishError, SelectionError
from venvlayers.layout import Layout
from venvlayers.lock.model import PythonPin, Upgrade
from venvlayers.plan import OUTPUT_ACTIONS, Goal, Plan, Target
from venvlayers.planning import Outlook, buildable, plan_stack
from venvlayers.platforms import Platform, host_platform
from venvlayers.report import Kind, Reporter
from venvlayers.request import Request
from venvlayers.selection import Selection, select
from venvlayers.spec.model import StackSpec
from venvlayers.spec.parse import load
from venvlayers.spec.table import did_you_mean
from venvlayers.uv import find_uv

if TYPE_CHECKING:
    from venvlayers.deploy.exported import ExportRecipe
    from venvlayers.lock.model import Change
    from venvlayers.publish.format import ArchiveFormat
    from venvlayers.publish.outputs import Outputs, PublishedLayer
    from venvlayers.publish.state import Recipe

_LATEST = 8**11 - 1
"""The latest time, in the year 2242, that the header of a tar's member has room for."""

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


def make_plan(run: Run) -> Plan:
    """Plan a run.

    Raises:
        VenvstacksError: A lock is damaged, or an option names what there is not.
    """
    outlook = Outlook(
        fingerprint=fingerprint(run),
        built_key=lambda name: recorded_key(run.layout, name, run.platform),
        outputs=lambda: _outputs_in_place(run),
    )
    return plan_stack(
        run.spec,
        run.layout,
        run.request.goal,
        run.platform,
        outlook=outlook,
        selection=run.selection,
    )


def _outputs_in_place(run: Run) -> Mapping[str, Callable[[Target], bool]]:
    """Return the layers with intact outputs, each with what tells if it is up to date."""
    if run.request.goal is Goal.EXPORT:
        return _exports_in_place(run)
    before = run.published_before
    described = outputs(run)

    def is_current(name: str) -> Callable[[Target], bool]:
        recipe, _layer = before[name]
        return lambda target: recipe == described.recipe(target)

    return {name: is_current(name) for name in before}


def _exports_in_place(run: Run) -> Mapping[str, Callable[[Target], bool]]:
    from venvlayers.deploy.exported import export_recipe  # noqa: PLC0415

    timestamp = source_date_epoch()

    def is_current(name: str) -> Callable[[Target], bool]:
        recipe = run.exported_before[name]
        return lambda target: recipe == export_recipe(target, timestamp)

    return {name: is_current(name) for name in run.exported_before}


def outputs(run: Run) -> Outputs:
    """Return where archives go, and how they are made.

    Raises:
        SpecError: There is no such format as the stack names.
        SelectionError: There is none as the request names.
        PublishError: It has no such level, or ``SOURCE_DATE_EPOCH`` is no time.
    """
    from venvlayers.publish.outputs import Outputs  # noqa: PLC0415

    options, request = run.spec.options, run.request
    chosen = _archive_format(run)
    # A level means something else to another format than the one that the stack names.
    level = options.compression_level if chosen.name == options.archive_format else None
    found = Outputs(
        directory=run.output_dir,
        platform=run.platform,
        tagged=is_tagged(run),
        format=chosen,
        state_file=run.layout.published_record(run.platform),
        level=level if request.compression_level is None else request.compression_level,
        timestamp=source_date_epoch(),
    )
    found.format.codec(found.used_level)  # refuses a level that there is not, before any work
    return found


def _archive_format(run: Run) -> ArchiveFormat:
    from venvlayers.plugins import archive_format, archive_formats, plugin_manager  # noqa: PLC0415

    name = run.request.archive_format
    if name is None:
        return archive_format(run.spec)
    formats = archive_formats(plugin_manager())
    if name not in formats:
        meant = did_you_mean(name, formats) or f"the formats are {', '.join(sorted(formats))}"
        raise SelectionError(f"there is no archive format {name!r}", hint=meant)
    return formats[name]


def is_tagged(run: Run) -> bool:
    """Tell whether names of outputs have the platform in them."""
    said = (run.request.tag_outputs, run.spec.options.tag_outputs, run.request.tags_by_default)
    return next(value for value in said if value is not None)


def source_date_epoch() -> int | None:
    """Return ``SOURCE_DATE_EPOCH`` (reproducible-builds.org): seconds since 1970.

    Raises:
        PublishError: It is no time, or one that an archive cannot hold.
    """
    text = os.environ.get("SOURCE_DATE_EPOCH")
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        raise PublishError(f"SOURCE_DATE_EPOCH must be a number of seconds, not {text!r}")
    if (seconds := int(text)) > _LATEST:
        raise PublishError(f"SOURCE_DATE_EPOCH must be at most {_LATEST}, not {text}")
    return seconds


def all_sources() -> dict[str, RuntimeSource]:
    """Return every runtime source, by name."""
    from venvlayers.plugins import plugin_manager, runtime_sources  # noqa: PLC0415

    return runtime_sources(plugin_manager())


def runtime_context(run: Run) -> RuntimeContext:
    """Return what runtime sources may use."""
    uv = replace(find_uv(), reporter=run.reporter)
    return RuntimeContext(uv=uv, reporter=run.reporter, work_dir=run.layout.work_dir)


def fingerprint(run: Run) -> Callable[[PythonPin], str]:
    """Return what tells what a pinned Python would be made of now."""
    context = runtime_context(run)
    return lambda pin: _source(pin).fingerprint(pin, run.platform, context)


def _source(pin: PythonPin) -> RuntimeSource:
    sources = all_sources()
    if pin.source not in sources:
        raise LockError(
            f"a lock names the runtime source {pin.source!r}, which is not installed",
            hint=f"known sources: {', '.join(sorted(sources))}",
        )
    return sources[pin.source]
