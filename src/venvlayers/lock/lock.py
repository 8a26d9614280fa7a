"""Locking a layer: resolve it, divide the result, check the wheels, write it down.

Whether a lock is still valid is decided elsewhere (`state.py`), from recorded
hashes and without any of this. New locks are values until `save_locks` writes
them, so that a stack which cannot be locked keeps all the locks that it had.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from packaging.pylock import PylockValidationError

from venvlayers.build.runtime.choose import find_python
from venvlayers.build.runtime.source import RuntimeContext, RuntimeSource
from venvlayers.errors import LockError
from venvlayers.files import sha256_text
from venvlayers.layout import Layout
from venvlayers.lock.available import with_wheels
from venvlayers.lock.changes import Grounds, asked_for, find_changes, python_change
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
from venvlayers.lock.history import Before, look_back, next_time, next_version, versions_of
from venvlayers.lock.inputs import LockInputs, lock_inputs
from venvlayers.lock.model import Change, LayerLock, PythonPin, Upgrade
from venvlayers.lock.resolve import Question, requirers, resolve
from venvlayers.lock.settings import latest_time, layer_settings, located
from venvlayers.lock.store import LockRecord, SavedLock, lock_files, write_files
from venvlayers.report import Kind, Reporter
from venvlayers.spec.model import LayerSpec, StackSpec
from venvlayers.uv import UvFailure
from venvlayers.values import frozen


@frozen
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
    upgrade: Upgrade = field(default_factory=Upgrade)
    local_wheels: tuple[Path, ...] = ()
    use_index: bool = True

    def telling(self, reporter: Reporter) -> LockContext:
        """Return the same with another place for messages."""
        return replace(self, runtime=replace(self.runtime, reporter=reporter))


@frozen
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
    task = _task(spec, layer, lower, context)
    for warning in shadowed(layer.env_name, lower, layer.platforms):
        context.runtime.reporter.say(Kind.WARNING, warning)
    packages = _saved_packages(task) if _only_its_number_changes(task) else _packages(task)
    saved = _saved(task, packages)
    return NewLock(
        lock=load_lock(saved, layer.env_name, task.python),
        saved=saved,
        declared="".join(f"{requirement}\n" for requirement in layer.requirements),
        summary=summary_text(layer, packages, task.provided, spec.project),
        changes=_changes(task, packages),
    )


@frozen
class _Task:
    """One layer to lock, with all that is known before uv is asked."""

    layer: LayerSpec
    python: PythonPin
    provided: Sequence[Provided]
    inputs: LockInputs
    before: Before
    question: Question
    context: LockContext


def _task(
    spec: StackSpec, layer: LayerSpec, lower: Sequence[LayerLock], context: LockContext
) -> _Task:
    before = look_back(context.layout, layer, context.upgrade)
    python = lower[-1].python if lower else _runtime_python(spec, layer, before, context)
    provided = provided_below(lower, layer.platforms)
    _refuse_strange_project(spec, layer, provided)
    settings = located(
        layer_settings(spec, layer),
        spec.root,
        local_wheels=context.local_wheels,
        use_index=context.use_index,
    )
    question = Question(
        spec=spec,
        layer=layer,
        python=python.interpreter,
        constraints=tuple(constraint(entry, layer.platforms) for entry in provided),
        settings=settings,
        previous=before.pins,
        upgrade=None if context.upgrade.everything else context.upgrade.packages,
    )
    return _Task(
        layer=layer,
        python=python,
        provided=provided,
        inputs=lock_inputs(spec, layer, lower),
        before=before,
        question=question,
        context=context,
    )


def _refuse_strange_project(
    spec: StackSpec, layer: LayerSpec, provided: Iterable[Provided]
) -> None:
    """Refuse the project in a layer above one that has it from an index."""
    for entry in provided if spec.project and layer.project else ():
        if spec.project and entry.name == spec.project.name:
            raise LockError(
                f"{entry.layer} has {entry.name}=={entry.version} from an index, and "
                f"{layer.env_name} contains the project itself",
                hint=f"let {entry.layer} contain it too (`project = true`), or require nothing "
                "there that needs it",
            )


def _only_its_number_changes(task: _Task) -> bool:
    """Tell whether the locked set is known to stay, so that nobody need be asked (H19)."""
    saved = task.before.saved
    if saved is None or task.context.upgrade.concerns(task.layer.env_name):
        return False
    recorded = saved.record.inputs
    return recorded.same_set(task.inputs) and dict(recorded.version) != dict(task.inputs.version)


def _saved_packages(task: _Task) -> list[OwnPackage]:
    """Return the packages of the lock until now."""
    packages = tomllib.loads(task.before.text or "").get("packages", [])
    return list(own_packages(packages, (), task.layer.platforms, task.python.interpreter))


def _packages(task: _Task) -> list[OwnPackage]:
    """Return the packages that the layer is to have, as uv resolves them now."""
    layer, python = task.layer, task.python.interpreter
    resolved = _resolve(task.question, task.provided, task.context)
    own = own_packages(resolved, task.provided, layer.platforms, python)
    return with_wheels(layer, own, python, task.context.layout.pylock(layer.env_name).parent)


def _saved(task: _Task, packages: Sequence[OwnPackage]) -> SavedLock:
    """Return what is to be written of a lock with these packages."""
    layer, before = task.layer, task.before
    pin = task.python if layer.python else None
    set_hash = requirements_hash(pin, packages)
    version = next_version(layer, before, task.inputs, set_hash)
    text = lock_text(layer, task.python, packages, version, before.highest_version)
    latest = latest_time(task.question.settings)
    record = LockRecord(
        inputs=task.inputs,
        requirements_hash=set_hash,
        lock_hash=sha256_text(text),
        lock_version=version,
        locked_at=next_time(before, set_hash, task.context.now, latest),
        python=pin,
    )
    return SavedLock(text=text, record=record)


def _changes(task: _Task, packages: Sequence[OwnPackage]) -> tuple[Change, ...]:
    after = versions_of(package for package, _platforms in packages)
    runtime = task.context.runtime
    grounds = Grounds(
        layer=task.layer,
        before=task.before,
        inputs=task.inputs,
        provided=task.provided,
        upgrade=task.context.upgrade,
        requirers=lambda: requirers(task.question, after, runtime.uv, runtime.work_dir),
    )
    of_python = python_change(task.python, grounds) if task.layer.python else ()
    return (*of_python, *find_changes(after, grounds))


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
    spec: StackSpec, layer: LayerSpec, before: Before, context: LockContext
) -> PythonPin:
    """Return the Python pinned so far if it still fits, else the newest that can be had."""
    request = layer.python
    if request is None:
        raise LockError(f"{layer.env_name} is no runtime, and stands on none")
    pinned = before.saved.record.python if before.saved else None
    choice = spec.options.runtime_source
    if (
        pinned
        and not asked_for(request.implementation, before, context.upgrade)
        and pinned.implementation == request.implementation
        and request.version.admits(pinned.version)
        and choice.value in ("auto", pinned.source)
    ):
        return pinned
    return find_python(request, layer.platforms, choice, context.sources, context.runtime)
