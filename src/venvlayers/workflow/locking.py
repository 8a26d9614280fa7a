"""The stage that locks: layers side by side, each when those below it are locked.

New locks are written together when all of them are made.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import field, replace
from datetime import UTC, datetime
from functools import partial

from venvlayers.errors import several
from venvlayers.lock.lock import LockContext, NewLock, load_lock, lock_layer, save_locks
from venvlayers.lock.model import LayerLock
from venvlayers.lock.state import LockState, lock_state
from venvlayers.lock.store import SavedLock
from venvlayers.plan import Plan
from venvlayers.platforms import IMPLEMENTATIONS
from venvlayers.report import Kind, Reporter
from venvlayers.selection import Extent
from venvlayers.spec.model import LayerSpec
from venvlayers.spec.table import did_you_mean
from venvlayers.values import frozen
from venvlayers.workflow.beside import Task, do_beside
from venvlayers.workflow.outcome import change_table
from venvlayers.workflow.run import Done, Run
from venvlayers.workflow.runtimes import Sources, runtime_context
from venvlayers.workflow.steps import step


@frozen
class _Locking:
    """The locks of a stack while they are made, each in a thread.

    Attributes:
        run: The run.
        context: What to work with.
        locks: Every lock, as far as there is one.
        made: Those that are new.
    """

    run: Run
    context: LockContext
    locks: dict[str, LayerLock] = field(default_factory=dict)
    made: dict[str, NewLock] = field(default_factory=dict)

    def lock(self, layer: LayerSpec, reporter: Reporter) -> None:
        """Load the lock of a layer, or make it anew where it has to be."""
        name, lower = layer.env_name, [self.locks[name] for name in layer.lower]
        state = _state(self.run, layer, lower)
        if state.saved and not state.outdated:
            self.locks[name] = loaded(state.saved, layer, lower)
            return
        with step(replace(self.run, reporter=reporter), f"locking {name}", state.outdated):
            new = lock_layer(self.run.spec, layer, lower, self.context.telling(reporter))
        self.made[name], self.locks[name] = new, new.lock


def lock_stage(run: Run, plan: Plan, *more: Task) -> dict[str, LayerLock]:
    """Return the lock of every layer of the plan, made anew where it has to be.

    Args:
        run: The run.
        plan: Its plan.
        more: What else to do meanwhile.

    Raises:
        VenvstacksError: A layer cannot be locked, and no lock is changed; or something else
            could not be done.
    """
    locking = _Locking(run=run, context=_context(run))
    names = [layer.env_name for layer in plan.layers]
    tasks = [
        Task(name=layer.env_name, do=partial(locking.lock, layer), after=layer.lower)
        for layer in plan.layers
    ]
    failures = do_beside([*tasks, *more], run.reporter)
    if unlocked := [failures[name] for name in names if name in failures]:
        raise several(unlocked)
    _save(run, [locking.made[name] for name in names if name in locking.made])
    _tell_strangers(run, locking.locks.values())
    for failure in failures.values():
        raise failure
    return {name: locking.locks[name] for name in names}


def _context(run: Run) -> LockContext:
    return LockContext(
        layout=run.layout,
        runtime=runtime_context(run),
        sources=Sources(),
        now=datetime.now(UTC),
        upgrade=run.upgrade,
        local_wheels=run.local_wheels,
        use_index=run.request.use_index,
    )


def _save(run: Run, new: Sequence[NewLock]) -> None:
    run.done.extend(Done("lock", lock.lock.env_name) for lock in new)
    save_locks(run.layout, new)
    _tell_changes(run, new)


def _tell_strangers(run: Run, locks: Iterable[LayerLock]) -> None:
    """Warn of packages that were to be upgraded and that no layer has: a slip of the pen."""
    known = set(IMPLEMENTATIONS)
    for lock in locks:
        known |= {package.name for package in lock.document.packages}
    for name in run.upgrade.packages:
        if name not in known:
            meant = did_you_mean(name, known)
            message = f"--upgrade-package {name}: no layer has it"
            run.reporter.say(Kind.WARNING, f"{message}; {meant}" if meant else message)


def loaded(saved: SavedLock, layer: LayerSpec, lower: Sequence[LayerLock]) -> LayerLock:
    """Return a saved lock as a value.

    Raises:
        LockError: Its text is not a lock.
    """
    return load_lock(saved, layer.env_name, lower[-1].python if lower else None)


def _state(run: Run, layer: LayerSpec, lower: Sequence[LayerLock]) -> LockState:
    """Return what is to become of a lock, now that those below are as they will be."""
    name = layer.env_name
    if name in run.selection.reset:
        return LockState(saved=None, outdated="it is to be reset")
    state = lock_state(run.spec, layer, run.layout, lower)
    if run.selection.of(name).lock is Extent.YES and not state.outdated:
        return LockState(saved=state.saved, outdated="it is to be locked anew")
    return state


def _tell_changes(run: Run, new: Iterable[NewLock]) -> None:
    """Show what is different in new locks, a line a package."""
    for lock in new:
        if lock.changes:
            run.changes[lock.lock.env_name] = lock.changes
            table = "\n".join(change_table(lock.changes))
            run.reporter.say(Kind.INFO, f"changes in the lock of {lock.lock.env_name}:\n{table}")
