"""Doing what a plan says: the one entry of every shell.

`perform` plans, and returns at once when nothing is to be done. Otherwise it
takes the stack's guard, so that two builds in one project follow each other,
and hands each stage the values that the stage before returned: specification,
locks, environments, archives. Stages are imported when they are needed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from venvlayers.build.runtime.source import RuntimeContext, RuntimeSource
from venvlayers.errors import BuildError, LockError
from venvlayers.files import remove_tree
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
    from venvlayers.build.model import LayerEnvironment
    from venvlayers.lock.model import LayerLock
    from venvlayers.publish.publish import PublishedLayer


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a shell was asked for.

    Attributes:
        project: The specification, or a directory that has one.
        goal: How far to go.
        output_dir: Where archives or exports go; absolute. Not needed for less.
        locked: Fail rather than change a lock.
        tag_outputs: Put the platform into the names of outputs.
    """

    project: Path
    goal: Goal
    output_dir: Path | None = None
    locked: bool = False
    tag_outputs: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run did.

    Attributes:
        plan: What there was to do.
        artifact: The manifest, or the directory, that stands for the result.
        published: The layers that were published, also those that were in place.
    """

    plan: Plan
    artifact: Path
    published: tuple[PublishedLayer, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """One run: a request with everything that it means."""

    request: Request
    spec: StackSpec
    layout: Layout
    platform: Platform
    reporter: Reporter

    @property
    def output_dir(self) -> Path:
        return self.request.output_dir or self.spec.root / "_artifacts"

    @property
    def locked(self) -> bool:
        return self.request.locked or os.environ.get("VENVSTACKS_LOCKED", "") not in ("", "0")


def perform(request: Request, reporter: Reporter) -> Outcome:
    """Do what was asked for, as far as it is not done.

    Raises:
        VenvstacksError: It cannot be done; earlier outputs are as they were.
    """
    run = _start(request, reporter)
    plan = _plan(run)
    if plan.is_done:
        return _outcome(run, plan, _published_before(run, plan))
    with _guard(run):
        plan = _plan(run)  # another build may have done it while we waited
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
        layout=Layout.beside(spec.root),
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
        output_current=lambda name, key: _is_output_current(run, name, key),
    )
    return plan_stack(run.spec, run.layout, run.request.goal, run.platform, outlook)


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
    return RuntimeContext(uv=find_uv(), reporter=run.reporter, work_dir=run.layout.work_dir)


@contextmanager
def _guard(run: _Run) -> Iterator[None]:
    """Let one build at a time change this stack, and clear up after one that was killed."""
    from filelock import FileLock, Timeout  # noqa: PLC0415 - costs 80 ms to import

    layout = run.layout
    try:
        _make_build_dir(layout)
        lock = FileLock(layout.guard)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            run.reporter.say(Kind.STEP, f"waiting for another build in {layout.build_dir}")
            lock.acquire()
    except OSError as error:
        raise BuildError(
            f"{layout.build_dir} cannot be used: {error.strerror}",
            hint="builds need a writable directory beside the specification",
        ) from error
    try:
        remove_tree(layout.work_dir)
        layout.work_dir.mkdir()
        yield
    finally:
        remove_tree(layout.work_dir)
        lock.release()


def _make_build_dir(layout: Layout) -> None:
    layout.build_dir.mkdir(parents=True, exist_ok=True)
    ignore = layout.build_dir / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n", "utf-8")


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
    environments = _build_stage(run, locks)
    if run.request.goal is Goal.PUBLISH:
        return _publish_stage(run, environments)
    if run.request.goal is Goal.EXPORT:
        return _export_stage(run, environments)
    return ()


def _lock_stage(run: _Run) -> dict[str, LayerLock]:
    """Return the lock of every layer, made anew where it is not valid."""
    from venvlayers.lock.lock import LockContext, load_lock, lock_layer  # noqa: PLC0415
    from venvlayers.lock.state import lock_state  # noqa: PLC0415

    context = LockContext(
        layout=run.layout,
        runtime=_runtime_context(run),
        sources=_sources(),
        now=datetime.now(UTC),
    )
    locks: dict[str, LayerLock] = {}
    for layer in run.spec.layers:
        lower = [locks[name] for name in layer.lower]
        state = lock_state(run.spec, layer, run.layout, [lock.requirements_hash for lock in lower])
        if state.saved and not state.outdated:
            python = lower[-1].python if lower else None
            locks[layer.env_name] = load_lock(state.saved, layer.env_name, python)
        else:
            with _step(run, f"locking {layer.env_name}", state.outdated):
                locks[layer.env_name] = lock_layer(run.spec, layer, lower, context)
    return locks


@contextmanager
def _step(run: _Run, what: str, reason: str | None = None) -> Iterator[None]:
    """Say what begins and why, and how long it took."""
    run.reporter.say(Kind.STEP, f"{what}: {reason}" if reason else what)
    start = time.perf_counter()
    yield
    run.reporter.say(Kind.DETAIL, f"{what}: {time.perf_counter() - start:.1f} s")


def _build_stage(run: _Run, locks: Mapping[str, LayerLock]) -> list[LayerEnvironment]:
    """Return the environment of every layer for this platform, built where its key changed."""
    from venvlayers.build.environment import (  # noqa: PLC0415
        BuildContext,
        Order,
        build_layer,
        describe,
        recorded_key,
    )

    context = BuildContext(
        layout=run.layout,
        platform=run.platform,
        runtime=_runtime_context(run),
        sources=_sources(),
    )
    environments = []
    for target in _targets(run):
        layer = target.layer
        name = layer.env_name
        order = Order(target=target, lock=locks[name])
        if recorded_key(run.layout, name, run.platform) == target.key:
            environments.append(describe(order, context))
        else:
            with _step(run, f"building {name}"):
                environments.append(build_layer(order, context))
    return environments


def _targets(run: _Run) -> list[Target]:
    """Return what environments are to be, now that every lock is valid."""
    layers = buildable(run.spec, run.platform)
    found = targets(layers, lock_states(run.spec, run.layout), run.platform, _fingerprint(run))
    return [found[layer.env_name] for layer in layers]


def _fingerprint(run: _Run) -> Callable[[PythonPin], str]:
    context = _runtime_context(run)
    return lambda pin: _source(pin).fingerprint(pin, run.platform, context)
