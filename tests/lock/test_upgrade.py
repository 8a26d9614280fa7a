"""Moving pins on purpose, damaged locks, and what is said about every change."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from support.index import Index
from support.locks import change_record
from support.projects import RUNNING_PYTHON, Project
from support.stacks import lock_all, lock_files, new_locks, spec_and_layout, versions
from venvlayers.errors import LockError
from venvlayers.lock.lock import NewLock
from venvlayers.lock.model import Upgrade
from venvlayers.lock.state import lock_states

MakeProject = Callable[..., Project]

PYTHON = RUNNING_PYTHON.partition("@")[2]


def base(*requirements: str, **more: object) -> dict[str, object]:
    return {"runtimes": [{"name": "base", "requirements": list(requirements), **more}]}


def two(lower: list[str], upper: list[str]) -> dict[str, object]:
    above = {"name": "upper", "runtime": "base", "requirements": upper}
    return {**base(*lower), "frameworks": [above]}


def told(new: NewLock) -> list[tuple[str, str | None, str | None, str]]:
    return [(c.package, c.before, c.after, c.because) for c in new.changes]


def three_packages(index: Index, version: str) -> None:
    index.add("one", version)
    index.add("two", version, requires=["three"])
    index.add("three", version)


def test_x20_g15_pins_move_when_asked_and_only_those(
    make_project: MakeProject, index: Index
) -> None:
    """X20, H1: `--upgrade-package`, then `--upgrade`."""
    three_packages(index, "1.0")
    project = make_project(base("one", "two"))
    lock_all(project)
    three_packages(index, "2.0")
    assert set(versions(lock_all(project)["base"]).values()) == {"1.0"}
    first = new_locks(project, upgrade=Upgrade(packages=("three",)))["base"]
    assert versions(first.lock) == {"one": "1.0", "two": "1.0", "three": "2.0"}
    assert told(first) == [("three", "1.0", "2.0", "--upgrade-package")]
    second = new_locks(project, upgrade=Upgrade(everything=True))["base"]
    assert told(second) == [
        ("one", "1.0", "2.0", "--upgrade"),
        ("two", "1.0", "2.0", "--upgrade"),
    ]


def test_x20_a_relaxed_requirement_keeps_its_version(
    make_project: MakeProject, index: Index
) -> None:
    """X20: as in venvstacks, where only `--reset-lock` should have moved it."""
    index.add("lib", "1.0")
    index.add("lib", "2.0")
    project = make_project(base("lib==1.0"))
    lock_all(project)
    project.set_stack(base("lib"))
    kept = new_locks(project)["base"]
    assert versions(kept.lock) == {"lib": "1.0"}
    assert kept.changes == ()
    reset = new_locks(project, upgrade=Upgrade(reset=frozenset({"base"})))["base"]
    assert told(reset) == [("lib", "1.0", "2.0", "--reset-lock")]


def test_a_reset_that_changes_nothing_keeps_time_and_text(small_project: Project) -> None:
    """H18, PR #187: also of a whole stack at once."""
    lock_all(small_project)
    before = lock_files(small_project.root)
    names = frozenset({"base", "framework-middle", "app-top"})
    lock_all(small_project, upgrade=Upgrade(reset=names))
    assert lock_files(small_project.root) == before


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("pylock.base.toml", lambda text: text + "<<<<<<< HEAD\n"),
        ("pylock.base.toml", lambda _text: "lock-version = 3\npackages = 7\n"),
        ("pylock.base.meta.json", lambda text: f"<<<<<<< HEAD\n{text}=======\n{text}>>>>>>> x\n"),
    ],
)
def test_x34_a_damaged_lock_can_be_reset(
    small_project: Project, name: str, damage: Callable[[str], str]
) -> None:
    """X34: the error says how, and that works."""
    lock_all(small_project)
    before = lock_files(small_project.root)
    file = small_project.root / "requirements" / "base" / name
    file.write_text(damage(file.read_text("utf-8")), "utf-8")
    with pytest.raises(LockError, match="the lock of base was edited by hand, or is damaged") as e:
        lock_all(small_project)
    assert "`venvstacks lock --reset-lock base`" in str(e.value)
    spec, layout = spec_and_layout(small_project)
    states = lock_states(spec, layout, reset={"base"})
    assert [state.outdated for state in states.values()] == [
        "it is to be reset",
        "base below it is to be locked",
        "framework-middle below it is to be locked",
    ]
    lock_all(small_project, upgrade=Upgrade(reset=frozenset({"base"})))
    after = lock_files(small_project.root)
    assert set(after) == set(before)
    assert (
        after["requirements/base/pylock.base.toml"] == before["requirements/base/pylock.base.toml"]
    )


def test_a_merged_record_gives_no_version_twice(make_project: MakeProject, index: Index) -> None:
    """X34: two branches that locked a versioned layer, each its own version."""
    index.add("lib")
    project = make_project(base("lib", versioned=True))
    lock_all(project)
    change_record(project, "base", lock_version=4)
    file = project.root / "requirements/base/pylock.base.meta.json"
    ours = file.read_text("utf-8")
    theirs = ours.replace('"lock_version": 4', '"lock_version": 6')
    file.write_text(f"<<<<<<< HEAD\n{ours}=======\n{theirs}>>>>>>> branch\n", "utf-8")
    lock = lock_all(project, upgrade=Upgrade(reset=frozenset({"base"})))["base"]
    assert lock.lock_version == 7


def test_183_locks_of_venvstacks_keep_their_versions(
    make_project: MakeProject, index: Index
) -> None:
    """#183, H22: they are made anew, from the versions that they have."""
    index.add("lib", "1.0")
    index.add("lib", "2.0")
    index.add("tool", "1.0", requires=["lib"])
    project = make_project(two(["lib"], ["tool"]))
    theirs = {
        "lock_input_hash": "sha256:1",
        "lock_version": 1,
        "locked_at": "2025-11-20T10:00:00+00:00",
        "other_inputs_hash": "sha256:2",
        "requirements_hash": "sha256:3",
        "version_inputs_hash": "sha256:4",
    }
    digest = f'hashes = {{ sha256 = "{0:064}" }}'
    wheel = f'{{ url = "http://127.0.0.1:9/lib-1.0-py3-none-any.whl", {digest} }}'
    lib = f'[[packages]]\nname = "lib"\nversion = "1.0"\nwheels = [{wheel}]\n'
    never = "marker = \"sys_platform == 'from_lower_layer'\""
    shared = f"[[packages]]\nname = 'lib'\nversion = '1.0'\n{never}\n"
    head = 'lock-version = "1.0"\ncreated-by = "uv"\n'
    for env, text in (("base", head + lib), ("framework-upper", head + shared)):
        project.write(f"requirements/{env}/pylock.{env}.toml", text)
        project.write(f"requirements/{env}/pylock.{env}.meta.json", json.dumps(theirs))
    spec, layout = spec_and_layout(project)
    assert lock_states(spec, layout)["base"].outdated == "its lock was made by venvstacks"
    upper = new_locks(project)["framework-upper"]
    assert [change.package for change in upper.changes] == ["tool"]
    locks = lock_all(project)
    assert versions(locks["base"]) == {"lib": "1.0"}
    assert versions(locks["framework-upper"]) == {"tool": "1.0"}


def test_the_first_lock_says_what_was_requested(make_project: MakeProject, index: Index) -> None:
    three_packages(index, "1.0")
    new = new_locks(make_project(base("one", "two")))["base"]
    assert told(new) == [
        ("cpython", None, PYTHON, f"requested as {RUNNING_PYTHON}"),
        ("one", None, "1.0", "requested"),
        ("three", None, "1.0", "dependency"),
        ("two", None, "1.0", "requested"),
    ]


def test_what_changed_requirements_did(make_project: MakeProject, index: Index) -> None:
    """Added, changed and removed ones, with what they bring and leave."""
    three_packages(index, "1.0")
    index.add("four", "1.0", requires=["five"])
    index.add("five", "1.0")
    project = make_project(base("one", "two"))
    lock_all(project)
    three_packages(index, "2.0")
    project.set_stack(base("one>=2", "four"))
    assert told(new_locks(project)["base"]) == [
        ("five", None, "1.0", "dependency of four"),
        ("four", None, "1.0", "requested"),
        ("one", "1.0", "2.0", "requested as one>=2"),
        ("three", "1.0", None, "no longer needed"),
        ("two", "1.0", None, "no longer needed"),
    ]


def test_what_moved_because_another_package_did(make_project: MakeProject, index: Index) -> None:
    index.add("one", "1.0", requires=["two"])
    index.add("two", "1.0")
    project = make_project(base("one"))
    lock_all(project)
    index.add("one", "2.0", requires=["two>=2"])
    index.add("two", "2.0")
    project.set_stack(base("one>=2"))
    assert told(new_locks(project)["base"]) == [
        ("one", "1.0", "2.0", "requested as one>=2"),
        ("two", "1.0", "2.0", "dependency of one"),
    ]


def test_what_layers_below_did(make_project: MakeProject, index: Index) -> None:
    for version in ("1.0", "2.0"):
        index.add("lib", version)
    index.add("tool", requires=["lib"])
    project = make_project(two([], ["tool", "lib<2"]))
    assert versions(lock_all(project)["framework-upper"]) == {"lib": "1.0", "tool": "1.0"}
    project.set_stack(two(["lib<2"], ["tool", "lib<2"]))
    assert told(new_locks(project)["framework-upper"]) == [("lib", "1.0", None, "base has it")]


def test_what_an_override_did_and_what_the_index_did(
    make_project: MakeProject, index: Index
) -> None:
    """X12: an input that is no requirement is named."""
    index.add("lib", "1.0")
    index.add("tool", requires=["lib"])
    project = make_project(base("tool"))
    lock_all(project)
    wheel = index.add("lib", "2.0")
    tool = project.read_pyproject()["tool"]
    changed = {**tool, "uv": {**tool["uv"], "override-dependencies": ["lib>=2"]}}
    project.write_pyproject(changed)
    assert told(new_locks(project)["base"]) == [
        ("lib", "1.0", "2.0", "tool.uv.override-dependencies is new")
    ]
    wheel.unlink()
    index.add("lib", "3.0")
    assert told(new_locks(project)["base"]) == [
        ("lib", "2.0", "3.0", "what the index offers changed")
    ]


def test_only_what_changed_is_dated(make_project: MakeProject, index: Index) -> None:
    """H18: a version that moved is a new time, and only in its own layer."""
    index.add("one", "1.0")
    index.add("two", "1.0")
    project = make_project(two(["one"], ["two"]))
    first, second = (datetime(2025, day, day, tzinfo=UTC) for day in (1, 2))
    lock_all(project, now=first)
    index.add("two", "2.0")
    locks = lock_all(project, now=second, upgrade=Upgrade(packages=("two",)))
    assert {name: lock.locked_at for name, lock in locks.items()} == {
        "base": first,
        "framework-upper": second,
    }


@pytest.mark.parametrize("upgrade", [Upgrade(everything=True), Upgrade(packages=("cpython",))])
def test_a_pinned_python_moves_when_asked(
    make_project: MakeProject, index: Index, upgrade: Upgrade
) -> None:
    major, minor, patch = PYTHON.split(".")
    project = make_project(base(python_implementation=f"cpython@{major}.{minor}"))
    lock_all(project)
    older = f"{major}.{minor}.{int(patch) - 1}" if int(patch) else None
    if older is None:
        pytest.skip("this Python is the first of its series")
    change_record(project, "base", python={"version": older})
    assert new_locks(project)["base"].changes == ()
    moved = new_locks(project, upgrade=upgrade)["base"]
    option = "--upgrade" if upgrade.everything else "--upgrade-package"
    assert told(moved)[0][0] == "cpython"
    assert told(moved)[0][1] == older
    assert told(moved)[0][3] == option


def test_x34_a_damaged_lock_without_a_record(small_project: Project) -> None:
    """X34: its versions are not lost without a word."""
    lock_all(small_project)
    directory = small_project.root / "requirements/base"
    (directory / "pylock.base.meta.json").unlink()
    (directory / "pylock.base.toml").write_text("<<<<<<< HEAD\n", "utf-8")
    with pytest.raises(LockError, match=r"lock of base .* is damaged: pylock\.base\.toml is not"):
        lock_all(small_project)
    lock_all(small_project, upgrade=Upgrade(reset=frozenset({"base"})))
