"""The stage that fills environments, side by side, each when what it needs is there."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Mapping, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    CancelledError,
    Future,
    ThreadPoolExecutor,
    wait,
)
from dataclasses import replace
from functools import partial
from threading import Event

from venvlayers.build.environment import (
    BuildContext,
    Order,
    build_layer,
    describe,
    edited_meanwhile,
    looks_below,
    refuse_shadowing,
    refuse_unlaunchable_now,
)
from venvlayers.build.model import LayerEnvironment
from venvlayers.build.recorded import recorded_key
from venvlayers.errors import BuildError
from venvlayers.lock.model import LayerLock
from venvlayers.lock.settings import index_settings
from venvlayers.lock.state import lock_states
from venvlayers.plan import Plan, Target
from venvlayers.planning import buildable, for_each, targets
from venvlayers.project.fits import refuse_misfit
from venvlayers.project.model import ProjectWheel
from venvlayers.threads import wait_out
from venvlayers.workflow.checking import approve, check_chains
from venvlayers.workflow.run import Run
from venvlayers.workflow.runtimes import Sources, fingerprint, runtime_context
from venvlayers.workflow.steps import step

_Building = Future[LayerEnvironment]


def build_context(run: Run) -> BuildContext:
    """Return what building works with."""
    return BuildContext(
        layout=run.layout,
        platform=run.platform,
        runtime=runtime_context(run),
        sources=Sources(),
        indexes=index_settings(run.spec),
        env_names=frozenset(run.order),
    )


def build_stage(
    run: Run, plan: Plan, locks: Mapping[str, LayerLock], wheel: ProjectWheel | None
) -> Generator[LayerEnvironment, None, None]:
    """Yield every selected layer's environments, one a platform, built where they have to be.

    Environments only hold paths to those below, so they are filled side by side, also those
    for different platforms, and come in the order in which they are ready. The generator is
    to be closed.
    """
    runs = list(run.each)
    orders_of_each = for_each(runs, lambda one: _orders(one, plan, locks, wheel))
    work = list(zip(runs, orders_of_each, strict=True))
    # Twice the cores: while uv installs one layer, what it installed of another is looked at.
    pool = ThreadPoolExecutor(max_workers=min(8, 2 * (os.cpu_count() or 1)))
    built: list[dict[str, _Building]] = []
    is_over = Event()
    try:
        for one, orders in work:
            built.append({})
            _submit(pool, one, orders, built[-1], is_over)
        waiting = [future for here in built for future in here.values()]
        while waiting:
            done, _ = wait(waiting, return_when=FIRST_COMPLETED)
            ready = next(future for future in waiting if future in done)
            waiting.remove(ready)
            yield ready.result()
        for (one, orders), here in zip(work, built, strict=True):
            check_chains(one, orders, {name: made.result() for name, made in here.items()})
    finally:
        is_over.set()
        pool.shutdown(wait=False, cancel_futures=True)
        wait_out(future for here in built for future in here.values())


def _orders(
    run: Run, plan: Plan, locks: Mapping[str, LayerLock], wheel: ProjectWheel | None
) -> list[Order]:
    orders = [
        Order(target=target, lock=locks[target.layer.env_name])
        for target in final_targets(run, plan, wheel)
    ]
    for order in orders:
        if found := order.target.wheel:
            refuse_misfit(found, order.layer, run.platform, order.lock.python.interpreter)
    return orders


def _submit(
    pool: ThreadPoolExecutor,
    run: Run,
    orders: Iterable[Order],
    built: dict[str, _Building],
    is_over: Event,
) -> None:
    """Have the environments for one platform built, and note in *built* what was begun, by name.

    At once, for Ctrl-C can come in between, and what was begun is to be waited for. It can also
    come while a thread is started: what nobody knows of then heeds *is_over*.
    """
    context = build_context(run)
    for order in orders:
        # In this order, so what a task waits for has begun before it.
        lower = [built[name] for name in order.layer.lower if name in built]
        built[order.layer.env_name] = pool.submit(_built, run, order, context, lower, is_over)


def final_targets(
    run: Run, plan: Plan, wheel: ProjectWheel | None, *, complete: bool = True
) -> list[Target]:
    """Return what environments are to be, now that every lock is valid.

    Args:
        run: The run.
        plan: Its plan.
        wheel: The project's wheel, if a layer contains it.
        complete: Whether that has to be there.
    """
    layers = buildable(plan.layers, run.platform)
    states = lock_states(replace(run.spec, layers=plan.layers), run.layout)
    found = targets(layers, states, run.platform, fingerprint(run), wheel, complete=complete)
    wanted = []
    for layer in layers:
        operations = run.selection.of(layer.env_name)
        if operations.build or operations.publish:
            if layer.env_name not in found:  # the lock of a versioned layer is of its modules too
                raise edited_meanwhile(layer.env_name)
            wanted.append(found[layer.env_name])
    return wanted


def _built(
    run: Run,
    order: Order,
    context: BuildContext,
    lower: Sequence[Future[LayerEnvironment]],
    is_over: Event,
) -> LayerEnvironment:
    name = order.layer.env_name
    if order.layer.launch:
        wait(lower)
        refuse_shadowing(order, context)
    if recorded_key(run.layout, name, run.platform) == order.target.key:
        refuse_unlaunchable_now(order, context)
        return describe(order, context)
    if not run.selection.of(name).build:
        raise BuildError(
            f"{name} is not up to date, and is not to be built: its lock has changed",
            hint="leave out --no-build",
        )
    if looks_below(order, context):
        wait(lower)
    if is_over.is_set():
        raise CancelledError
    run.note("build", name)
    with step(run, f"building {run.label(name)}"):
        return build_layer(order, context, partial(approve, run, order))
