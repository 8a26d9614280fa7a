"""Layers for any platform, made on this machine: choosing platforms, and what comes out.

The runtimes are made from archives in the layout of python-build-standalone that uv
fetches by a list of our own; the packages are wheels for each platform.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from support.compare import assert_same_archives
from support.hatch import Hatch
from support.index import Index
from support.interpreters import VERSION, standalone_downloads
from support.projects import Project
from support.runtime_layers import contents
from support.stacks import Messages, done, run
from venvlayers import transaction
from venvlayers.errors import BuildError, PublishError, PythonUnavailableError, SelectionError
from venvlayers.plan import Goal
from venvlayers.platforms import PLATFORMS, PythonVersion, host_platform
from venvlayers.request import LockPolicy, Request
from venvlayers.selection import Choice
from venvlayers.workflow import preview, requested
from venvlayers.workflow.outcome import summary
from venvlayers.workflow.status import planned_status

MakeProject = Callable[..., Project]

ALL = tuple(PLATFORMS)
CP = f"cp{VERSION.major}{VERSION.minor}"
TAGS = {
    "linux_x86_64": "manylinux_2_28_x86_64",
    "linux_aarch64": "manylinux_2_28_aarch64",
    "macosx_arm64": "macosx_11_0_arm64",
    "macosx_x86_64": "macosx_10_13_x86_64",
    "win_amd64": "win_amd64",
    "win_arm64": "win_arm64",
}

STACK = """
runtime_source = "managed"

[[runtimes]]
name = "base"
requirements = ["compiled"]

[[frameworks]]
name = "middle"
runtime = "base"
requirements = ["pure"]

[[applications]]
name = "top"
launch_module = "top.py"
frameworks = ["middle"]
requirements = []
"""


@pytest.fixture
def project(
    make_project: MakeProject,
    index: Index,
    archives: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Project:
    """Give a stack for all platforms, with a compiled package."""
    for name, tag in TAGS.items():
        suffix = "pyd" if name.startswith("win") else "so"
        index.add(
            "compiled",
            modules={f"compiled/native.{suffix}": name.encode(), "compiled/__init__.py": ""},
            tag=f"{CP}-{CP}-{tag}",
        )
    index.add("pure", entry_points={"pure": "pure:main"})
    served = standalone_downloads(tmp_path / "list", shared=archives)
    for name, value in served.environment.items():
        monkeypatch.setenv(name, value)
    return make_project(STACK, files={"top.py": "import compiled, pure\n"})


def asked(project: Project, goal: Goal = Goal.PUBLISH, **more: Any) -> Request:
    return Request(project=project.root, goal=goal, output_dir=project.dist, **more)


def manifests(project: Project) -> dict[str, str]:
    place = project.dist / "__venvstacks__"
    document = json.loads((place / "index.json").read_text("utf-8"))
    return {entry["target_platform"]: entry["manifest"] for entry in document["manifests"]}


def archives_of(project: Project) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(project.dist.glob("*.tar.zst"))}


def test_all_platforms_are_published_side_by_side(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has its manifest, there is one index, and nothing is to be done afterwards."""
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    messages = Messages()
    outcome = run(project, messages=messages, platforms=("all",))
    assert manifests(project) == {name: f"venvstacks-{name}.json" for name in ALL}
    assert outcome.artifact == project.dist / "__venvstacks__" / "index.json"
    names = ("cpython", "middle", "top")
    assert len(archives_of(project)) == len(ALL) * len(names)
    for platform in PLATFORMS.values():
        (*_below, top) = outcome.published_for(platform)
        assert top.metadata["target_platform"] == platform.name
        assert top.archive.name == f"app-top-{platform}.tar.zst"
        native = project.root / "_build" / platform.name / "base"
        (library,) = native.rglob("compiled/native.*")
        assert library.read_bytes() == platform.name.encode()
        assert library.suffix == (".pyd" if platform.is_windows else ".so")
        assert f"building base for {platform}" in messages.of_steps()
    summaries = (tmp_path / "summary.md").read_text("utf-8")
    headings = [line for line in summaries.splitlines() if line.startswith("### ")]
    assert headings == [f"### Layers for {name}" for name in ALL]
    assert len(messages.steps("locking")) == len(names), "locks are for all platforms, made once"
    built = [one for one in outcome.done if one.action == "build"]
    assert {one.platform for one in built} == set(PLATFORMS.values())
    assert len(built) == len(ALL) * len(names)
    assert run(project, platforms=("all",)).plan.is_done
    assert run(project, platforms=ALL[:2]).plan.is_done
    before = archives_of(project)
    again = run(project, platforms=("linux_aarch64", "win_amd64"), clean=True)
    assert not any(layer.reused for layer in again.published)
    assert archives_of(project) == before, "made anew, they are the same"


@pytest.mark.parametrize("killed", [False, True], ids=["full", "killed"])
def test_x24_outputs_of_several_platforms_are_all_new_or_all_as_before(
    project: Project, monkeypatch: pytest.MonkeyPatch, *, killed: bool
) -> None:
    """Whatever the rename at which the disk is full; after a kill the next run mends them."""
    platforms = ALL[:2]
    run(project, platforms=platforms)
    rename, left = Path.replace, 0

    def failing(path: Path, target: Path) -> Path:
        nonlocal left
        is_new = path.parent.name.startswith(".venvstacks-publish-")
        left -= is_new
        if is_new and left < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
        return rename(path, target)

    for number in range(1, 16, 5):  # 6 archives, and as many descriptions; sums and manifests
        monkeypatch.setenv("SOURCE_DATE_EPOCH", str(1_700_000_000 + number))
        before = outputs(project)
        with monkeypatch.context() as patched:
            left = number
            patched.setattr(Path, "replace", failing)
            if killed:  # nobody is there to put back what was
                patched.setattr(transaction, "_undo", lambda _done: None)
            with pytest.raises(PublishError, match="cannot publish"):
                run(project, platforms=platforms)
        assert killed or outputs(project) == before
        assert not run(project, platforms=platforms[:1]).plan.is_done
        run(project, platforms=platforms)
        expect_consistent(project, platforms)


def outputs(project: Project) -> dict[str, bytes]:
    files = (path for path in project.dist.rglob("*") if path.is_file())
    return {path.relative_to(project.dist).as_posix(): path.read_bytes() for path in sorted(files)}


def expect_consistent(project: Project, platforms: Sequence[str]) -> None:
    """Expect that the index is of the manifests, and the manifests are of the archives."""
    found = outputs(project)
    listed = json.loads(found["__venvstacks__/index.json"])["manifests"]
    assert [entry["target_platform"] for entry in listed] == list(platforms)
    archives = set()
    for entry in listed:
        manifest = found[f"__venvstacks__/{entry['manifest']}"]
        assert hashlib.sha256(manifest).hexdigest() == entry["sha256"]
        for layer in (one for layers in json.loads(manifest)["layers"].values() for one in layers):
            archive = found[layer["archive_name"]]
            assert hashlib.sha256(archive).hexdigest() == layer["archive_hashes"]["sha256"]
            archives.add(layer["archive_name"])
    assert {name for name in found if name.endswith(".tar.zst")} == archives
    assert run(project, platforms=platforms).plan.is_done


def test_a_preview_shows_platforms(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--json`, and what `--show` prints."""
    two = ("linux_aarch64", "win_amd64")
    request = asked(project, platforms=two, lock=LockPolicy.IF_NEEDED)
    plan = preview(request, Messages().reporter)
    assert [one.name for one in plan.platforms] == list(two)
    locking = [step for step in plan.steps if step.action == "lock"]
    assert [step.platform for step in locking] == [None] * 3
    run(project, Goal.LOCK)
    status = planned_status(request, Messages().reporter)
    document = status.as_json()["plan"]
    assert (document["platform"], document["platforms"]) == (two[0], list(two))
    assert [step["platform"] for step in document["steps"] if step["action"] == "build"] == [
        *(two[0],) * 3,
        *(two[1],) * 3,
    ]
    assert "  build    base for win_amd64" in status.as_text()
    manifests = requested(request, Messages().reporter)["platforms"]
    assert list(manifests) == list(two)
    (app,) = manifests["win_amd64"]["layers"]["applications"]
    assert app["archive_name"] == "app-top-win_amd64.tar.zst"
    monkeypatch.setenv("VENVSTACKS_PLATFORMS", "win_arm64")
    with pytest.raises(BuildError) as caught:
        run(project, platforms=two, build=False)
    assert "base for linux_aarch64: it is not built yet" in str(caught.value)
    assert "app-top for win_amd64: it is not built yet" in str(caught.value)


def chosen(project: Project, goal: Goal = Goal.BUILD, **more: Any) -> list[str]:
    plan = preview(asked(project, goal, **more), Messages().reporter)
    return [platform.name for platform in plan.platforms]


def test_who_says_what_for(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command, the environment, the shell's own default, this machine: in this order."""
    here = host_platform().name
    assert chosen(project) == [here]
    assert chosen(project, platforms_by_default=("win_arm64",)) == ["win_arm64"]
    monkeypatch.setenv("VENVSTACKS_PLATFORMS", "macosx_arm64, linux_aarch64")
    assert chosen(project, platforms_by_default=("all",)) == ["linux_aarch64", "macosx_arm64"]
    assert chosen(project, platforms=("win_amd64",)) == ["win_amd64"]
    assert chosen(project, platforms=("host",)) == [here]
    assert set(chosen(project, platforms=("host", "win_amd64"))) == {here, "win_amd64"}
    assert chosen(project, platforms=("all", "win_amd64")) == list(ALL)
    assert chosen(project, Goal.LOCK, platforms=("win_amd64",)) == [here]
    assert chosen(project, Goal.EXPORT) == [here], "an export is local, unless somebody insists"
    assert chosen(project, Goal.EXPORT, platforms=("all",)) == list(ALL)
    monkeypatch.setenv("VENVSTACKS_PLATFORMS", " ")
    assert chosen(project) == [here]


def test_all_are_those_that_layers_are_for(project: Project) -> None:
    two = ["linux_aarch64", "win_amd64"]
    project.set_stack(project.stack() | {"platforms": two})
    assert chosen(project, platforms=("all",)) == two
    with pytest.raises(BuildError) as caught:
        chosen(project, platforms=("all", "win_arm64", "macosx_arm64"))
    assert "--platform: no layer is made for macosx_arm64, win_arm64" in str(caught.value)
    assert "made for linux_aarch64, win_amd64" in str(caught.value)


def test_platforms_that_there_are_not(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SelectionError) as caught:
        chosen(project, platforms=("linux_x86-64", "solaris", "win_amd64"))
    assert str(caught.value).startswith(
        "--platform: there is no platform 'linux_x86-64' (did you mean 'linux_x86_64'?)\n"
        "--platform: there is no platform 'solaris'\n"
    )
    monkeypatch.setenv("VENVSTACKS_PLATFORMS", "everything")
    with pytest.raises(SelectionError, match="VENVSTACKS_PLATFORMS: there is no platform"):
        chosen(project)


def test_a_machine_that_no_layer_is_made_for(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Layers for others can be made on it."""
    run(project, Goal.LOCK)
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(BuildError, match="name the platforms that layers are to be made for"):
        chosen(project)
    assert chosen(project, platforms=("win_amd64",)) == ["win_amd64"]


def test_all_platforms_of_nothing(project: Project) -> None:
    choice = Choice(include=("nothing",), allow_missing=True)
    request = asked(project, platforms=("all",), choice=choice)
    assert preview(request, Messages().reporter).steps == ()
    disabled = {"name": "base", "requirements": [], "platforms": []}
    project.set_stack({"runtimes": [disabled]})
    with pytest.raises(BuildError, match="no layer is made for"):
        chosen(project, platforms=("all",))


def test_outputs_of_platforms_have_names_of_their_own(project: Project) -> None:
    """Whoever names a platform may name another one tomorrow."""
    choose = {"lock": LockPolicy.IF_NEEDED, "platforms": ("win_amd64",)}
    with pytest.raises(SelectionError, match="need the platform in their names"):
        run(project, tag_outputs=False, platforms=("all",))
    outcome = run(project, **choose)
    assert outcome.artifact.name == "venvstacks-win_amd64.json"
    assert run(project, **choose).plan.is_done
    run(project, tag_outputs=False, **choose)
    assert (project.dist / "app-top.tar.zst").is_file()
    assert summary(run(project, Goal.BUILD, clean=True, platforms=("win_amd64",)))[0] == (
        "clean: base"
    )


def test_exports_of_several_platforms_are_apart(project: Project) -> None:
    place = project.root / "_export"
    two = ("linux_aarch64", "macosx_arm64")
    outcome = run(project, Goal.EXPORT, output_dir=place, platforms=two)
    assert outcome.artifact == place
    assert sorted(path.name for path in place.iterdir()) == list(two)
    assert (place / two[1] / "app-top" / "bin" / "python").is_symlink()
    assert "local-export: app-top for macosx_arm64" in summary(outcome)
    assert run(project, Goal.EXPORT, output_dir=place, platforms=two).plan.is_done


def test_a_python_of_this_machine_serves_no_other(project: Project) -> None:
    project.set_stack(project.stack() | {"runtime_source": "local"})
    for _ in ("when it was locked", "before anything is done"):
        with pytest.raises(PythonUnavailableError) as caught:
            run(project, platforms=("win_amd64", "macosx_arm64", "host"))
        (named,) = re.findall(r"it cannot be had for (.*)", caught.value.message)
        assert sorted(named.split(", ")) == ["macosx_arm64", "win_amd64"], "all of them"
    with pytest.raises(PythonUnavailableError) as caught:
        run(project, platforms=("win_amd64",))
    assert "it cannot be had for win_amd64" in str(caught.value)
    assert 'runtime-source = "managed"' in str(caught.value)
    assert "UV_PYTHON_INSTALL_MIRROR" in str(caught.value)
    assert done(run(project)) != (), "it serves this machine"


OTHER = PythonVersion(3, 13, 2) if VERSION.minor != 13 else PythonVersion(3, 12, 4)
"""A Python of another series than the one that runs the tests, and us."""

CHOOSER = {
    "early": f"python_full_version < '{OTHER}'",
    "late": f"python_full_version >= '{OTHER}'",
    "series": f"python_version == '{OTHER.series}'",
    "mac": "sys_platform == 'darwin'",
    "windows": "platform_system == 'Windows' and os_name == 'nt'",
    "arm": "platform_machine == 'aarch64'",
    "intel": "platform_machine == 'AMD64'",
}

CHOOSING_STACK = f"""
runtime_source = "managed"

[[runtimes]]
name = "base"
python_implementation = "cpython@{OTHER}"
platforms = ["linux_aarch64", "macosx_arm64", "win_amd64"]
requirements = ["chooser", "compiled"]
linux_target = "glibc@2.28"
macosx_target = "13.0"

[[applications]]
name = "top"
launch_module = "top.py"
runtime = "base"
requirements = ["pure"]
"""


@pytest.fixture
def choosing(
    make_project: MakeProject,
    index: Index,
    archives: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Project:
    """Give a stack for three platforms, with a Python of which nothing here runs."""
    for name in CHOOSER:
        index.add(name, requires_python=f">={OTHER.series}" if name == "late" else None)
    index.add("chooser", requires=[f"{name}; {marker}" for name, marker in CHOOSER.items()])
    index.add("pure", entry_points={"pure": "pure:main"})
    tags = ("manylinux_2_17_aarch64", "manylinux_2_28_aarch64", "manylinux_2_34_aarch64")
    for tag in (*tags, "macosx_11_0_arm64", "macosx_14_0_arm64", "win_amd64"):
        for python in (CP, f"cp{OTHER.major}{OTHER.minor}"):
            modules = {"compiled.py": f"wheel = '{python} {tag}'\n"}
            index.add("compiled", modules=modules, tag=f"{python}-{python}-{tag}")
    served = standalone_downloads(tmp_path / "list", versions=[OTHER], shared=archives)
    for name, value in served.environment.items():
        monkeypatch.setenv(name, value)
    return make_project(CHOOSING_STACK, files={"top.py": ""})


def test_what_is_chosen_is_the_targets(choosing: Project) -> None:
    """Markers, tags and bounds; the layouts, launchers and links that each platform has."""
    outcome = run(choosing, platforms=("all",))
    cp = f"cp{OTHER.major}{OTHER.minor}"
    expected = {
        "linux_aarch64": ({"late", "series", "arm"}, f"{cp} manylinux_2_28_aarch64"),
        "macosx_arm64": ({"late", "series", "mac"}, f"{cp} macosx_11_0_arm64"),
        "win_amd64": ({"late", "series", "windows", "intel"}, f"{cp} win_amd64"),
    }
    assert [platform.name for platform in outcome.plan.platforms] == list(expected)
    for name, (packages, wheel) in expected.items():
        built = choosing.root / "_build" / name
        inside = "Lib" if name == "win_amd64" else f"lib/python{OTHER.series}"
        packages_dir = built / "base" / inside / "site-packages"
        found = {path.stem for path in packages_dir.glob("*.py")}
        assert found == {*packages, "chooser", "compiled"}
        text = (packages_dir / "compiled.py").read_text("utf-8")
        assert text == f"wheel = '{wheel}'\n"
        assert_layout(built, name)


def assert_layout(built: Path, name: str) -> None:
    """Check that an application is laid out as *name* needs it, and finds what is below it."""
    app = built / "app-top"
    config = json.loads((app / "share/venv/metadata/venvstacks_layer.json").read_text("utf-8"))
    assert config["py_version"] == str(OTHER)
    if name.startswith("win"):
        assert config["base_python"] == "../base/python.exe"
        assert config["python"] == "Scripts/python.exe"
        assert config["pylib_dirs"] == ["../base/Lib/site-packages"]
        assert not (app / "pyvenv.cfg").exists(), "postinstall.py writes it where it is unpacked"
        launchers = built / "base" / "Lib" / "venv" / "scripts" / "nt"
        series = "venvlauncher.exe" if OTHER.minor >= 13 else "python.exe"
        assert (app / "Scripts/python.exe").read_bytes() == (launchers / series).read_bytes()
        assert (app / "Scripts/pythonw.exe").is_file()
        assert b"#!<launcher_dir>\\python.exe\r\n" in (app / "Scripts/top.exe").read_bytes()
        assert not (app / "bin").exists()
        assert not [path for path in built.rglob("*") if path.is_symlink()]
        site_packages = app / "Lib" / "site-packages"
        assert (site_packages / "_venvstacks.pth").read_text("utf-8") == (
            "../../../base/Lib/site-packages\n"
        )
    else:
        assert config["base_python"] == f"../base/bin/python{OTHER.series}"
        assert (app / "bin" / "top").stat().st_mode & 0o777 == 0o755
        link = (app / "bin" / "python").readlink()
        assert link.as_posix() == f"../../base/bin/python{OTHER.series}"
        assert f"version = {OTHER}\n" in (app / "pyvenv.cfg").read_text("utf-8")
        assert "home" not in (app / "pyvenv.cfg").read_text("utf-8")
        site_packages = app / "lib" / f"python{OTHER.series}" / "site-packages"
    assert "base" in (site_packages / "sitecustomize.py").read_text("utf-8")
    record = (site_packages / "pure-1.0.dist-info" / "RECORD").read_text("utf-8")
    for line in record.splitlines():
        assert (site_packages / line.partition(",")[0]).is_file(), line
    assert not list(built.rglob("*.pyc"))


@pytest.mark.skipif(not shutil.which("bsdtar"), reason="needs bsdtar, which is Windows' tar")
def test_windows_own_tools_unpack_it(choosing: Project, tmp_path: Path) -> None:
    """Windows 11 has bsdtar with zstd; zip is for older ones, and for the Explorer."""
    run(choosing, platforms=("win_amd64",))
    built = choosing.root / "_build" / "win_amd64"
    unpacked = tmp_path / "unpacked"
    unpacked.mkdir()
    for archive in choosing.dist.glob("*.tar.zst"):
        subprocess.run(["bsdtar", "-xf", str(archive), "-C", str(unpacked)], check=True)
    assert contents(unpacked) == contents(built)
    run(choosing, platforms=("win_amd64",), archive_format="zip")
    as_zip = tmp_path / "zip"
    for archive in choosing.dist.glob("*.zip"):
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(as_zip)
    assert {path.relative_to(as_zip) for path in as_zip.rglob("*")} == {
        path.relative_to(built) for path in built.rglob("*")
    }


ELSEWHERE = """
import platform, sys, types
machine, system = sys.argv[1:3]
platform.machine = lambda: machine
import venvlayers.platforms
venvlayers.platforms.sys = types.SimpleNamespace(platform=system)
print("this is", venvlayers.platforms.host_platform())
from venvlayers.cli import main
main(sys.argv[3:])
"""
"""The command on a machine that says that it is another one."""


@pytest.mark.skipif(sys.platform != "linux", reason="its archive is made of ELF programs")
def test_the_same_bytes_from_any_host(project: Project, tmp_path: Path) -> None:
    """A layer that was built natively, and as a foreign one on two other machines."""
    here = host_platform()
    native = run(project, platforms=("all",))
    arm = "aarch64" if here.machine == "x86_64" else "x86_64"
    for machine, system, wanted in (
        (arm, "linux", here.name),
        ("AMD64", "win32", here.name),
        ("arm64", "darwin", "all"),
    ):
        place = tmp_path / f"on {system}"
        command = [sys.executable, "-c", ELSEWHERE, machine, system]
        options = ["--platform", wanted, "--output-dir", str(place / "dist")]
        options += ["--build-dir", str(place / "build")]
        completed = subprocess.run(
            [*command, "publish", str(project.root), *options],
            check=True,
            capture_output=True,
            text=True,
        )
        assert "this is" in completed.stdout
        assert f"this is {here}" not in completed.stdout
        for platform in PLATFORMS if wanted == "all" else [wanted]:
            for layer in native.published_for(PLATFORMS[platform]):
                assert_same_archives(layer.archive, place / "dist" / layer.archive.name)
            for said in (f"SHA256SUMS-{platform}", f"__venvstacks__/venvstacks-{platform}.json"):
                assert (place / "dist" / said).read_bytes() == (project.dist / said).read_bytes()


def test_hatch_makes_them_too(project: Project, hatch: Hatch) -> None:
    """Its target says which; a job that says otherwise is heard first."""
    tool = project.read_pyproject()["tool"]
    target = {"platforms": ["linux_aarch64", "win_amd64"]}
    tool["hatch"] = {"build": {"targets": {"venvstacks": target}}}
    project.write_pyproject(tool)
    result = hatch("build", "-t", "venvstacks", cwd=project.root)
    assert list(manifests(project)) == target["platforms"]
    assert "dist/__venvstacks__/index.json" in result.output
    environment = {"VENVSTACKS_PLATFORMS": "macosx_arm64"}
    hatch("build", "-t", "venvstacks", cwd=project.root, env=environment)
    assert list(manifests(project)) == ["linux_aarch64", "macosx_arm64", "win_amd64"]
    hatch("build", "-c", "-t", "venvstacks:lock", cwd=project.root)
    assert not list(project.dist.rglob("*.*"))
