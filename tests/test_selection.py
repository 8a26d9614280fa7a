"""Which layers are selected for what: pure values, no files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from venvlayers.errors import SelectionError
from venvlayers.plan import Goal
from venvlayers.platforms import PLATFORMS
from venvlayers.request import LockPolicy, Request
from venvlayers.selection import Choice, Extent, Operations, Selection, related, select
from venvlayers.spec.kinds import LayerKind
from venvlayers.spec.model import LayerSpec, StackSpec

NO, IF_NEEDED, YES = Extent.NO, Extent.IF_NEEDED, Extent.YES
LAYERS = ("base", "framework-left", "framework-right", "app-both", "app-left")
EVERYTHING = Operations(lock=IF_NEEDED, build=IF_NEEDED, publish=IF_NEEDED)
BUILT = Operations(lock=IF_NEEDED, build=IF_NEEDED)
LOCKED = Operations(lock=IF_NEEDED)
RELOCK = Operations(lock=YES)


def layer(kind: LayerKind, name: str, *lower: str) -> LayerSpec:
    platforms = tuple(PLATFORMS.values())
    return LayerSpec(kind=kind, name=name, requirements=(), platforms=platforms, lower=lower)


STACK = StackSpec(
    path=Path("/stack/venvstacks.toml"),
    layers=(
        layer(LayerKind.RUNTIME, "base"),
        layer(LayerKind.FRAMEWORK, "left", "base"),
        layer(LayerKind.FRAMEWORK, "right", "base"),
        layer(LayerKind.APPLICATION, "both", "framework-left", "framework-right", "base"),
        layer(LayerKind.APPLICATION, "left", "framework-left", "base"),
    ),
    uv_settings={},
)
"""Two frameworks side by side; one application above both, one above the first."""


def chosen(wish: Operations, *include: str, **more: bool) -> dict[str, Operations]:
    return dict(select(STACK, wish, Choice(include=include, **more)).operations)


def test_everything_is_selected_by_default() -> None:
    """G25."""
    assert chosen(EVERYTHING) == dict.fromkeys(LAYERS, EVERYTHING)
    assert tuple(chosen(EVERYTHING)) == LAYERS


def test_what_is_not_included_is_in_no_operation() -> None:
    """G14, G26."""
    assert chosen(EVERYTHING, "base", publish_derived=False) == {
        "base": EVERYTHING,
        **dict.fromkeys(LAYERS[1:], LOCKED),
    }
    wish = replace(EVERYTHING, lock=NO)
    selection = select(STACK, wish, Choice(include=("base",)))
    assert list(selection.operations) == ["base"]
    assert "app-both" not in selection
    assert not selection.of("app-both")


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("app-*", {"app-both", "app-left"}),
        ("*left", {"framework-left", "app-left"}),
        ("app-l?ft", {"app-left"}),
        ("[bc]ase", {"base"}),
        ("left", set()),
        ("APP-*", set()),
        ("*", set(LAYERS)),
    ],
)
def test_patterns_match_whole_prefixed_names(pattern: str, matches: set[str]) -> None:
    """G14: case counts, and so does the prefix."""
    wish = Operations(publish=YES)
    assert set(chosen(wish, pattern, allow_missing=True)) == matches


def test_dependencies_are_locked_and_built_if_needed() -> None:
    """G27: and not published."""
    wish = Operations(lock=YES, build=YES, publish=YES)
    found = chosen(wish, "app-left")
    assert found == {"base": BUILT, "framework-left": BUILT, "app-left": wish}


@pytest.mark.parametrize(
    ("flag", "changed"),
    [
        ("lock_dependencies", Operations(lock=YES, build=IF_NEEDED)),
        ("build_dependencies", Operations(lock=IF_NEEDED, build=YES)),
        ("publish_dependencies", Operations(lock=IF_NEEDED, build=IF_NEEDED, publish=YES)),
    ],
)
def test_dependencies_can_follow_what_is_included(flag: str, changed: Operations) -> None:
    """G17 G18, G19."""
    wish = Operations(lock=YES, build=YES, publish=YES)
    assert chosen(wish, "framework-left", **{flag: True})["base"] == changed
    assert chosen(wish, "framework-left", **{flag: False})["base"] == BUILT


def test_dependencies_of_a_run_that_never_locks() -> None:
    wish = Operations(build=IF_NEEDED)
    assert chosen(wish, "framework-left", lock_dependencies=True)["base"] == wish


def test_derived_layers_are_locked_as_what_is_included() -> None:
    """G28, #137: through a framework too."""
    assert chosen(RELOCK, "framework-left") == {
        "base": LOCKED,
        "framework-left": RELOCK,
        "framework-right": LOCKED,
        "app-both": RELOCK,
        "app-left": RELOCK,
    }
    assert chosen(LOCKED, "base") == dict.fromkeys(LAYERS, LOCKED)


def test_what_else_derived_layers_stand_on_is_made_usable() -> None:
    """G27: of layers that are only selected because they are derived."""
    wish = Operations(build=YES, publish=YES)
    found = chosen(wish, "framework-left", publish_derived=True)
    assert found["framework-right"] == found["base"] == Operations(build=IF_NEEDED)


def test_derived_layers_are_built_when_asked_for() -> None:
    """G21."""
    wish = Operations(build=YES)
    assert list(chosen(wish, "framework-right")) == ["base", "framework-right"]
    assert chosen(wish, "framework-right", build_derived=True)["app-both"] == wish


def test_derived_layers_are_published_when_asked_for() -> None:
    """G22 G29: and then also built, where that is needed."""
    wish = Operations(build=YES, publish=YES)
    found = chosen(wish, "framework-right", publish_derived=True)
    assert found["app-both"] == Operations(build=IF_NEEDED, publish=YES)
    found = chosen(wish, "framework-right", publish_derived=True, build_derived=False)
    assert found["app-both"] == Operations(publish=YES)
    found = chosen(wish, "framework-right", publish_derived=True, build_derived=True)
    assert found["app-both"] == wish


BETWEEN = ("base", "app-both")
"""What is included when the frameworks are both below and above it."""


@pytest.mark.parametrize(
    ("operation", "flags"),
    [
        ("build", {"build_dependencies": True, "build_derived": False}),
        ("build", {"build_dependencies": False, "build_derived": True}),
        ("publish", {"publish_dependencies": True, "publish_derived": False}),
        ("publish", {"publish_dependencies": False, "publish_derived": True}),
        ("lock", {"lock_dependencies": False}),
    ],
)
def test_contradictions_are_refused(operation: str, flags: dict[str, bool]) -> None:
    """G30."""
    wish = Operations(lock=YES, build=YES, publish=YES)
    with pytest.raises(SelectionError, match="framework-left is both below and above") as caught:
        chosen(wish, *BETWEEN, **flags)
    assert f"{operation} it" in str(caught.value)
    assert f"not {operation} it" in str(caught.value)
    assert "hint: include framework-left, or leave one of the options out" in str(caught.value)


def test_what_is_not_wished_for_cannot_contradict() -> None:
    """G30."""
    flags = {"publish_dependencies": True, "publish_derived": False}
    assert chosen(Operations(build=YES), *BETWEEN, **flags)


def test_the_stronger_of_what_was_said_and_what_was_not() -> None:
    """G30: only two things that were said contradict each other."""
    wish = Operations(lock=YES, build=YES, publish=YES)
    between = chosen(wish, *BETWEEN, publish_dependencies=True)["framework-left"]
    assert between == Operations(lock=YES, build=IF_NEEDED, publish=YES)
    between = chosen(wish, *BETWEEN, build_derived=False)["framework-left"]
    assert between == Operations(lock=YES, build=IF_NEEDED)


def test_a_pattern_without_a_match_is_an_error() -> None:
    """G16."""
    with pytest.raises(SelectionError) as caught:
        chosen(EVERYTHING, "app-bth", "*x*", "base")
    assert str(caught.value) == (
        "--include app-bth: no layer is called so (did you mean 'app-both'?)\n"
        "--include *x*: no layer is called so\n"
        "hint: the layers are base, framework-left, framework-right, app-both, app-left; "
        "--allow-missing makes it a warning"
    )
    assert caught.value.exit_code == 2


def test_a_pattern_without_a_match_can_be_a_warning() -> None:
    """G16."""
    choice = Choice(include=("nothing",), reset_lock=("never",), allow_missing=True)
    selection = select(STACK, EVERYTHING, choice)
    assert selection == Selection(operations={})
    assert selection.warnings == (
        "--include nothing: no layer is called so",
        "--reset-lock never: no layer is called so",
    )


def test_an_empty_stack() -> None:
    empty = replace(STACK, layers=())
    assert select(empty, EVERYTHING, Choice()).operations == {}
    with pytest.raises(SelectionError, match="the layers are none"):
        select(empty, EVERYTHING, Choice(include=("base",)))


def test_locks_are_reset_of_layers_that_are_locked() -> None:
    """G15, #137: derived layers among them."""
    choice = Choice(include=("framework-right",), reset_lock=("app-*", "base"))
    selection = select(STACK, RELOCK, choice)
    assert selection.reset == {"app-both", "base"}
    assert selection.warnings == ()


def test_resetting_all_locks() -> None:
    """PR #187."""
    assert select(STACK, LOCKED, Choice(reset_lock=("*",))).reset == set(LAYERS)


def test_resetting_locks_that_are_not_made() -> None:
    choice = Choice(include=("framework-right",), reset_lock=("app-left",))
    (warning,) = select(STACK, LOCKED, choice).warnings
    assert warning == "--reset-lock names only layers that are not locked now"
    with pytest.raises(SelectionError, match="--reset-lock nothing: no layer"):
        select(STACK, LOCKED, Choice(reset_lock=("nothing",)))


@pytest.mark.parametrize(
    ("include", "shown"),
    [
        ((), LAYERS),
        (("framework-right",), ("base", "framework-left", "framework-right", "app-both")),
        (("app-left",), ("base", "framework-left", "app-left")),
    ],
)
def test_what_is_shown_has_all_below_and_above(
    include: tuple[str, ...], shown: tuple[str, ...]
) -> None:
    """G31."""
    assert tuple(related(STACK, Choice(include=include)).operations) == shown


# What a request wishes for.


def wish(goal: Goal, *, locked: bool = False, **more: object) -> Operations:
    request = Request(project=STACK.root, goal=goal, **more)  # type: ignore[arg-type]
    return request.wish(locked=locked)


def test_each_goal_stands_on_those_before() -> None:
    assert wish(Goal.LOCK) == LOCKED
    assert wish(Goal.BUILD) == BUILT
    assert wish(Goal.PUBLISH) == wish(Goal.EXPORT) == EVERYTHING


def test_lock_policies() -> None:
    assert wish(Goal.LOCK, lock=LockPolicy.ALWAYS) == RELOCK
    assert wish(Goal.BUILD, lock=LockPolicy.NEVER) == Operations(build=IF_NEEDED)


def test_locks_that_must_not_change_are_only_looked_at() -> None:
    assert wish(Goal.LOCK, lock=LockPolicy.ALWAYS, locked=True) == LOCKED
    assert wish(Goal.LOCK, lock=LockPolicy.NEVER, locked=True) == Operations()


def test_not_building() -> None:
    """G7."""
    assert wish(Goal.PUBLISH, build=False) == Operations(lock=IF_NEEDED, publish=IF_NEEDED)


def test_cleaning_and_forcing() -> None:
    """G3 G12: what is cleaned is built, and made anew."""
    assert wish(Goal.PUBLISH, force=True) == replace(EVERYTHING, publish=YES)
    cleaned = Operations(lock=IF_NEEDED, build=YES, publish=YES, clean=True)
    assert wish(Goal.PUBLISH, clean=True) == cleaned


def test_cleaning_follows_what_is_asked_for() -> None:
    """G3."""
    clean = {"framework-right"}
    found = chosen(Operations(build=YES, clean=True), "framework-right")
    assert {name for name, operations in found.items() if operations.clean} == clean
    flags = {"build_dependencies": True, "build_derived": True}
    found = chosen(Operations(build=YES, clean=True), "framework-right", **flags)
    cleaned = {name for name, operations in found.items() if operations.clean}
    assert cleaned == {*clean, "base", "app-both"}
    found = chosen(Operations(lock=YES, clean=True), "framework-right")
    cleaned = {name for name, operations in found.items() if operations.clean}
    assert cleaned == {*clean, "app-both"}
