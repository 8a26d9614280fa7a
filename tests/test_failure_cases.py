"""How layered environments went wrong elsewhere: the cases that no other test has.

The ids are those of the list that the project was started with; most of its rows
are in the tests of the modules that they are about.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from support.command import venvstacks
from support.deployments import Deployment, layers
from support.index import Index
from support.interpreters import VERSION, standalone_downloads
from support.journeys import change, in_layer
from support.projects import Project
from support.shared_objects import shared_object
from support.stacks import Messages, lock_all, lock_files, run, versions
from support.stock import Stock
from venvlayers.cli import cli, main
from venvlayers.errors import LockError
from venvlayers.layout import Layout
from venvlayers.plan import Goal
from venvlayers.platforms import PLATFORMS, host_platform
from venvlayers.report import Kind
from venvlayers.uv import find_uv

MakeProject = Callable[..., Project]

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="local runtimes are for Linux")


def base(*requirements: str, platforms: tuple[str, ...] = ()) -> dict[str, object]:
    stack: dict[str, object] = {"runtimes": [{"name": "base", "requirements": list(requirements)}]}
    return stack | ({"platforms": list(platforms)} if platforms else {})


@on_linux
def test_a_package_without_wheels_is_refused_and_nothing_of_it_is_run(
    make_project: MakeProject, index: Index
) -> None:
    """#102, #6, #74: locking fails at once, and names it."""
    index.add("good", requires=["only-source"])
    index.add_sdist("only-source", setup="raise SystemExit('it was run')\n")
    project = make_project(base("good"))
    with pytest.raises(LockError) as caught:
        lock_all(project)
    assert "only-source" in str(caught.value)
    assert "only wheels are used" in str(caught.value)
    assert not any(path.endswith(".tar.gz") for path in index.requests), "not even fetched"
    assert not (project.root / "requirements").exists()


@on_linux
def test_a_lock_has_no_source_where_there_is_one(make_project: MakeProject, index: Index) -> None:
    """PR #327, H9: an index that has both gives the wheel alone."""
    index.add("lib")
    index.add_sdist("lib")
    index.add_sdist("lib", "2.0")
    project = make_project(base("lib"))
    assert versions(lock_all(project)["base"]) == {"lib": "1.0"}
    text = lock_files(project.root)["requirements/base/pylock.base.toml"]
    assert not [word for word in ("sdist", "tar.gz", "vcs", "directory", "archive") if word in text]


@on_linux
def test_many_packages_that_are_for_other_platforms(
    make_project: MakeProject, index: Index
) -> None:
    """#333, #337, H7: all of them are left out, and no marker is written that says nothing."""
    names = [f"only-linux-{number}" for number in range(5)]
    for name in names:
        index.add(name, tag="py3-none-manylinux_2_17_x86_64")
    markers = [f"{name}; sys_platform == 'linux'" for name in names]
    index.add("docs", requires=[*markers, "everywhere; python_version >= '3'"])
    index.add("everywhere")
    macs = {"name": "macs", "runtime": "base", "requirements": ["docs"]}
    macs |= {"platforms": ["macosx_arm64", "macosx_x86_64"]}
    project = make_project(base() | {"frameworks": [macs]})
    lock = lock_all(project)["framework-macs"]
    assert versions(lock) == {"docs": "1.0", "everywhere": "1.0"}
    directory = "requirements/framework-macs"
    text = lock_files(project.root)[f"{directory}/pylock.framework-macs.toml"]
    assert "marker =" not in text
    assert "linux" not in text
    summary = lock_files(project.root)[f"{directory}/packages-framework-macs.txt"]
    assert "only-linux" not in summary


@on_linux
def test_wheels_are_chosen_for_the_oldest_target_and_not_for_this_machine(
    make_project: MakeProject, index: Index
) -> None:
    """#292: a wheel for a newer system than the layer's is passed over where it would run."""
    here = host_platform()
    for glibc in ("2_17", "2_39"):
        tag = f"py3-none-manylinux_{glibc}_{here.machine}"
        index.add("native", tag=tag, modules={"native.py": f"FOR = {glibc!r}\n"})
    project = make_project(base("native", platforms=(here.name,)))
    run(project, Goal.BUILD)
    environment = Layout.beside(project.root).environment("base", here)
    (module,) = environment.rglob("native.py")
    assert module.read_text("utf-8") == "FOR = '2_17'\n"
    assert "2_39" not in lock_files(project.root)["requirements/base/pylock.base.toml"]


def test_other_variants_of_a_python_are_not_chosen(
    tmp_path: Path, archives: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """#242: debug and free-threaded builds, wherever they stand in the list."""
    platform = PLATFORMS["linux_x86_64"]
    served = standalone_downloads(tmp_path, platforms=[platform], shared=archives)
    listed = json.loads(served.list_file.read_text("utf-8"))
    ((key, entry),) = listed.items()
    others = {
        key.replace(str(VERSION), f"{VERSION}+{variant}"): {**entry, "variant": variant}
        for variant in ("debug", "freethreaded")
    }
    for order in ({**others, **listed}, {**listed, **others}):
        served.list_file.write_text(json.dumps(order), "utf-8")
        for name, value in served.environment.items():
            monkeypatch.setenv(name, value)
        (found,) = find_uv().managed_pythons(platform)
        assert found.key == key


@on_linux
def test_nothing_stands_between_a_program_and_its_python(stock: Stock, tmp_path: Path) -> None:
    """X18, X30: no wrapper that takes time, and no variable that children inherit."""
    deployment = Deployment.unpacked(stock.project.dist, tmp_path / "deployed")
    for layer in ("base", "app-top"):
        program = deployment.root / layer / "bin" / "python"
        assert program.resolve().read_bytes()[:4] == b"\x7fELF"
    show = "import os; print(*sorted(os.environ))"
    result = deployment.python("app-top", "-c", show)
    assert set(result.stdout.split()) <= {"PATH", "LC_ALL", "PWD", "LC_CTYPE"}
    assert {"LD_LIBRARY_PATH", "PYTHONPATH"}.isdisjoint(os.environ)


@on_linux
def test_locking_again_works_offline(
    small_project: Project, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    """X35: online it asks what there is and fetches no wheel; offline uv's cache has it all."""
    run(small_project, Goal.LOCK)
    stack = small_project.stack()
    stack["frameworks"][0]["requirements"].append("ground")
    small_project.set_stack(stack)
    index.requests.clear()
    run(small_project, Goal.LOCK)
    assert not [path for path in index.requests if path.endswith(".whl")]
    assert len(index.requests) == len(set(index.requests)), "nothing is asked twice"
    index.stop()
    stack["frameworks"][0]["requirements"].remove("ground")
    small_project.set_stack(stack)
    monkeypatch.setenv("UV_OFFLINE", "1")
    messages = Messages()
    run(small_project, Goal.LOCK, messages)
    assert messages.steps("locking") == ["framework-middle"]


@on_linux
def test_a_library_of_a_lower_layer_is_warned_of(
    make_project: MakeProject, index: Index, tmp_path: Path
) -> None:
    """J1, X7, #38: until libraries across layers come, the layer is named when it is built."""
    here = host_platform()
    tag = f"py3-none-manylinux_2_17_{here.machine}"
    index.add("cuda", tag=tag, modules={"nvidia/lib/libcudart.so.12": shared_object(tmp_path)})
    needs = shared_object(tmp_path, "libcudart.so.12")
    index.add("torch", tag=tag, requires=["cuda"], modules={"torch/lib/libtorch.so": needs})
    middle = {"name": "middle", "runtime": "base", "requirements": ["torch"]}
    project = make_project(base("cuda", platforms=(here.name,)) | {"frameworks": [middle]})
    messages = Messages()
    run(project, Goal.BUILD, messages)
    (warning,) = [text for text in messages.of(Kind.WARNING) if "[library-below]" in text]
    assert warning.startswith("framework-middle: torch: lib/python")
    assert "/torch/lib/libtorch.so needs libcudart.so.12 of base" in warning
    stack = project.stack()
    stack["runtimes"][0]["dynlib_exclude"] = ["libcudart.so.*"]
    stack["frameworks"][0]["versioned"] = True
    project.set_stack(stack)
    messages = Messages()
    run(project, Goal.BUILD, messages)
    assert messages.steps("building") == ["framework-middle"]
    assert not [text for text in messages.of(Kind.WARNING) if "[library-below]" in text]


@on_linux
def test_161_what_is_below_is_locked_first(small_project: Project) -> None:
    """#161: nothing is locked above a layer that has no lock."""
    root = small_project.root
    refused = venvstacks("build", "--include", "app-top", cwd=root)
    assert refused.returncode == LockError.exit_code
    assert "base" in refused.stderr
    assert not (root / "requirements").exists()
    locked = venvstacks("lock", "--include", "app-top", cwd=root, check=True)
    lines = locked.stdout.splitlines()
    assert lines == ["lock: base", "lock: framework-middle", "lock: app-top"]


def test_160_patterns_arrive_as_they_were_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PR #160, F7: not as the files that they match, on Windows neither."""
    passed: dict[str, object] = {}

    def record(*_arguments: object, **options: object) -> None:
        passed.update(options)

    monkeypatch.setattr(cli, "main", record)
    main(["show", "--include", "app-*"])
    assert passed["windows_expand_args"] is False
    (tmp_path / "app-file").touch()
    said = venvstacks("show", "--include", "app-*", cwd=tmp_path)
    assert "app-file" not in said.output


VERSIONED = """
[[runtimes]]
name = "base"
requirements = []

[[frameworks]]
name = "middle"
versioned = true
runtime = "base"
requirements = ["storey", "closet"]

[[applications]]
name = "top"
launch_module = "top.py"
frameworks = ["middle"]
requirements = []
"""


@on_linux
def test_layers_that_were_left_behind_are_warned_of(
    make_project: MakeProject, index: Index
) -> None:
    """G29: what is published alone can have another number than what stands on it knows."""
    for name in ("storey", "closet"):
        index.add(name)
    project = make_project(VERSIONED, files={"top.py": "import storey\n"})
    publish = ("build", "--lock-if-needed", "--publish", "--output-dir", "dist")
    venvstacks(*publish, cwd=project.root, check=True)
    change(project, in_layer("framework-middle", requirements=["storey"]))
    left = venvstacks(*publish, "--include", "framework-middle", cwd=project.root, check=True)
    warning = "app-top, which was left as it is, stands on framework-middle@1"
    assert warning in left.stderr
    assert layers(project.dist)["app-top"]["required_layers"] == ["framework-middle@1"]
    both = ("--include", "framework-middle", "--build-derived", "--publish-derived")
    done = venvstacks(*publish, *both, cwd=project.root, check=True)
    assert "left as it is" not in done.stderr
    assert layers(project.dist)["app-top"]["required_layers"] == ["framework-middle@2"]
