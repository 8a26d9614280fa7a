"""What people read of locks, and what a change of nothing but a number costs."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime

from support.index import Index
from support.projects import Project
from support.stacks import done, lock_all, lock_files, run, spec_and_layout
from venvlayers.lock.state import lock_states
from venvlayers.lock.store import read_lock
from venvlayers.plan import Goal

MakeProject = Callable[..., Project]

STACK = """
platforms = ["linux_x86_64", "macosx_arm64", "win_amd64"]

[[runtimes]]
name = "base"
requirements = ["ground", "wall; sys_platform == 'win32'"]

[[applications]]
name = "top"
launch_module = "top.py"
support_modules = ["helper.py"]
runtime = "base"
requirements = ["roof", "wall", "tile; platform_machine == 'arm64'"]
versioned = true
"""


def make(make_project: MakeProject, index: Index) -> Project:
    for name in ("ground", "wall", "tile"):
        index.add(name)
    index.add("roof", requires=["ground"])
    return make_project(STACK, files={"top.py": "print('top')\n", "helper.py": ""})


def outdated(project: Project) -> str | None:
    spec, layout = spec_and_layout(project)
    return lock_states(spec, layout)["app-top"].outdated


def test_h26_the_summary_has_own_packages_and_those_from_below(
    make_project: MakeProject, index: Index
) -> None:
    """H26, H6, #303: with markers, for the layer's platforms alone."""
    project = make(make_project, index)
    lock_all(project)
    summary = lock_files(project.root)["requirements/app-top/packages-app-top.txt"]
    assert summary.splitlines() == [
        "# Packages of app-top, and those that it takes from the layers below",
        "roof==1.0",
        "tile==1.0 ; sys_platform == 'darwin'",
        "wall==1.0 ; sys_platform == 'linux' or sys_platform == 'darwin'",
        "",
        "# Shared packages, from the layers below",
        "ground==1.0 (from base)",
        "wall==1.0 (from base) ; sys_platform == 'win32'",
    ]


def test_h12_h13_h27_files_say_what_they_are(make_project: MakeProject, index: Index) -> None:
    """H12, H13, H23, H24, H25, H27."""
    project = make(make_project, index)
    lock_all(project)
    files = lock_files(project.root)
    lock = files["requirements/app-top/pylock.app-top.toml"]
    assert lock.startswith("# What the layer app-top consists of, beyond the layers below it.\n")
    assert "`venvstacks lock`" in lock.splitlines()[1]
    assert "`hatch build -t venvstacks:lock`" in lock.splitlines()[1]
    assert files["requirements/app-top/requirements-app-top.in"].splitlines() == [
        "roof",
        "wall",
        'tile; platform_machine == "arm64"',
    ]
    text = files["requirements/app-top/pylock.app-top.meta.json"]
    record = json.loads(text)
    assert text == json.dumps(record, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    assert record["lock_version"] == 1
    for field in ("requirements", "lock_input", "other_inputs", "version_inputs"):
        assert record[f"{field}_hash"].startswith("sha256:")
    assert not [name for name, text in files.items() if "\r" in text]


def test_h15_h19_own_modules_change_the_number_and_nobody_is_asked(
    make_project: MakeProject, index: Index
) -> None:
    """H15, H19, H21, B8: the set and its time stay."""
    project = make(make_project, index)
    first = lock_all(project, now=datetime(2025, 1, 1, tzinfo=UTC))["app-top"]
    before = lock_files(project.root)
    project.write("top.py", "print('another')\n")
    assert outdated(project) == "its launch module top changed"
    project.write("helper.py", "# changed\n")
    assert outdated(project) == ("its launch module top changed; its support module helper changed")
    index.fail = 500
    changed = run(project, Goal.LOCK)
    assert done(changed) == (("lock", "app-top"),)
    _spec, layout = spec_and_layout(project)
    saved = read_lock(layout, "app-top")
    assert saved is not None
    assert (first.lock_version, saved.record.lock_version) == (1, 2)
    assert saved.record.locked_at == first.locked_at
    assert outdated(project) is None
    after = lock_files(project.root)
    changed_files = {name for name in after if after[name] != before[name]}
    assert changed_files == {
        "requirements/app-top/pylock.app-top.meta.json",
        "requirements/app-top/pylock.app-top.toml",
    }
    old, new = (texts["requirements/app-top/pylock.app-top.toml"] for texts in (before, after))
    assert new == old.replace("# It is deployed as app-top@1.", "# It is deployed as app-top@2.")


def test_a_killed_run_loses_no_number(make_project: MakeProject, index: Index) -> None:
    """B8: the record is gone; the number in the lock is not given to something else."""
    project = make(make_project, index)
    run(project, Goal.LOCK)
    project.write("top.py", "print('another')\n")
    run(project, Goal.LOCK)
    (project.root / "requirements/app-top/pylock.app-top.meta.json").unlink()
    assert lock_all(project)["app-top"].lock_version == 3


def test_d4_a_layer_that_is_not_versioned_has_version_1(
    make_project: MakeProject, index: Index
) -> None:
    """D4, H15, #196, #201: also one that was versioned, and whatever its modules do."""
    project = make(make_project, index)
    run(project, Goal.LOCK)
    stack = project.stack()
    stack["applications"][0]["versioned"] = False
    project.set_stack(stack)
    assert outdated(project) is not None
    assert lock_all(project)["app-top"].lock_version == 1
    project.write("top.py", "print('another')\n")
    assert outdated(project) is None
    stack["applications"][0]["versioned"] = True
    project.set_stack(stack)
    assert outdated(project) is not None
    assert lock_all(project)["app-top"].lock_version == 2


def test_numbers_are_not_given_twice_after_a_time_without(
    make_project: MakeProject, index: Index
) -> None:
    """D4, H19: the lock remembers the highest, also if a killed run left no record."""
    project = make(make_project, index)
    for number in (1, 2, 3):
        project.write("top.py", f"print({number})\n")
        assert lock_all(project)["app-top"].lock_version == number
    stack = project.stack()
    application = stack["applications"][0]
    application["versioned"] = False
    project.set_stack(stack)
    assert lock_all(project)["app-top"].lock_version == 1
    application["requirements"] = ["wall"]
    project.set_stack(stack)
    assert lock_all(project)["app-top"].lock_version == 1
    (project.root / "requirements/app-top/pylock.app-top.meta.json").unlink()
    assert lock_all(project)["app-top"].lock_version == 1
    locked = lock_files(project.root)["requirements/app-top/pylock.app-top.toml"]
    assert "# It was deployed as app-top@3 while it was versioned.\n" in locked
    assert outdated(project) is None
    application["versioned"] = True
    project.set_stack(stack)
    assert lock_all(project)["app-top"].lock_version == 4
