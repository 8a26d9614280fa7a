"""Wheels for the oldest systems that a layer names, whatever machine locks and builds."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from support.index import Index
from support.projects import Project
from support.stacks import lock_all, run, spec_and_layout
from venvlayers.errors import LockError
from venvlayers.lock.model import LayerLock
from venvlayers.lock.state import lock_states
from venvlayers.plan import Goal
from venvlayers.platforms import PLATFORMS, Targets, host_platform

MakeProject = Callable[..., Project]

BOTH = ("linux_x86_64", "macosx_arm64")  # a Python of this machine has to serve it
PYTHON = f"cp{sys.version_info[0]}{sys.version_info[1]}"


def base(*requirements: str, **more: object) -> dict[str, object]:
    return {"runtimes": [{"name": "base", "requirements": list(requirements), **more}]}


def wheels(lock: LayerLock) -> list[str]:
    return [
        wheel.filename.rpartition("-")[2].removesuffix(".whl")
        for package in lock.document.packages
        for wheel in package.wheels or ()
    ]


def add_builds(index: Index, *systems: str) -> None:
    for system in systems:
        index.add(
            "lib", tag=f"{PYTHON}-{PYTHON}-{system}", modules={"lib.py": f"built = {system!r}\n"}
        )


@pytest.mark.parametrize(
    ("target", "kept"),
    [
        ("glibc@2.17", ["manylinux_2_17_x86_64"]),
        ("glibc", ["manylinux_2_17_x86_64", "manylinux_2_28_x86_64"]),
        (
            "glibc@2.39",
            ["manylinux_2_17_x86_64", "manylinux_2_28_x86_64", "manylinux_2_39_x86_64"],
        ),
    ],
)
def test_b6_the_c_library_bounds_the_wheels(
    make_project: MakeProject, index: Index, target: str, kept: list[str]
) -> None:
    """B6."""
    add_builds(index, *(f"manylinux_2_{minor}_x86_64" for minor in (17, 28, 39)))
    stack = base("lib", platforms=["linux_x86_64"], linux_target=target)
    assert wheels(lock_all(make_project(stack))["base"]) == kept


@pytest.mark.parametrize(
    ("target", "kept"),
    [
        ("12.0", ["macosx_11_0_arm64"]),
        ("14.2", ["macosx_11_0_arm64", "macosx_14_0_arm64"]),
    ],
)
def test_b7_the_macos_release_bounds_the_wheels(
    make_project: MakeProject, index: Index, target: str, kept: list[str]
) -> None:
    """B7."""
    releases = ("macosx_11_0_arm64", "macosx_14_0_arm64", "macosx_15_0_arm64")
    add_builds(index, "manylinux_2_17_x86_64", *releases)
    stack = base("lib", platforms=[*BOTH], macosx_target=target)
    found = wheels(lock_all(make_project(stack))["base"])
    assert [system for system in found if system.startswith("macosx")] == kept


@pytest.mark.skipif(host_platform().name != "linux_x86_64", reason="the wheels are for Linux")
@pytest.mark.parametrize(
    ("target", "built"),
    [("glibc@2.17", "manylinux_2_17_x86_64"), ("glibc@2.18", "manylinux_2_18_x86_64")],
)
def test_292_the_wheel_is_for_the_oldest_system_and_not_for_this_machine(
    make_project: MakeProject, index: Index, target: str, built: str
) -> None:
    """#292, B6: what is installed is the best for the target; this machine's C library is newer."""
    add_builds(index, "manylinux_2_17_x86_64", "manylinux_2_18_x86_64", "linux_x86_64")
    (index.directory / f"lib-1.0-{PYTHON}-{PYTHON}-linux_x86_64.whl").unlink()
    project = make_project(base("lib", platforms=["linux_x86_64"], linux_target=target))
    run(project, Goal.BUILD)
    (module,) = (project.root / "_build").rglob("site-packages/lib.py")
    assert module.read_text("utf-8") == f"built = '{built}'\n"


def test_b6_b7_targets_outdate_a_lock_and_say_so(make_project: MakeProject, index: Index) -> None:
    """B6, B7, H14, H21."""
    index.add("lib")
    project = make_project(base("lib"))
    lock_all(project)
    project.set_stack(base("lib", linux_target="glibc@2.31", macosx_target="14.0"))
    spec, layout = spec_and_layout(project)
    assert lock_states(spec, layout)["base"].outdated == (
        "its linux_target changed from glibc@2.28 to glibc@2.31; "
        "its macosx_target changed from 13.0 to 14.0"
    )


def test_h10_all_that_is_missing_with_platforms_that_would_work(
    make_project: MakeProject, index: Index
) -> None:
    """H10, B6, #254, #320, #326: also the target with which there would be wheels."""
    system = "win_amd64.manylinux_2_17_x86_64"
    index.add("one", tag=f"py3-none-{system}.manylinux_2_34_aarch64")
    index.add("two", tag=f"py3-none-{system}.macosx_15_0_arm64.manylinux_2_17_aarch64")
    platforms = ["linux_x86_64", "linux_aarch64", "win_amd64"]
    with pytest.raises(LockError) as caught:
        lock_all(make_project(base("one", "two", platforms=platforms)))
    message = str(caught.value)
    assert (
        "- one==1.0: no wheel for linux_aarch64 "
        '(there are some for linux_target = "glibc@2.34")' in message
    )
    assert "two==1.0" not in message
    assert (
        'or set `platforms = ["linux_x86_64", "win_amd64"]` for base, which would work' in message
    )


def test_h10_a_later_macos_is_suggested(make_project: MakeProject, index: Index) -> None:
    """H10, B7."""
    add_builds(index, "manylinux_2_17_x86_64", "macosx_15_0_arm64")
    with pytest.raises(LockError) as caught:
        lock_all(make_project(base("lib", platforms=[*BOTH])))
    message = str(caught.value)
    assert 'no wheel for macosx_arm64 (there are some for macosx_target = "15.0")' in message
    assert 'platforms = ["linux_x86_64"]' in message


def test_h10_where_uv_finds_no_solution_platforms_are_suggested_too(
    make_project: MakeProject, index: Index
) -> None:
    """H10."""
    index.add("lib", tag="py3-none-win_amd64")
    platforms = ["linux_x86_64", "macosx_arm64", "win_amd64"]
    with pytest.raises(LockError) as caught:
        lock_all(make_project(base("lib", platforms=platforms)))
    message = str(caught.value)
    assert "the requirements of base cannot be resolved for linux_x86_64, macosx_arm64:" in message
    assert 'or set `platforms = ["win_amd64"]` for base, which would work' in message


@pytest.mark.parametrize(
    ("glibc", "asked"), [((2, 12), 17), ((2, 18), 28), ((2, 29), 31), ((2, 40), 40), ((2, 44), 40)]
)
def test_b6_uv_is_asked_for_a_platform_that_it_knows(glibc: tuple[int, int], asked: int) -> None:
    """B6: it knows some releases of glibc, and takes wheels for older ones too."""
    linux = PLATFORMS["linux_aarch64"]
    assert linux.uv_platform(Targets(glibc=glibc)) == f"aarch64-manylinux_2_{asked}"


def test_b6_no_wheel_counts_that_uv_would_refuse_to_install() -> None:
    """B6."""
    tags = PLATFORMS["linux_x86_64"].wheel_platforms(Targets(glibc=(2, 44)))
    assert "manylinux_2_40_x86_64" in tags
    assert "manylinux_2_41_x86_64" not in tags


def test_b7_the_deployment_target_is_for_macos() -> None:
    """B7."""
    targets = Targets(macos=(14, 2))
    assert PLATFORMS["macosx_arm64"].deployment_target(targets) == "14.2"
    assert PLATFORMS["win_amd64"].deployment_target(targets) is None
