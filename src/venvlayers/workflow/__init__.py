"""Doing what a plan says: the one entry of every shell.

`perform` plans, and returns at once when nothing is to be done. Otherwise it
takes the stack's guard, so that two builds in one project follow each other,
and hands each stage the values that the stage before returned: specification,
locks, environments, archives. Stages are imported when they are needed: this
module and `run.py` are all that a run with nothing to do imports of this room.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from venvlayers.check.reports import recorded_reports
from venvlayers.errors import BuildError, LockError
from venvlayers.files import os_reason
from venvlayers.guard import guarded
from venvlayers.layout import STAGING_PREFIX
from venvlayers.plan import OUTPUT_ACTIONS, Goal, Need, Plan, Step
from venvlayers.planning import with_lower
from venvlayers.report import Reporter
from venvlayers.request import LockPolicy, Request
from venvlayers.workflow.job import append_summary, listed_before
from venvlayers.workflow.outcome import Outcome
from venvlayers.workflow.outlook import make_plan
from venvlayers.workflow.run import Run, is_locked, is_tagged, start
from venvlayers.workflow.trust import remember_what_was_read, tell_trusted, trusted

if TYPE_CHECKING:
    from venvlayers.publish.metadata import Metadata
    from venvlayers.publish.outputs import PublishedLayer

__all__ = ["LockPolicy", "Outcome", "Request", "clean", "perform", "preview", "requested"]


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
    run = start(request, reporter)
    before = [(one, listed_before(one)) for one in run.each]
    outcome = _done(run)
    _tidy(run)
    for one, listed in before:
        append_summary(one, outcome.published_for(one.platform), listed)
    return outcome


def _done(run: Run) -> Outcome:
    """Do what there is to do, and return what was done."""
    if not any(layer.lock_needs_wheel for layer in with_lower(run.spec, run.selection)):
        plan = make_plan(run)
        if plan.is_done:
            remember_what_was_read(run)
            return _outcome(run, plan, _in_place(run))
        _refuse(run, plan)
    from venvlayers.workflow.places import require_places  # noqa: PLC0415
    from venvlayers.workflow.stages import carry_out  # noqa: PLC0415
    from venvlayers.workflow.wheel import told_of_project  # noqa: PLC0415

    for one in run.each:
        require_places(one)
    if run.request.goal in OUTPUT_ACTIONS:
        from venvlayers.workflow.publishing import require_output_dir  # noqa: PLC0415

        for one in run.each:
            require_output_dir(one)
    with guarded(run.layout, run.spec.root, run.reporter):
        # Forgets what was in place: another build may have changed it.
        run = told_of_project(replace(run))
        plan = make_plan(run)
        _refuse(run, plan)
        return _outcome(run, plan, carry_out(run, plan))


def _tidy(run: Run) -> None:
    """Remove what a killed run left, also where this one had nothing to put."""
    places = [run.layout.lock_dir]
    if run.request.goal in OUTPUT_ACTIONS:
        places += [one.output_dir for one in run.each]
    for place in places:
        if any(place.glob(f"{STAGING_PREFIX}*")):
            from venvlayers.transaction import remove_leftovers  # noqa: PLC0415

            remove_leftovers(place)


def _in_place(run: Run) -> tuple[PublishedLayer, ...]:
    return tuple(found.layer for one in run.each for found in one.published_before.values())


def preview(request: Request, reporter: Reporter) -> Plan:
    """Return what `perform` would do.

    Raises:
        VenvstacksError: The specification, the request or a lock cannot be used.
    """
    return make_plan(start(request, reporter))


def requested(request: Request, reporter: Reporter) -> Metadata:
    """Return the manifest that publishing would write, without what only archives tell.

    For several platforms it is an object of manifests, by the names of platforms. Nothing is
    done, and nothing has to be built for it; locks have to be valid.

    Raises:
        VenvstacksError: The specification, the request or a lock cannot be used.
    """
    run = start(replace(request, lock=LockPolicy.NEVER), reporter)
    plan = make_plan(run)
    _refuse_locks(plan.blocked("lock"))
    from venvlayers.workflow.publishing import requested_manifest  # noqa: PLC0415

    found = {one.platform.name: requested_manifest(one, plan) for one in run.each}
    return {"platforms": found} if run.several else found[run.platform.name]


def _refuse(run: Run, plan: Plan) -> None:
    """Refuse to go on where something would have to be done, and must not."""
    if is_locked(run):
        needed = [step for step in plan.steps if step.action == "lock" and step.need is Need.YES]
        if needed:
            raise LockError(
                "locks would change, which --locked or VENVSTACKS_LOCKED forbids:\n"
                + _listed(needed),
                hint="lock without it, review the result and commit it",
            )
    _refuse_locks(plan.blocked("lock"))
    if blocked := plan.blocked("build"):
        raise BuildError(
            f"environments are not up to date, and are not to be built:\n{_listed(blocked)}",
            hint="leave out --no-build",
        )


def _refuse_locks(blocked: Iterable[Step]) -> None:
    if outdated := list(blocked):
        raise LockError(
            f"locks are missing or outdated:\n{_listed(outdated)}",
            hint="make them with `venvstacks lock --if-needed`, or on the way "
            "with `venvstacks build --lock-if-needed`",
        )


def _listed(steps: Iterable[Step]) -> str:
    listed = [(step.env_name, step.platform, step.reason) for step in steps]
    several = len({platform for _name, platform, _reason in listed}) > 1
    return "\n".join(
        f"  - {name} for {platform}: {reason}" if several else f"  - {name}: {reason}"
        for name, platform, reason in listed
    )


def _outcome(run: Run, plan: Plan, published: tuple[PublishedLayer, ...]) -> Outcome:
    order = {name: number for number, name in enumerate(run.order)}
    ranks = {platform: number for number, platform in enumerate(run.platforms)}
    listed = sorted(
        published,
        key=lambda layer: (ranks[layer.platform], order.get(layer.env_name, len(order))),
    )
    taken = trusted(run, plan)
    tell_trusted(run, taken)
    return Outcome(
        plan=plan,
        artifact=_artifact(run, plan.goal),
        done=tuple(run.done),
        changes=dict(run.changes),
        published=tuple(listed),
        checks=() if plan.goal is Goal.LOCK else _reports(run, plan),
        trusted=taken,
    )


def _artifact(run: Run, goal: Goal) -> Path:
    """Return what stands for the result."""
    if goal is Goal.LOCK:
        return run.layout.lock_dir
    if goal is Goal.BUILD:
        return run.layout.build_dir if run.several else run.layout.environments(run.platform)
    if goal is Goal.EXPORT:
        return run.outputs_dir
    from venvlayers.publish.manifest import index_path, manifest_path  # noqa: PLC0415

    if run.several:
        return index_path(run.output_dir)
    return manifest_path(run.output_dir, run.platform if is_tagged(run) else None)


def _reports(run: Run, plan: Plan) -> tuple[Mapping[str, Any], ...]:
    names = list(dict.fromkeys(step.env_name for step in plan.steps if step.action == "build"))
    return tuple(
        report
        for platform in run.platforms
        for report in recorded_reports(run.layout, names, platform)
    )


def clean(output_dir: Path) -> None:
    """Remove what the manifests in *output_dir* list, and nothing else.

    Raises:
        PublishError: Something cannot be removed.
    """
    from venvlayers.publish.outputs import clean as clean_outputs  # noqa: PLC0415

    clean_outputs(output_dir)
