"""The stages in the order of a plan, each given what the one before returned.

Imported when there is something to do; the building of environments, which
has threads to look after, is in `building.py`, and what is done with them in
`publishing.py`.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from venvlayers.allocator import save_memory
from venvlayers.build.recorded import remove_environment
from venvlayers.plan import Goal, Plan
from venvlayers.project.record import forget
from venvlayers.report import Kind
from venvlayers.workflow.building import build_stage
from venvlayers.workflow.locking import lock_stage
from venvlayers.workflow.project import project_place
from venvlayers.workflow.run import Run
from venvlayers.workflow.wheel import wheel_tasks, wheel_to_build_with

if TYPE_CHECKING:
    from venvlayers.publish.outputs import PublishedLayer


def carry_out(run: Run, plan: Plan) -> tuple[PublishedLayer, ...]:
    """Do what *plan* says; return the layers that were published, also those in place.

    Raises:
        VenvstacksError: A stage cannot be done; earlier outputs are as they were.
    """
    if run.request.goal is Goal.PUBLISH:
        save_memory()  # before any thread is started
    for one in run.each:
        _clean_stage(one)
    if run.request.goal is Goal.LOCK:
        lock_stage(run, plan)
        return ()
    # What the wheel is made from may be what is locked: then it has to wait.
    locks = lock_stage(run, plan, *wheel_tasks(run))
    wheel = wheel_to_build_with(run)
    with closing(build_stage(run, plan, locks, wheel)) as environments:
        if run.request.goal is Goal.PUBLISH:
            from venvlayers.workflow.publishing import publish_stage  # noqa: PLC0415

            return publish_stage(run, environments)
        made = sorted(environments, key=lambda made: run.order.index(made.env_name))
    if run.request.goal is Goal.EXPORT:
        from venvlayers.workflow.publishing import export_stage  # noqa: PLC0415

        for one in run.each:
            here = [environment for environment in made if environment.platform == one.platform]
            export_stage(one, here)
    return ()


def _clean_stage(run: Run) -> None:
    place = project_place(run.spec, run.layout)
    if place and any(run.selection.of(name).clean for name in _with_wheel(run)):
        forget(place)
    for name, operations in run.selection.operations.items():
        if operations.clean and remove_environment(
            run.layout, name, run.platform, others=frozenset(run.order)
        ):
            run.note("clean", name)
            run.reporter.say(Kind.STEP, f"removed the environment of {run.label(name)}")


def _with_wheel(run: Run) -> list[str]:
    return [layer.env_name for layer in run.spec.layers if layer.has_wheel]
