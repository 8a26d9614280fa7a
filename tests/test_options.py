"""Every option of every subcommand, against the request and the plan that it makes.

Nothing is carried out: no process is started.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest

from support.projects import Project
from support.stacks import Messages
from venvlayers import process
from venvlayers.cli import (
    build_request,
    cli,
    export_request,
    lock_request,
    publish_request,
    show_request,
)
from venvlayers.errors import SelectionError
from venvlayers.lock.model import Upgrade
from venvlayers.plan import Goal, Need, Plan
from venvlayers.request import LockPolicy, Request
from venvlayers.workflow import preview
from venvlayers.workflow.outputs import outputs
from venvlayers.workflow.run import start
from venvlayers.workflow.status import planned_status, stack_status

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="local runtimes are for Linux")

LAYERS = ("base", "framework-middle", "app-top")
REQUESTS: dict[str, Callable[[dict[str, Any]], Request]] = {
    "show": show_request,
    "lock": lock_request,
    "build": build_request,
    "publish": publish_request,
    "local-export": export_request,
}
ALL = tuple(REQUESTS)
MAKING = ("lock", "build", "publish", "local-export")
OUTPUT = ("build", "publish", "local-export")


@pytest.fixture(autouse=True)
def no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(argv: list[str], **_more: object) -> None:
        raise AssertionError(f"{argv} must not be started")

    monkeypatch.setattr(process, "run", refuse)


def parsed(command: str, *arguments: str | Path) -> dict[str, Any]:
    """Return the values of all options, as the subcommand is called with them."""
    given = [str(text) for text in arguments]
    # Below its group, as it is called: a command remembers the names of its help option.
    with cli.make_context("venvstacks", [command]) as group:
        return cli.commands[command].make_context(command, given, parent=group).params


def asked(command: str, *arguments: str | Path) -> Request:
    return REQUESTS[command](parsed(command, *arguments))


def planned(project: Project, command: str, *arguments: str | Path) -> Plan:
    return preview(asked(command, project.root, *arguments), Messages().reporter)


def operations(project: Project, command: str, *arguments: str) -> dict[str, tuple[str, ...]]:
    """Return what ``--show`` says is done with each layer."""
    request = asked(command, project.root, *arguments)
    status = planned_status(request, Messages().reporter)
    return {layer.layer.env_name: layer.operations or () for layer in status.layers}


def needs(plan: Plan, action: str) -> dict[str, Need]:
    return {step.env_name: step.need for step in plan.steps if step.action == action}


def edit(project: Project, kind: str, **keys: object) -> None:
    stack = project.stack()
    stack[kind][0].update(keys)
    project.set_stack(stack)


# What a subcommand means without options.


@pytest.mark.parametrize(
    ("command", "goal", "lock"),
    [
        ("show", Goal.LOCK, LockPolicy.NEVER),
        ("lock", Goal.LOCK, LockPolicy.ALWAYS),
        ("build", Goal.BUILD, LockPolicy.NEVER),
        ("publish", Goal.PUBLISH, LockPolicy.NEVER),
        ("local-export", Goal.EXPORT, LockPolicy.NEVER),
    ],
)
def test_without_options(command: str, goal: Goal, lock: LockPolicy) -> None:
    assert asked(command) == Request(project=Path(), goal=goal, lock=lock)


@pytest.mark.parametrize(
    ("command", "done"),
    [
        ("lock", ("lock",)),
        ("build", ("build-if-needed",)),
        ("publish", ("build-if-needed", "publish-if-needed")),
        ("local-export", ("build-if-needed", "local-export-if-needed")),
    ],
)
def test_everything_is_selected(
    unbuilt_project: Project, command: str, done: tuple[str, ...]
) -> None:
    """G25."""
    assert operations(unbuilt_project, command) == dict.fromkeys(LAYERS, done)


def test_every_option_of_venvstacks_is_there() -> None:
    """G1 G2, G3, G4, G5, G6, G7, G8, G9, G10, G11, G12, G13, G14, G15, G16, G17, G18, G19."""
    everywhere = "build-dir include allow-missing json"
    making = f"{everywhere} show show-only"
    wanted = {
        "show": everywhere,
        "lock": f"{making} clean if-needed index local-wheels reset-lock lock-dependencies",
        "build": f"{making} output-dir clean lock-if-needed lock build publish index local-wheels "
        "tag-outputs reset-lock lock-dependencies build-dependencies publish-dependencies "
        "include-dependencies build-derived publish-derived",
        "publish": f"{making} output-dir tag-outputs force dry-run publish-dependencies "
        "publish-derived",
        "local-export": f"{making} output-dir force dry-run publish-dependencies publish-derived",
    }
    for command, names in wanted.items():
        known = {name for option in cli.commands[command].params for name in option.opts}
        assert {f"--{name}" for name in names.split()} <= known, command


def flags() -> list[tuple[str, click.Option]]:
    return [
        (command, option)
        for command in ALL
        for option in cli.commands[command].params
        if isinstance(option, click.Option) and option.is_flag and not option.is_eager
    ]


@pytest.mark.parametrize(
    ("command", "option"), flags(), ids=[f"{name} {option.name}" for name, option in flags()]
)
def test_every_flag_has_a_twin(command: str, option: click.Option) -> None:
    """F9: and the last one given counts."""
    assert option.name is not None
    flag, twin = option.opts[-1], option.secondary_opts[-1]
    assert twin == flag.replace("--", "--no-")
    assert parsed(command, flag)[option.name] is True
    assert parsed(command, twin)[option.name] is False
    assert parsed(command, flag, twin)[option.name] is False


# Where things are.


@pytest.mark.parametrize("command", ALL)
def test_the_specification(command: str) -> None:
    assert asked(command).project == Path()
    assert asked(command, "stack/venvstacks.toml").project == Path("stack/venvstacks.toml")


@pytest.mark.parametrize("command", ALL)
def test_build_dir(command: str, unbuilt_project: Project) -> None:
    """G1, A4: relative to the specification, ``~`` and ``..`` resolved as text."""
    assert asked(command, "--build-dir", "made").build_dir == Path("made")
    if command != "show":
        for text, place in (("made", "made"), ("x/../made", "made"), ("~/made", "~/made")):
            run = start(
                asked(command, unbuilt_project.root, "--build-dir", text), Messages().reporter
            )
            assert run.layout.build_dir == unbuilt_project.root / Path(place).expanduser()
            assert run.layout.lock_dir == unbuilt_project.root / "requirements"


@pytest.mark.parametrize(
    ("command", "default"),
    [("build", "_artifacts"), ("publish", "_artifacts"), ("local-export", "_export")],
)
def test_output_dir(command: str, default: str, unbuilt_project: Project) -> None:
    """G2, A4."""
    root, reporter = unbuilt_project.root, Messages().reporter
    assert start(asked(command, root), reporter).output_dir == root / default
    for text, place in (("out", root / "out"), ("../out", root.parent / "out"), ("/o", Path("/o"))):
        run = start(asked(command, root, "--output-dir", text), reporter)
        assert run.output_dir == place


# Which layers.


@pytest.mark.parametrize("command", ALL)
def test_patterns(command: str) -> None:
    """G14 G16."""
    choice = asked(command, "--include", "app-*", "--include", "b").choice
    assert (choice.include, choice.allow_missing) == (("app-*", "b"), False)
    assert asked(command, "--allow-missing").choice.allow_missing


@pytest.mark.parametrize("command", MAKING)
def test_include(command: str, unbuilt_project: Project) -> None:
    """G14 G26, G27: the application is left out, the runtime comes along."""
    found = operations(unbuilt_project, command, "--include", "framework-*")
    everything = operations(unbuilt_project, command)
    assert found["framework-middle"] == everything["framework-middle"]
    below = {"lock": ("lock-if-needed",)}.get(command, ("build-if-needed",))
    assert found["base"] == below
    assert ("app-top" in found) == (command == "lock"), "G28: what is derived is locked too"


@pytest.mark.parametrize("command", ALL)
def test_a_pattern_that_matches_nothing(command: str, unbuilt_project: Project) -> None:
    """G16."""
    look = stack_status if command == "show" else planned_status
    request = asked(command, unbuilt_project.root, "--include", "app-tip")
    with pytest.raises(SelectionError, match="--include app-tip: no layer is called so"):
        look(request, Messages().reporter)
    messages = Messages()
    request = asked(command, unbuilt_project.root, "--include", "app-tip", "--allow-missing")
    assert look(request, messages.reporter).layers == ()
    ((_, said),) = messages.lines
    assert said == "--include app-tip: no layer is called so (did you mean 'app-top'?)"


def test_show_has_neighbours_and_no_operations(unbuilt_project: Project) -> None:
    """G31."""
    request = asked("show", unbuilt_project.root, "--include", "framework-*")
    status = stack_status(request, Messages().reporter)
    assert [layer.layer.env_name for layer in status.layers] == [*LAYERS]
    assert {layer.operations for layer in status.layers} == {None}


NEIGHBOURS = [
    ("lock", "lock-dependencies", "base", "lock"),
    ("build", "publish-dependencies", "base", "publish-if-needed"),
    ("publish", "publish-dependencies", "base", "publish-if-needed"),
    ("local-export", "publish-dependencies", "base", "local-export-if-needed"),
    ("build", "build-derived", "app-top", "build-if-needed"),
    ("build", "publish-derived", "app-top", "publish-if-needed"),
    ("publish", "publish-derived", "app-top", "publish-if-needed"),
    ("local-export", "publish-derived", "app-top", "local-export-if-needed"),
]


@pytest.mark.parametrize(("command", "option", "layer", "word"), NEIGHBOURS)
def test_neighbours(
    command: str, option: str, layer: str, word: str, unbuilt_project: Project
) -> None:
    """G17 G19, G21, G22."""
    more = ["--publish"] if command == "build" else []
    include = ["--include", "framework-middle", *more]
    found = operations(unbuilt_project, command, *include, f"--{option}")
    assert word in found[layer]
    for arguments in (include, [*include, f"--no-{option}"]):
        assert word not in operations(unbuilt_project, command, *arguments).get(layer, ())


def test_neighbours_are_cleaned_when_they_are_built_as_what_is_included(
    unbuilt_project: Project,
) -> None:
    """G18: G3."""
    include = ("--include", "framework-middle", "--clean")
    found = operations(unbuilt_project, "build", *include, "--build-dependencies")
    assert found == {"base": ("clean", "build"), "framework-middle": ("clean", "build")}
    found = operations(unbuilt_project, "build", *include)
    assert found["base"] == ("build-if-needed",)


@pytest.mark.parametrize("said", [True, False])
def test_include_dependencies(said: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """G20: overrides G17 to G19, and says nothing by default."""
    three = ("lock_dependencies", "build_dependencies", "publish_dependencies")
    option = "--include-dependencies" if said else "--no-include-dependencies"
    opposite = ["--no-lock-dependencies" if said else "--lock-dependencies"]
    choice = asked("build", option, *opposite).choice
    assert [getattr(choice, name) for name in three] == [said] * 3
    choice = asked("build").choice
    assert [getattr(choice, name) for name in three] == [None] * 3


# Locks.


def test_lock_if_needed_only(unbuilt_project: Project) -> None:
    """G4."""
    edit(unbuilt_project, "frameworks", requirements=["storey", "ground"])
    assert needs(planned(unbuilt_project, "lock"), "lock") == dict.fromkeys(LAYERS, Need.YES)
    assert needs(planned(unbuilt_project, "lock", "--if-needed"), "lock") == {
        "base": Need.NO,
        "framework-middle": Need.YES,
        "app-top": Need.MAYBE,
    }


@pytest.mark.parametrize("option", ["--lock-if-needed", "--lock"])
def test_locking_before_building(option: str, unbuilt_project: Project) -> None:
    """G5 G6."""
    edit(unbuilt_project, "applications", requirements=[])
    assert needs(planned(unbuilt_project, "build"), "lock")["app-top"] is Need.BLOCKED
    assert needs(planned(unbuilt_project, "build"), "build")["app-top"] is Need.BLOCKED
    plan = planned(unbuilt_project, "build", option)
    assert needs(plan, "lock") == {
        "base": Need.NO,
        "framework-middle": Need.NO,
        "app-top": Need.YES,
    }
    assert needs(plan, "build")["app-top"] is Need.MAYBE


def test_the_older_spelling_is_not_in_the_help() -> None:
    """G6."""
    (option,) = [option for option in cli.commands["build"].params if "--lock" in option.opts]
    assert isinstance(option, click.Option)
    assert option.hidden


@pytest.mark.parametrize("command", ["lock", "build"])
def test_indexes_and_wheels(command: str, unbuilt_project: Project) -> None:
    """G9 G10, E11, E12."""
    assert (asked(command).use_index, asked(command).local_wheels) == (True, ())
    assert asked(command, "--no-index").use_index is False
    assert asked(command, "--no-index", "--index").use_index is True
    root = unbuilt_project.root
    places = (root / "a", root.parent / "b", root.parent / "c")
    for place in places:
        place.mkdir()
    wheels = ("--local-wheels", "a", "--local-wheels", "../b", "--local-wheels", places[2])
    run = start(asked(command, root, *wheels), Messages().reporter)
    assert run.local_wheels == places


def test_resetting_locks(unbuilt_project: Project) -> None:
    """G15."""
    arguments = ("--if-needed", "--reset-lock", "framework-*", "--reset-lock", "app-*")
    plan = planned(unbuilt_project, "lock", *arguments)
    assert plan.selection.reset == {"framework-middle", "app-top"}
    assert needs(plan, "lock") == {
        "base": Need.NO,
        "framework-middle": Need.YES,
        "app-top": Need.YES,
    }
    assert plan.step("lock", "app-top").reason == "it is to be reset"
    found = operations(unbuilt_project, "lock", *arguments)
    assert found["app-top"] == ("reset-lock", "lock-if-needed")
    plan = planned(unbuilt_project, "build", "--lock-if-needed", "--reset-lock", "base")
    assert plan.selection.reset == {"base"}
    assert needs(plan, "lock")["framework-middle"] is Need.MAYBE


def test_resetting_locks_that_are_not_made() -> None:
    """G15."""
    with pytest.raises(click.UsageError, match="--reset-lock needs --lock-if-needed"):
        asked("build", "--reset-lock", "base")


def test_upgrades() -> None:
    assert asked("lock").upgrade == Upgrade()
    assert asked("lock", "--upgrade").upgrade == Upgrade(everything=True)
    names = ("--upgrade-package", "Foo_Bar", "--upgrade-package", "b")
    assert asked("lock", *names).upgrade == Upgrade(packages=("foo-bar", "b"))
    with pytest.raises(click.UsageError, match=r"--upgrade-package: .*num py"):
        asked("lock", "--upgrade-package", "num py")


@pytest.mark.parametrize("how", ["option", "variable"])
def test_locked(how: str, unbuilt_project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    if how == "variable":
        monkeypatch.setenv("VENVSTACKS_LOCKED", "1")
    option = ("--locked",) if how == "option" else ()
    plan = planned(unbuilt_project, "lock", *option)
    assert needs(plan, "lock") == dict.fromkeys(LAYERS, Need.NO)
    for change in ("--upgrade", "--upgrade-package=x", "--reset-lock=base"):
        with pytest.raises(SelectionError, match="which --locked or VENVSTACKS_LOCKED forbids"):
            planned(unbuilt_project, "lock", *option, change)


# Building.


@pytest.mark.parametrize("command", ["build", "publish", "local-export"])
def test_platform(command: str) -> None:
    """Which they are is decided in `workflow/targets.py`."""
    assert asked(command).platforms == ()
    given = ("--platform", "win_amd64", "--platform", "all")
    assert asked(command, *given).platforms == ("win_amd64", "all")


def test_clean(published_project: Project) -> None:
    """G3: and what was cleaned is packed again."""
    assert planned(published_project, "build").is_done
    plan = planned(published_project, "build", "--clean", "--include", "app-top")
    assert needs(plan, "clean") == {"app-top": Need.YES}
    assert plan.step("build", "app-top").reason == "its environment is to be removed"
    assert needs(plan, "build") == {
        "base": Need.NO,
        "framework-middle": Need.NO,
        "app-top": Need.YES,
    }
    found = operations(published_project, "build", "--clean", "--publish")
    assert found == dict.fromkeys(LAYERS, ("clean", "build", "publish"))
    assert operations(published_project, "lock", "--clean")["base"] == ("clean", "lock")


def test_not_building(published_project: Project) -> None:
    """G7 G29: what is not built is not published."""
    arguments = ("--no-build", "--publish", "--tag-outputs", "--output-dir", "dist")
    assert planned(published_project, "build", *arguments).is_done
    assert asked("build").build is True
    published_project.write("top.py", "print('changed')\n")
    plan = planned(published_project, "build", *arguments)
    assert needs(plan, "build") == {
        "base": Need.NO,
        "framework-middle": Need.NO,
        "app-top": Need.BLOCKED,
    }
    assert needs(plan, "publish")["app-top"] is Need.BLOCKED
    assert planned(published_project, "build", "--no-build").steps == ()


def test_publishing_after_building(unbuilt_project: Project) -> None:
    """G8: off unless asked for."""
    assert asked("build").goal is Goal.BUILD
    assert asked("build", "--no-publish").goal is Goal.BUILD
    plan = planned(unbuilt_project, "build", "--publish")
    assert (plan.goal, set(needs(plan, "publish"))) == (Goal.PUBLISH, set(LAYERS))


# Outputs.


@pytest.mark.parametrize("command", ["build", "publish"])
@pytest.mark.parametrize("stack", [{}, {"tag-outputs": True}, {"tag-outputs": False}])
def test_tag_outputs(command: str, stack: dict[str, bool], unbuilt_project: Project) -> None:
    """G11: what the stack says counts where the command says nothing."""
    unbuilt_project.set_stack(unbuilt_project.stack() | stack)
    for option, tagged in (
        ((), stack.get("tag-outputs", False)),
        (("--tag-outputs",), True),
        (("--no-tag-outputs",), False),
    ):
        run = start(asked(command, unbuilt_project.root, *option), Messages().reporter)
        assert outputs(run).tagged is tagged


@pytest.mark.parametrize("command", ["build", "publish"])
def test_formats_and_levels(command: str, unbuilt_project: Project) -> None:
    more = {"archive-format": "tar.gz", "compression-level": 1}
    unbuilt_project.set_stack(unbuilt_project.stack() | more)
    found = []
    level = "--compression-level"
    for option in ((), (level, "2"), ("--format", "tar.xz"), ("--format=zip", f"{level}=3")):
        run = start(asked(command, unbuilt_project.root, *option), Messages().reporter)
        made = outputs(run)
        found.append((made.format.name, made.level))
    assert found == [("tar.gz", 1), ("tar.gz", 2), ("tar.xz", None), ("zip", 3)]


@pytest.mark.parametrize("command", ["build", "publish"])
def test_the_best_level(
    command: str, unbuilt_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An option counts before the variable, and that before what the stack says."""

    def level(*option: str) -> int | None:
        run = start(asked(command, unbuilt_project.root, *option), Messages().reporter)
        return outputs(run).level

    zip_, level_2 = ("--format", "zip"), ("--compression-level", "2")
    assert (level("--best"), level("--best", *zip_), level("--best", "--no-best")) == (19, 9, None)
    monkeypatch.setenv("VENVSTACKS_BEST", "1")
    assert (level(), level(*zip_), level("--no-best"), level(*level_2)) == (19, 9, None, 2)
    stack = unbuilt_project.stack()
    unbuilt_project.set_stack(stack | {"compression-level": 3})
    assert (level(), level("--no-best")) == (19, 3)
    monkeypatch.setenv("VENVSTACKS_BEST", "0")
    assert level() == 3
    unbuilt_project.set_stack(stack | {"compression-level": "best"})
    assert (level(), level(*zip_), level(*level_2), level("--no-best")) == (19, 9, 2, None)
    with pytest.raises(SelectionError, match="--best and --compression-level are two answers"):
        level("--best", *level_2)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--format", "tar.zest"), "there is no archive format 'tar.zest'\nhint: did you mean"),
        (("--format", "deb9"), "there is no archive format 'deb9'\nhint: the formats are"),
    ],
)
def test_a_format_that_there_is_not(
    arguments: tuple[str, ...], said: str, unbuilt_project: Project
) -> None:
    """Before anything is built."""
    with pytest.raises(SelectionError) as caught:
        planned(unbuilt_project, "publish", *arguments)
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    ("command", "word"), [("publish", "publish"), ("local-export", "local-export")]
)
def test_force(command: str, word: str, published_project: Project) -> None:
    """G12."""
    for option, said in (("--force", word), ("--no-force", f"{word}-if-needed")):
        found = operations(published_project, command, option)
        assert found == dict.fromkeys(LAYERS, ("build-if-needed", said))


def test_what_is_forced_is_done_although_it_is_up_to_date(published_project: Project) -> None:
    """G12."""
    arguments = ("publish", "--tag-outputs", "--output-dir", "dist")
    assert planned(published_project, *arguments).is_done
    plan = planned(published_project, *arguments, "--force", "--include", "base")
    assert needs(plan, "publish") == {"base": Need.YES}
    assert plan.step("publish", "base").reason == "it is to be made anew"


@pytest.mark.parametrize("command", ["publish", "local-export"])
def test_dry_run(command: str) -> None:
    """G13: is no part of the request; see test_cli.py for what it prints."""
    assert parsed(command)["dry_run"] is False
    assert asked(command, "--dry-run") == asked(command)


# What is shown.


@pytest.mark.parametrize("command", MAKING)
def test_what_is_shown_is_no_part_of_the_request(command: str) -> None:
    """G23 G24, F3, F4."""
    for option in ("--show", "--show-only", "--json", "-v", "-vv", "-q"):
        assert asked(command, option) == asked(command)
    assert parsed(command, "-vv", "--verbose")["verbose"] == 3


def test_layers_for_other_platforms_are_locked_only(unbuilt_project: Project) -> None:
    """G32."""
    edit(unbuilt_project, "applications", platforms=["win_amd64"])
    found = operations(unbuilt_project, "build", "--lock-if-needed", "--publish")
    assert found["app-top"] == ("lock-if-needed",)
    assert found["base"] == ("lock-if-needed", "build-if-needed", "publish-if-needed")


def test_requests_are_values() -> None:
    assert replace(asked("lock"), locked=True) == asked("lock", "--locked")


def test_deprecated_spellings_are_warned_of_when_shown(unbuilt_project: Project) -> None:
    stack = unbuilt_project.stack()
    runtime = stack["runtimes"][0]
    runtime["fully_versioned_name"] = runtime.pop("python_implementation")
    unbuilt_project.set_stack(stack)
    messages = Messages()
    stack_status(asked("show", unbuilt_project.root), messages.reporter)
    assert "fully_versioned_name" in messages.lines[0][1]


def test_d3_names_of_versioned_layers(unbuilt_project: Project) -> None:
    """D3, N1: the number is not known while there is no valid lock."""
    edit(unbuilt_project, "frameworks", versioned=True)
    status = stack_status(asked("show", unbuilt_project.root), Messages().reporter)
    targets = {layer.layer.env_name: layer.install_target for layer in status.layers}
    assert targets["framework-middle"] == "framework-middle@???"
    assert "* framework-middle -> framework-middle@???: " in status.as_text()
