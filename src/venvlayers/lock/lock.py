"""Locking a layer: resolve it, divide the result, check the wheels, write it down.

Whether a lock is still valid is decided elsewhere (`state.py`), from recorded
hashes and without any of this. New locks are values until `save_locks` writes
them, so that a stack which cannot be locked keeps all the locks that it had.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from packaging.pylock import PylockValidationError

from venvlayers.build.runtime.choose import find_python
from venvlayers.build.runtime.source import RuntimeContext, RuntimeSource
from venvlayers.errors import LockError, Problem
from venvlayers.files import sha256_text
from venvlayers.layout import Layout
from venvlayers.lock.conflict import explain
from venvlayers.lock.divide import (
    Provided,
    constraint,
    own_packages,
    provided_below,
    shadowed,
)
from venvlayers.lock.document import (
    OwnPackage,
    lock_text,
    parse_lock,
    requirements_hash,
    summary_text,
)
from venvlayers.lock.inputs import LockInputs, lock_inputs
from venvlayers.lock.model import Change, LayerLock, PythonPin, Upgrade
from venvlayers.lock.resolve import Question, resolve
from venvlayers.lock.store import (
    LockRecord,
    SavedLock,
    lock_files,
    pinned_text,
    read_lock,
    write_files,
)
from venvlayers.lock.wheels import fitting_wheels
from venvlayers.platforms import Platform
from venvlayers.report import Kind
from venvlayers.spec.model import LayerSpec, StackSpec
from venvlayers.uv import UvFailure


@dataclass(frozen=True, slots=True, kw_only=True)
class LockContext:
    """What locking works with.

    Attributes:
        layout: Where lock files are.
        runtime: What runtime sources may use; its `uv` resolves.
        sources: The runtime sources, by name.
        now: The time to record for what changes.
        upgrade: Which versions are not kept.
        local_wheels: Directories of wheels to choose from too; absolute.
        use_index: Whether indexes are asked.
    """

    layout: Layout
    runtime: RuntimeContext
    sources: Mapping[str, RuntimeSource]
    now: datetime
    upgrade: Upgrade = Upgrade()
    local_wheels: tuple[Path, ...] = ()
    use_index: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLock:
    """A lock that was made and is not written yet.

    Attributes:
        lock: The lock.
        saved: What is to be written of it.
        declared: The layer's requirements, for people.
        summary: The layer's packages, for people.
        changes: How it differs from the lock before, by package.
    """

    lock: LayerLock
    saved: SavedLock
    declared: str
    summary: str
    changes: tuple[Change, ...] = ()


def load_lock(saved: SavedLock, env_name: str, python: PythonPin | None) -> LayerLock:
    """Return a saved lock as a value.

    Args:
        saved: As read from disk.
        env_name: The layer's environment name.
        python: The Python of its runtime; None for a runtime, which records its own.

    Raises:
        LockError: Its text is not a lock.
    """
    record = saved.record
    pin = record.python or python
    try:
        document = parse_lock(saved.text)
    except (ValueError, PylockValidationError) as error:
        raise LockError(f"the lock of {env_name} cannot be read: {error}") from error
    if pin is None:
        raise LockError(f"the lock of {env_name} does not say which Python it is for")
    return LayerLock(
        env_name=env_name,
        python=pin,
        document=document,
        requirements_hash=record.requirements_hash,
        lock_version=record.lock_version,
        locked_at=record.locked_at,
    )


def lock_layer(
    spec: StackSpec, layer: LayerSpec, lower: Sequence[LayerLock], context: LockContext
) -> NewLock:
    """Lock *layer*, keeping the versions that it had where they still fit.

    Nothing is written; `save_locks` does that.

    Args:
        spec: The stack.
        layer: The layer.
        lower: The locks of the layers below it, in path order.
        context: What to work with.

    Raises:
        LockError: It cannot be locked.
        PythonUnavailableError: A runtime's Python cannot be had.
    """
    layout = context.layout
    inputs = lock_inputs(spec, layer, [lock.requirements_hash for lock in lower])
    forgotten = layer.env_name in context.upgrade.reset
    previous = None if forgotten else read_lock(layout, layer.env_name)
    python = lower[-1].python if lower else _runtime_python(spec, layer, previous, context)
    provided = provided_below(lower, layer.platforms)
    for warning in shadowed(layer.env_name, lower, layer.platforms):
        context.runtime.reporter.say(Kind.WARNING, warning)
    question = Question(
        spec=spec,
        layer=layer,
        python=python.version,
        constraints=tuple(constraint(entry, layer.platforms) for entry in provided),
        previous=None if forgotten else pinned_text(layout, layer.env_name),
        upgrade=None if context.upgrade.everything else context.upgrade.packages,
    )
    resolved = _resolve(question, provided, context)
    own = own_packages(resolved, provided, layer.platforms, python.version)
    packages = _with_wheels(layer, own, python, layout.pylock(layer.env_name).parent)
    pin = None if lower else python
    text = lock_text(layer, python, packages)
    saved = SavedLock(
        text=text,
        record=_record(
            inputs=inputs,
            set_hash=requirements_hash(pin, packages),
            text=text,
            python=pin,
            previous=previous,
            now=context.now,
        ),
    )
    return NewLock(
        lock=load_lock(saved, layer.env_name, python),
        saved=saved,
        declared="".join(f"{requirement}\n" for requirement in layer.requirements),
        summary=summary_text(layer, packages, provided),
    )


def save_locks(layout: Layout, locks: Iterable[NewLock]) -> None:
    """Write new locks in the place of old ones.

    Raises:
        LockError: They cannot be written; those that were there are as they were.
    """
    files: dict[Path, str] = {}
    for new in locks:
        name = new.lock.env_name
        files |= lock_files(layout, name, new.saved, declared=new.declared, summary=new.summary)
    if files:
        write_files(layout, files)


def _resolve(
    question: Question, provided: Sequence[Provided], context: LockContext
) -> list[dict[str, Any]]:
    if not question.layer.requirements:
        return []
    uv, work_dir = context.runtime.uv, context.runtime.work_dir
    try:
        return resolve(question, uv, work_dir)
    except UvFailure as failure:
        raise explain(question, provided, failure, uv, work_dir) from failure


def _runtime_python(
    spec: StackSpec, layer: LayerSpec, previous: SavedLock | None, context: LockContext
) -> PythonPin:
    """Return the Python pinned so far if it still fits, else the newest that can be had."""
    request = layer.python
    if request is None:
        raise LockError(f"{layer.env_name} is no runtime, and stands on none")
    pinned = previous.record.python if previous else None
    choice = spec.options.runtime_source
    if (
        pinned
        and pinned.implementation == request.implementation
        and request.version.admits(pinned.version)
        and choice.value in ("auto", pinned.source)
    ):
        return pinned
    return find_python(request, layer.platforms, choice, context.sources, context.runtime)


def _with_wheels(
    layer: LayerSpec,
    packages: Sequence[tuple[dict[str, Any], tuple[Platform, ...]]],
    python: PythonPin,
    lock_dir: Path,
) -> list[OwnPackage]:
    """Keep the wheels that fit, and refuse the layer if a platform is left without one."""
    kept: list[OwnPackage] = []
    problems = []
    for package, platforms in packages:
        wheels, missing = fitting_wheels(package, platforms, python.version)
        if missing:
            listed = ", ".join(platform.name for platform in missing)
            pin = f"{package['name']}=={package.get('version', '?')}"
            problems.append(Problem(where=pin, what=f"no wheel for {listed}"))
        entries = [_relative(wheel, lock_dir) for wheel in wheels]
        kept.append(({**package, "wheels": entries}, platforms))
    if problems:
        raise _wheels_missing(layer, problems)
    return kept


def _wheels_missing(layer: LayerSpec, problems: Sequence[Problem]) -> LockError:
    listed = "\n".join(f"  - {problem}" for problem in problems)
    return LockError(
        f"{layer.env_name} needs wheels that do not exist:\n{listed}",
        hint="nothing is built from source; require versions that have wheels, "
        "or take the platforms that you do not ship to out of `platforms`",
    )


def _relative(wheel: dict[str, Any], lock_dir: Path) -> dict[str, Any]:
    """Return a wheel entry with a local path relative to the lock file (PEP 751)."""
    if "path" not in wheel:
        return wheel
    relative = Path(os.path.relpath(wheel["path"], lock_dir)).as_posix()
    return {**wheel, "path": relative}


def _record(
    *,
    inputs: LockInputs,
    set_hash: str,
    text: str,
    python: PythonPin | None,
    previous: SavedLock | None,
    now: datetime,
) -> LockRecord:
    """Return the record of a new lock; the time stays when the locked set does (H18)."""
    unchanged = previous is not None and previous.record.requirements_hash == set_hash
    kept = previous.record.locked_at if previous and unchanged else now
    return LockRecord(
        inputs=inputs,
        requirements_hash=set_hash,
        lock_hash=sha256_text(text),
        lock_version=1,
        locked_at=kept.astimezone(UTC).replace(microsecond=0),
        python=python,
    )
