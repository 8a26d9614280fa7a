"""What is planned and why, for every state that a project can be in; nothing is done."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from support.projects import Project
from support.stacks import spec_and_layout
from venvlayers.errors import BuildError, LockError
from venvlayers.lock.model import PythonPin
from venvlayers.plan import Goal, Need, Plan, Target
from venvlayers.planning import Outlook, buildable, plan_stack
from venvlayers.platforms import PLATFORMS
from venvlayers.request import Request
from venvlayers.selection import Choice, Extent, Operations, select

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="local runtimes are for Linux")

HERE = PLATFORMS["linux_x86_64"]
LAYERS = ("base", "framework-middle", "app-top")

Steps = dict[tuple[str, str], tuple[Need, str]]


def nothing_published() -> Mapping[str, Callable[[Target], bool]]:
    return {}


def never_asked(*_: object) -> Any:
    raise AssertionError("what later stages have must not matter here")


EMPTY = Outlook(fingerprint=str, built_key=lambda _name: None, outputs=nothing_published)
"""Nothing is built, nothing is published, and every pinned Python is there."""


def planned(
    project: Project,
    goal: Goal = Goal.PUBLISH,
    outlook: Outlook = EMPTY,
    choice: Choice | None = None,
    **asked: Any,
) -> Plan:
    spec, layout = spec_and_layout(project)
    request = Request(project=project.root, goal=goal, **asked)
    selection = select(spec, request.wish(locked=False), choice or Choice())
    return plan_stack(spec, layout, goal, {HERE: outlook}, selection=selection)


def steps(plan: Plan) -> Steps:
    return {(step.action, step.env_name): (step.need, step.reason) for step in plan.steps}


def everything_done(project: Project) -> Outlook:
    """Return what the later stages say when all that is planned now was done."""
    keys = {name: target.key for name, target in planned(project).targets[HERE].items()}
    current = {name: lambda target, name=name: target.key == keys[name] for name in keys}
    return replace(EMPTY, built_key=keys.get, outputs=lambda: current)


def edit(project: Project, kind: str, **keys: object) -> None:
    stack = project.stack()
    stack[kind][0].update(keys)
    project.set_stack(stack)


def test_nothing_is_locked(small_project: Project) -> None:
    plan = planned(small_project)
    assert [(step.action, step.env_name) for step in plan.steps] == [
        (action, name) for action in ("lock", "build", "publish") for name in LAYERS
    ]
    assert steps(plan)["lock", "app-top"] == (Need.YES, "it has no lock yet")
    assert steps(plan)["build", "base"] == (Need.MAYBE, "its lock is to be made first")
    assert steps(plan)["publish", "base"] == (Need.MAYBE, "its lock is to be made first")
    assert plan.targets == {HERE: {}}
    assert not plan.is_done


def test_everything_is_locked_and_nothing_is_built(unbuilt_project: Project) -> None:
    plan = planned(unbuilt_project)
    for name in LAYERS:
        assert steps(plan)["lock", name] == (Need.NO, "its lock is valid")
        assert steps(plan)["build", name] == (Need.YES, "it is not built yet")
        assert steps(plan)["publish", name] == (Need.MAYBE, "it is not built yet")
    assert sorted(plan.targets[HERE]) == sorted(LAYERS)
    assert plan.targets[HERE]["app-top"].deployed_name == "app-top"


def test_everything_is_done(unbuilt_project: Project) -> None:
    plan = planned(unbuilt_project, outlook=everything_done(unbuilt_project))
    assert plan.is_done
    assert {need for need, _ in steps(plan).values()} == {Need.NO}
    assert steps(plan)["build", "base"] == (Need.NO, "nothing in it changed")
    assert steps(plan)["publish", "base"] == (Need.NO, "its output is in place")


def test_everything_is_built_and_nothing_is_published(unbuilt_project: Project) -> None:
    outlook = replace(everything_done(unbuilt_project), outputs=nothing_published)
    plan = planned(unbuilt_project, outlook=outlook)
    assert steps(plan)["publish", "app-top"] == (Need.YES, "its output is not there")
    assert not plan.is_done


@pytest.mark.parametrize("goal", [Goal.LOCK, Goal.BUILD])
def test_a_lesser_goal_has_fewer_steps(unbuilt_project: Project, goal: Goal) -> None:
    outlook = replace(everything_done(unbuilt_project), outputs=never_asked)
    if goal is Goal.LOCK:
        outlook = Outlook(fingerprint=never_asked, built_key=never_asked, outputs=never_asked)
    plan = planned(unbuilt_project, goal, outlook)
    assert {step.action for step in plan.steps} == {"lock", "build"} - (
        {"build"} if goal is Goal.LOCK else set()
    )
    assert plan.is_done


def test_an_export_is_called_by_its_name(unbuilt_project: Project) -> None:
    plan = planned(unbuilt_project, Goal.EXPORT)
    assert [step.action for step in plan.steps[-3:]] == ["local-export"] * 3


def test_a_requirement_in_the_middle_changed(unbuilt_project: Project) -> None:
    """Only what stands on it may follow, and whether it does is not known yet."""
    outlook = everything_done(unbuilt_project)
    edit(unbuilt_project, "frameworks", requirements=["storey", "ground"])
    found = steps(planned(unbuilt_project, outlook=outlook))
    assert found["lock", "base"] == (Need.NO, "its lock is valid")
    assert found["lock", "framework-middle"] == (Need.YES, "its requirements changed")
    assert found["lock", "app-top"] == (Need.MAYBE, "framework-middle below it is to be locked")
    assert found["build", "base"][0] is Need.NO
    assert found["build", "framework-middle"] == (Need.MAYBE, "its lock is to be made first")
    assert found["build", "app-top"] == (Need.MAYBE, "its lock is to be made first")
    assert found["publish", "base"][0] is Need.NO
    assert found["publish", "app-top"][0] is Need.MAYBE


def test_x3_a_launch_module_changed(unbuilt_project: Project) -> None:
    outlook = everything_done(unbuilt_project)
    unbuilt_project.write("top.py", "print('changed')\n")
    found = steps(planned(unbuilt_project, outlook=outlook))
    needed = {step: need for step, (need, _) in found.items() if need is not Need.NO}
    assert needed == {("build", "app-top"): Need.YES, ("publish", "app-top"): Need.MAYBE}
    assert found["build", "app-top"][1] == "its contents changed"


def test_an_output_that_is_of_another_make(unbuilt_project: Project) -> None:
    outlook = everything_done(unbuilt_project)
    older = {name: lambda _target: False for name in LAYERS}
    plan = planned(unbuilt_project, outlook=replace(outlook, outputs=lambda: older))
    assert steps(plan)["publish", "base"] == (Need.YES, "its output is older")


def test_the_interpreter_of_a_runtime_was_replaced(unbuilt_project: Project) -> None:
    outlook = everything_done(unbuilt_project)

    def replaced(pin: PythonPin) -> str:
        return f"{pin} of another day"

    found = steps(planned(unbuilt_project, outlook=replace(outlook, fingerprint=replaced)))
    assert found["build", "base"] == (Need.YES, "its contents changed")
    assert found["build", "app-top"][0] is Need.NO


def test_outputs_of_layers_that_are_gone(unbuilt_project: Project) -> None:
    outlook = everything_done(unbuilt_project)
    stack = unbuilt_project.stack()
    del stack["applications"]
    unbuilt_project.set_stack(stack)
    plan = planned(unbuilt_project, outlook=outlook)
    reason = "its output is there, and it is not in the stack any more"
    assert steps(plan)["publish", "app-top"] == (Need.YES, reason)
    assert ("build", "app-top") not in steps(plan)


def test_layers_for_other_platforms_are_locked_only(small_project: Project) -> None:
    edit(small_project, "applications", platforms=["win_amd64"])
    spec, _ = spec_and_layout(small_project)
    assert [layer.env_name for layer in buildable(spec.layers, HERE)] == [
        "base",
        "framework-middle",
    ]
    found = steps(planned(small_project))
    assert found["lock", "app-top"] == (Need.YES, "it has no lock yet")
    assert ("build", "app-top") not in found
    assert ("publish", "app-top") not in found


def test_265_a_disabled_layer_is_not_in_the_plan(small_project: Project) -> None:
    """#265 X22: not even its launch module has to be there."""
    edit(small_project, "applications", platforms=[], launch_module="missing.py")
    assert {name for _, name in steps(planned(small_project))} == {"base", "framework-middle"}


def test_89_renaming_a_launch_module_is_a_change(unbuilt_project: Project) -> None:
    outlook = everything_done(unbuilt_project)
    (unbuilt_project.root / "top.py").rename(unbuilt_project.root / "renamed.py")
    edit(unbuilt_project, "applications", launch_module="renamed.py")
    found = steps(planned(unbuilt_project, outlook=outlook))
    assert found["build", "app-top"] == (Need.YES, "its contents changed")
    assert found["lock", "app-top"][0] is Need.NO, "a lock does not depend on it"


def test_an_unreadable_launch_module(unbuilt_project: Project) -> None:
    spec, layout = spec_and_layout(unbuilt_project)
    selection = select(spec, Operations(build=Extent.IF_NEEDED), Choice())
    (unbuilt_project.root / "top.py").unlink()
    with pytest.raises(BuildError, match=r"top\.py cannot be read"):
        plan_stack(spec, layout, Goal.BUILD, {HERE: EMPTY}, selection=selection)


def test_a_damaged_lock_is_no_plan(unbuilt_project: Project) -> None:
    (unbuilt_project.root / "requirements/base/pylock.base.toml").write_text("")
    with pytest.raises(LockError, match="edited by hand"):
        planned(unbuilt_project)


def test_a_plan_can_be_asked_for_a_step(unbuilt_project: Project) -> None:
    plan = planned(unbuilt_project)
    assert plan.step("build", "base").need is Need.YES
    with pytest.raises(KeyError):
        plan.step("build", "nothing")


def test_a_plan_as_json(unbuilt_project: Project) -> None:
    plan = planned(unbuilt_project, Goal.BUILD)
    document = plan.as_json()
    assert json.loads(json.dumps(document)) == document
    assert document["goal"] == "build"
    assert document["platform"] == "linux_x86_64"
    assert document["steps"][0] == {
        "action": "lock",
        "layer": "base",
        "need": "no",
        "reason": "its lock is valid",
        "platform": None,
    }
    assert document["platforms"] == ["linux_x86_64"]
    assert {step["platform"] for step in document["steps"][3:]} == {"linux_x86_64"}
