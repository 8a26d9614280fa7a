"""Doing what a plan says: the one entry of every shell.

`perform` plans, and returns at once when nothing is to be done. Otherwise it
takes the stack's guard, so that two builds in one project follow each other,
and hands each stage the values that the stage before returned: specification,
locks, environments, archives. Stages are imported when they are needed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from venvlayers.build.runtime.source import RuntimeContext, RuntimeSource
from venvlayers.errors import BuildError, LockError, PublishError
from venvlayers.files import os_reason
from venvlayers.guard import guarded
from venvlayers.layout import Layout
from venvlayers.lock.model import PythonPin
from venvlayers.lock.state import lock_states
from venvlayers.plan import (
    Goal,
    Need,
    Outlook,
    Plan,
    Target,
    buildable,
    plan_stack,
    targets,
)
from venvlayers.platforms import Platform, host_platform
from venvlayers.report import Kind, Reporter, human_size
from venvlayers.spec.model import StackSpec
from venvlayers.spec.parse import load
from venvlayers.uv import find_uv

if TYPE_CHECKING:
    from venvlayers.build.environment import BuildContext, Order
    from venvlayers.build.model import LayerEnvironment
    from venvlayers.lock.model import LayerLock
    from venvlayers.publish.outputs import Outputs, PublishedLayer
    from venvlayers.publish.state import Recipe


_LATEST = 8**11 - 1
"""The latest time, in the year 2242, that the header of a tar's member has room for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a shell was asked for.

    Attributes:
        project: The specification, or a directory that has one.
        goal: How far to go.
        output_dir: Where archives or exports go; absolute. Not needed for less.
        locked: Fail rather than change a lock.
        tag_outputs: Put the platform into the names of outputs; None to do as the
            specification says.
        tags_by_default: What to do about that where neither says anything.
    """

    project: Path
    goal: Goal
    output_dir: Path | None = None
    locked: bool = False
    tag_outputs: bool | None = None
    tags_by_default: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run did.

    Attributes:
        plan: What there was to do.
        artifact: The manifest, or the directory, that stands for the result.
        done: What was locked, built and exported, for people.
        published: The layers that were published, also those that were in place.
    """

    plan: Plan
    artifact: Path
    done: tuple[str, ...] = ()
    published: tuple[PublishedLayer, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Run:
    """One run: a request with everything that it means."""

    request: Request
    spec: StackSpec
    layout: Layout
    platform: Platform
    reporter: Reporter
    done: list[str] = field(default_factory=list)

    @property
    def output_dir(self) -> Path:
        return self.request.output_dir or self.spec.root / "_artifacts"

    @property
    def tagged(self) -> bool:
        said = (self.request.tag_outputs, self.spec.options.tag_outputs)
        return next((tag for tag in said if tag is not None), self.request.tags_by_default)

    @cached_property
    def published_before(self) -> Mapping[str, tuple[Recipe, PublishedLayer]]:
        """The layers whose archives are in place and intact; every byte is read, once."""
        if self.request.goal is not Goal.PUBLISH:
            return {}  # an export may have been changed by hand, so it is always made anew
        from venvlayers.publish.outputs import published_before  # noqa: PLC0415

        return published_before(_outputs(self))

    @property
    def locked(self) -> bool:
        return self.request.locked or os.environ.get("VENVSTACKS_LOCKED", "") not in ("", "0")


def perform(request: Request, reporter: Reporter) -> Outcome:
    """Do what was asked for, as far as it is not done.

    Raises:
        VenvstacksError: It cannot be done; earlier outputs are as they were.
    """
    try:
        return _perform(request, reporter)
    except OSError as error:  # stages explain theirs; this is a disk that filled in between
        raise BuildError(
            f"this cannot be done here: {os_reason(error)}",
            hint="is there space, and may you write there?",
        ) from error


def _perform(request: Request, reporter: Reporter) -> Outcome:
    run = _start(request, reporter)
    plan = _plan(run)
    if plan.is_done:
        return _outcome(run, plan, tuple(layer for _, layer in run.published_before.values()))
    with guarded(run.layout, run.spec.root, reporter):
        run = replace(run)  # forgets what was in place: another build may have changed it
        plan = _plan(run)
        _refuse_changed_locks(run, plan)
        return _outcome(run, plan, _carry_out(run))


def preview(request: Request, reporter: Reporter) -> Plan:
    """Return what `perform` would do.

    Raises:
        VenvstacksError: The specification or a lock cannot be used.
    """
    return _plan(_start(request, reporter))


def _start(request: Request, reporter: Reporter) -> _Run:
    spec = load(request.project)
    for warning in spec.warnings:
        reporter.say(Kind.WARNING, str(warning))
    try:
        platform = host_platform()
    except LookupError as error:
        raise BuildError(str(error)) from error
    run = _Run(
        request=request,
        spec=spec,
        layout=Layout.of(spec),
        platform=platform,
        reporter=reporter,
    )
    if request.goal >= Goal.BUILD and not buildable(spec, platform):
        raise BuildError(
            f"no layer is made for {platform}, which this machine is",
            hint="add it to `platforms`, or build on another machine",
        )
    return run


def _plan(run: _Run) -> Plan:
    from venvlayers.build.environment import recorded_key  # noqa: PLC0415 - see the module's docstring

    outlook = Outlook(
        fingerprint=_fingerprint(run),
        built_key=lambda name: recorded_key(run.layout, name, run.platform),
        outputs=lambda: _outputs_in_place(run),
    )
    return plan_stack(run.spec, run.layout, run.request.goal, run.platform, outlook)


def _outputs_in_place(run: _Run) -> dict[str, Callable[[Target], bool]]:
    """Return the layers with intact archives, each with what tells if it is up to date."""
    before = run.published_before
    outputs = _outputs(run) if before else None

    def is_current(name: str) -> Callable[[Target], bool]:
        recipe, _layer = before[name]
        return lambda target: outputs is not None and recipe == outputs.recipe(target)

    return {name: is_current(name) for name in before}


def _outputs(run: _Run) -> Outputs:
    from venvlayers.plugins import archive_format  # noqa: PLC0415
    from venvlayers.publish.outputs import Outputs  # noqa: PLC0415

    return Outputs(
        directory=run.output_dir,
        platform=run.platform,
        tagged=run.tagged,
        format=archive_format(run.spec),
        level=run.spec.options.compression_level,
        state_file=run.layout.published_record(run.platform),
        timestamp=_source_date_epoch(),
    )


def _source_date_epoch() -> int | None:
    """Return ``SOURCE_DATE_EPOCH`` (reproducible-builds.org): seconds since 1970."""
    text = os.environ.get("SOURCE_DATE_EPOCH")
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        raise PublishError(f"SOURCE_DATE_EPOCH must be a number of seconds, not {text!r}")
    if (seconds := int(text)) > _LATEST:
        raise PublishError(f"SOURCE_DATE_EPOCH must be at most {_LATEST}, not {text}")
    return seconds


def _source(pin: PythonPin) -> RuntimeSource:
    sources = _sources()
    if pin.source not in sources:
        raise LockError(
            f"a lock names the runtime source {pin.source!r}, which is not installed",
            hint=f"known sources: {', '.join(sorted(sources))}",
        )
    return sources[pin.source]


def _sources() -> dict[str, RuntimeSource]:
    from venvlayers.plugins import plugin_manager, runtime_sources  # noqa: PLC0415

    return runtime_sources(plugin_manager())


def _runtime_context(run: _Run) -> RuntimeContext:
    uv = replace(find_uv(), reporter=run.reporter)
    return RuntimeContext(uv=uv, reporter=run.reporter, work_dir=run.layout.work_dir)


def _refuse_changed_locks(run: _Run, plan: Plan) -> None:
    """Refuse to go on where a lock would change and must not."""
    needed = [step for step in plan.steps if step.action == "lock" and step.need is Need.YES]
    if needed and run.locked:
        listed = "\n".join(f"  - {step.env_name}: {step.reason}" for step in needed)
        raise LockError(
            f"locks would change, which --locked or VENVSTACKS_LOCKED forbids:\n{listed}",
            hint="lock without it, review the result and commit it",
        )


def _carry_out(run: _Run) -> tuple[PublishedLayer, ...]:
    locks = _lock_stage(run)
    if run.request.goal is Goal.LOCK:
        return ()
    with closing(_build_stage(run, locks)) as environments:
        if run.request.goal is Goal.PUBLISH:
            return _publish_stage(run, environments)
        made = sorted(environments, key=lambda made: _order(run).index(made.env_name))
    if run.request.goal is Goal.EXPORT:
        _export_stage(run, made)
    return ()


def _order(run: _Run) -> list[str]:
    """Return the environment names of all layers, as declared."""
    return [layer.env_name for layer in run.spec.layers]


def _lock_stage(run: _Run) -> dict[str, LayerLock]:
    """Return the lock of every layer, made anew where it is not valid."""
    from venvlayers.lock.lock import (  # noqa: PLC0415
        LockContext,
        NewLock,
        load_lock,
        lock_layer,
        save_locks,
    )
    from venvlayers.lock.state import lock_state  # noqa: PLC0415

    context = LockContext(
        layout=run.layout,
        runtime=_runtime_context(run),
        sources=_sources(),
        now=datetime.now(UTC),
    )
    locks: dict[str, LayerLock] = {}
    new: list[NewLock] = []
    for layer in run.spec.layers:
        lower = [locks[name] for name in layer.lower]
        state = lock_state(run.spec, layer, run.layout, [lock.requirements_hash for lock in lower])
        if state.saved and not state.outdated:
            python = lower[-1].python if lower else None
            locks[layer.env_name] = load_lock(state.saved, layer.env_name, python)
        else:
            run.done.append(f"lock: {layer.env_name}")
            with _step(run, f"locking {layer.env_name}", state.outdated):
                new.append(lock_layer(run.spec, layer, lower, context))
            locks[layer.env_name] = new[-1].lock
    save_locks(run.layout, new)
    return locks


@contextmanager
def _step(run: _Run, what: str, reason: str | None = None) -> Iterator[None]:
    """Say what begins and why, and how long it took."""
    run.reporter.say(Kind.STEP, f"{what}: {reason}" if reason else what)
    start = time.perf_counter()
    yield
    run.reporter.say(Kind.INFO, f"{what}: done in {time.perf_counter() - start:.1f} s")


def _build_stage(
    run: _Run, locks: Mapping[str, LayerLock]
) -> Generator[LayerEnvironment, None, None]:
    """Yield the environment of every layer for this platform, built where its key changed.

    Environments only hold paths to those below, so they are filled side by side, and come
    in the order in which they are ready. The generator is to be closed.
    """
    from venvlayers.build.environment import BuildContext, Order  # noqa: PLC0415
    from venvlayers.lock.settings import index_settings  # noqa: PLC0415

    context = BuildContext(
        layout=run.layout,
        platform=run.platform,
        runtime=_runtime_context(run),
        sources=_sources(),
        indexes=index_settings(run.spec),
    )
    orders = [Order(target=target, lock=locks[target.layer.env_name]) for target in _targets(run)]
    pool = ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1))
    built: dict[str, Future[LayerEnvironment]] = {}
    try:
        for order in orders:
            # In this order, so what a task waits for has begun before it.
            below = [built[name] for name in order.layer.lower]
            built[order.layer.env_name] = pool.submit(_built, run, order, context, below)
        waiting = list(built.values())
        while waiting:
            done, _ = wait(waiting, return_when=FIRST_COMPLETED)
            ready = next(future for future in waiting if future in done)
            waiting.remove(ready)
            yield ready.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        _wait_out(built.values())


def _wait_out(work: Iterable[Future[Any]]) -> None:
    """Wait until nothing is written any more, however often the user presses Ctrl-C."""
    begun = [future for future in work if not future.cancelled()]
    while True:
        try:
            wait(begun)
        except KeyboardInterrupt:
            continue
        return


def _built(
    run: _Run, order: Order, context: BuildContext, below: Sequence[Future[LayerEnvironment]]
) -> LayerEnvironment:
    from venvlayers.build.environment import (  # noqa: PLC0415
        build_layer,
        describe,
        looks_below,
        recorded_key,
        refuse_shadowing,
    )

    name = order.layer.env_name
    if order.layer.launch_module:
        wait(below)
        refuse_shadowing(order, context)
    if recorded_key(run.layout, name, run.platform) == order.target.key:
        return describe(order, context)
    if looks_below(order, context):
        wait(below)
    run.done.append(f"build: {name}")
    with _step(run, f"building {name}"):
        return build_layer(order, context)


def _targets(run: _Run) -> list[Target]:
    """Return what environments are to be, now that every lock is valid."""
    layers = buildable(run.spec, run.platform)
    found = targets(layers, lock_states(run.spec, run.layout), run.platform, _fingerprint(run))
    return [found[layer.env_name] for layer in layers]


def _fingerprint(run: _Run) -> Callable[[PythonPin], str]:
    context = _runtime_context(run)
    return lambda pin: _source(pin).fingerprint(pin, run.platform, context)


def _publish_stage(
    run: _Run, environments: Iterable[LayerEnvironment]
) -> tuple[PublishedLayer, ...]:
    from venvlayers.publish.publish import publish  # noqa: PLC0415

    return publish(environments, _outputs(run), run.reporter, order=_order(run))


def _export_stage(run: _Run, environments: Sequence[LayerEnvironment]) -> None:
    from venvlayers.deploy.export import export  # noqa: PLC0415
    from venvlayers.publish.manifest import write_export_manifests  # noqa: PLC0415

    run.done.extend(f"local-export: {environment.env_name}" for environment in environments)
    with _step(run, f"exporting to {run.output_dir}"):
        timestamp = _source_date_epoch()
        export(environments, run.output_dir, timestamp=timestamp, reporter=run.reporter)
        write_export_manifests(environments, run.output_dir)


def _outcome(run: _Run, plan: Plan, published: tuple[PublishedLayer, ...]) -> Outcome:
    from venvlayers.publish.manifest import manifest_path  # noqa: PLC0415

    tag = run.platform if run.tagged else None
    artifact = {
        Goal.LOCK: run.layout.lock_dir,
        Goal.BUILD: run.layout.environments(run.platform),
        Goal.PUBLISH: manifest_path(run.output_dir, tag),
        Goal.EXPORT: run.output_dir,
    }[plan.goal]
    return Outcome(plan=plan, artifact=artifact, done=tuple(run.done), published=published)


def summary(outcome: Outcome) -> list[str]:
    """Return what was made, a line each, for people."""
    if outcome.plan.goal is not Goal.PUBLISH:
        return list(outcome.done) or ["nothing to do"]
    rows = [
        (
            layer.archive.name,
            human_size(layer.metadata["archive_size"]),
            f"sha256:{layer.metadata['archive_hashes']['sha256'][:12]}",
            "unchanged" if layer.reused else "new",
        )
        for layer in outcome.published
    ]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    return [
        f"{name:<{widths[0]}}  {size:>{widths[1]}}  {digest}  {state}"
        for name, size, digest, state in rows
    ]


def clean(output_dir: Path) -> None:
    """Remove what the manifests in *output_dir* list, and nothing else.

    Raises:
        PublishError: Something cannot be removed.
    """
    from venvlayers.publish.outputs import clean as clean_outputs  # noqa: PLC0415

    clean_outputs(output_dir)
