"""Having the project's wheel made in a run: once, and only if it would be another one."""

from __future__ import annotations

from dataclasses import replace

from venvlayers.build.environment import edited_meanwhile
from venvlayers.lock.settings import build_settings
from venvlayers.planning import with_lower
from venvlayers.project.model import ProjectWheel
from venvlayers.project.needs import with_wheel
from venvlayers.spec.model import LayerSpec
from venvlayers.workflow.beside import Task
from venvlayers.workflow.project import known_wheel, project_place
from venvlayers.workflow.run import Run
from venvlayers.workflow.runtimes import runtime_context
from venvlayers.workflow.steps import step


def told_of_project(run: Run) -> Run:
    """Return *run* with what only the project's wheel tells of the locks that it is about.

    Raises:
        BuildError: The wheel cannot be built.
        SpecError: A layer names an extra that the project has not.
    """
    if not any(layer.lock_needs_wheel for layer in with_lower(run.spec, run.selection)):
        return run
    wheel = _wheel(run)
    return replace(run, spec=with_wheel(run.spec, wheel)) if wheel else run


def wheel_tasks(run: Run) -> list[Task]:
    """Return what can be done while layers are locked: making the wheel, if one will be needed.

    Not where git tells the version: new locks make another one of a commit.
    """
    place = project_place(run.spec, run.layout)
    if place is None or place.reads_git or not _having_wheel(run):
        return []
    return [Task(name="the wheel", do=lambda reporter: _make(replace(run, reporter=reporter)))]


def _make(run: Run) -> None:
    _wheel(run)


def wheel_to_build_with(run: Run) -> ProjectWheel | None:
    """Return the project's wheel for the layers that contain it; None if none is to be built.

    Raises:
        BuildError: It cannot be built.
    """
    having = _having_wheel(run)
    wheel = _wheel(run) if having else None
    for layer in having:
        numbered = layer.project.code_hash if layer.project else None
        if wheel and numbered not in (None, wheel.code_hash):
            raise edited_meanwhile(layer.env_name)
    return wheel


def _having_wheel(run: Run) -> list[LayerSpec]:
    return [
        layer
        for layer in with_lower(run.spec, run.selection)
        if layer.has_wheel and not set(run.platforms).isdisjoint(layer.platforms)
    ]


def _wheel(run: Run) -> ProjectWheel | None:
    place = project_place(run.spec, run.layout)
    if place is None:
        return None
    if wheel := known_wheel(place):
        return wheel
    from venvlayers.project.wheel import WheelMaker, build_wheel  # noqa: PLC0415 - 9 ms

    settings = build_settings(
        run.spec, local_wheels=run.local_wheels, use_index=run.request.use_index
    )
    context = runtime_context(run)
    maker = WheelMaker(uv=context.uv, work_dir=context.work_dir, settings=settings)
    with step(run, f"building the wheel of {place.name}"):
        return build_wheel(place, maker)
