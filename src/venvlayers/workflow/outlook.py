"""The plan of a run: what is asked of the recorded state, and of what is in its place.

No stage is imported before there is something of it to ask.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from venvlayers.build.recorded import recorded_key
from venvlayers.plan import Goal, Plan, Target
from venvlayers.planning import Outlook, plan_stack
from venvlayers.workflow.outputs import outputs, source_date_epoch
from venvlayers.workflow.run import Run
from venvlayers.workflow.runtimes import fingerprint


def make_plan(run: Run) -> Plan:
    """Plan a run.

    Raises:
        VenvstacksError: A lock is damaged, or an option names what there is not.
    """
    outlooks = {one.platform: _outlook(one) for one in run.each}
    return plan_stack(
        run.spec,
        run.layout,
        run.request.goal,
        outlooks,
        selection=run.selection,
        given_wheel=lambda: run.wheel,
    )


def _outlook(run: Run) -> Outlook:
    return Outlook(
        fingerprint=fingerprint(run),
        built_key=lambda name: recorded_key(run.layout, name, run.platform),
        outputs=lambda: _outputs_in_place(run),
    )


def _outputs_in_place(run: Run) -> Mapping[str, Callable[[Target], bool]]:
    """Return the layers with intact outputs, each with what tells if it is up to date."""
    if run.request.goal is Goal.EXPORT:
        return _exports_in_place(run)
    before = run.published_before
    described = outputs(run)

    def is_current(name: str) -> Callable[[Target], bool]:
        recipe = before[name].recipe
        return lambda target: recipe == described.recipe(target)

    return {name: is_current(name) for name in before}


def _exports_in_place(run: Run) -> Mapping[str, Callable[[Target], bool]]:
    from venvlayers.deploy.exported import export_recipe  # noqa: PLC0415

    timestamp = source_date_epoch()

    def is_current(name: str) -> Callable[[Target], bool]:
        recipe = run.exported_before[name]
        return lambda target: recipe == export_recipe(target, timestamp)

    return {name: is_current(name) for name in run.exported_before}
