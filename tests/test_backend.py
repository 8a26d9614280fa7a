"""``hatch_venvstacks.backend``, called by the front ends that are not Hatch."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from support.deployments import Deployment
from support.projects import Project
from venvlayers.platforms import host_platform
from venvlayers.publish.zstd import ZstdTar
from venvlayers.uv import find_uv

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="local runtimes are for Linux")

HERE = host_platform().name if sys.platform == "linux" else ""
WHEEL = "demo-1.0-py2.py3-none-any.whl"
SDIST = "demo-1.0.tar.gz"
MANIFEST = f"__venvstacks__/venvstacks-{HERE}.json"
LAYERS = {f"{name}-{HERE}.tar.zst" for name in ("base", "framework-middle", "app-top")}

HOOK = """
import os, sys
from hatch_venvstacks import backend
print("RETURNED", {call}, file=sys.stderr)
"""

BUILD = ("-m", "build", "--no-isolation")
PIP = ("-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--no-index", "--no-cache-dir")


@pytest.fixture
def project(published_project: Project) -> Project:
    """Give a project whose layers are built, not published, and whose backend is ours."""
    shutil.rmtree(published_project.dist)
    tool = published_project.read_pyproject()["tool"]
    tool["hatch"] = {"build": {"targets": {"wheel": {"only-include": ["top.py"]}}}}
    published_project.write_pyproject(tool)
    published_project.set_backend("hatch_venvstacks.backend")
    published_project.write(".gitignore", "/_build/\n/_artifacts/\n/layers/\n")
    return published_project


def run(
    *command: str | Path, cwd: Path, env: Mapping[str, str] | None = None, status: int | None = 0
) -> str:
    """Run a program and return all that it printed; *status* None is for any failure."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, "NO_COLOR": "1", **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == status if status is not None else done.returncode, done.stdout
    return done.stdout


def python(*arguments: str, cwd: Path, status: int | None = 0) -> str:
    return run(sys.executable, *arguments, cwd=cwd, status=status)


def hook(call: str, cwd: Path, *, env: Mapping[str, str] | None = None, status: int = 0) -> str:
    """Call a hook as a front end does, in a process of its own; return what it printed."""
    return run(sys.executable, "-c", HOOK.format(call=call), cwd=cwd, env=env, status=status)


def files_in(directory: Path) -> set[str]:
    """Return the names of the files in *directory*, without those of directories in it."""
    return {path.name for path in directory.iterdir() if path.is_file()}


def settings(*pairs: str) -> list[str]:
    return [word for pair in pairs for word in ("-C", f"venvstacks{pair}")]


def test_build_makes_layers_beside_the_wheel(project: Project, tmp_path: Path) -> None:
    output = python(*BUILD, "--wheel", *settings("=publish"), cwd=project.root)
    assert {path.name for path in project.dist.iterdir()} == {WHEEL}
    assert zipfile.ZipFile(project.dist / WHEEL).testzip() is None
    assert files_in(project.root / "_artifacts") >= LAYERS
    assert f"app-top-{HERE}.tar.zst" in output
    deployed = Deployment.unpacked(project.root / "_artifacts", tmp_path / "deployed")
    assert deployed.python("app-top", "-m", "top").stdout == "versions: 1.0 1.0 1.0\n"


def test_uv_makes_some_layers_where_it_is_told(project: Project) -> None:
    """Repeated settings reach the backend as a list."""
    told = settings(
        "=publish", "-include=app-*", "-include=base", "-output-dir=layers", "-tag-outputs=false"
    )
    offline = ("--offline", "--no-build-isolation", "--python", sys.executable)
    run(find_uv().path, "build", "--wheel", *offline, *told, cwd=project.root)
    assert files_in(project.dist) - {".gitignore"} == {WHEEL}
    archives = {name for name in files_in(project.root / "layers") if name.endswith(".tar.zst")}
    assert archives == {"base.tar.zst", "app-top.tar.zst"}
    assert not (project.root / "_artifacts").exists()


def test_pip_makes_layers_beside_the_wheel(project: Project) -> None:
    python(*PIP, "-w", "wheels", *settings("=publish"), ".", cwd=project.root)
    assert files_in(project.root / "wheels") == {WHEEL}
    assert files_in(project.root / "_artifacts") >= LAYERS


def test_an_sdist_and_the_wheel_made_of_it_make_layers_once(project: Project) -> None:
    output = python(*BUILD, *settings("=publish"), cwd=project.root)
    assert {path.name for path in project.dist.iterdir()} == {WHEEL, SDIST}
    assert output.count(f"app-top-{HERE}.tar.zst") == 1
    assert "warning: layers are not made of an unpacked sdist" in output
    with tarfile.open(project.dist / SDIST) as sdist:
        assert not [name for name in sdist.getnames() if "_artifacts" in name]


def test_nothing_is_made_unless_it_is_asked_for(project: Project) -> None:
    python(*BUILD, "-C", "other=1", cwd=project.root)
    assert {path.name for path in project.dist.iterdir()} == {WHEEL, SDIST}
    assert not (project.root / "_artifacts").exists()


def test_distributions_are_those_of_hatchling(project: Project, tmp_path: Path) -> None:
    made = [tmp_path / "ours", tmp_path / "theirs"]
    python(*BUILD, "-o", str(made[0]), cwd=project.root)
    project.set_backend("hatchling.build")
    python(*BUILD, "-o", str(made[1]), cwd=project.root)
    ours, theirs = ((place / WHEEL).read_bytes() for place in made)
    assert ours == theirs
    # The sdist has the pyproject.toml that names the backend.
    contents = []
    for place in made:
        with tarfile.open(place / SDIST) as sdist:
            contents.append([(file.name, file.mode) for file in sdist])
    assert contents[0] == contents[1]


def test_where_the_target_puts_them_is_where_they_go(project: Project) -> None:
    tool = project.read_pyproject()["tool"]
    tool["hatch"]["build"]["targets"]["venvstacks"] = {"directory": "layers"}
    project.write_pyproject(tool)
    project.set_backend("hatch_venvstacks.backend")
    hook("backend.build_wheel('dist', {'venvstacks': 'publish'})", project.root)
    assert files_in(project.root / "layers") >= LAYERS


def test_platforms_can_be_named(project: Project) -> None:
    """What is said for the target is for those who say nothing."""
    tool = project.read_pyproject()["tool"]
    tool["hatch"]["build"]["targets"]["venvstacks"] = {"platforms": ["win_amd64"]}
    project.write_pyproject(tool)
    project.set_backend("hatch_venvstacks.backend")
    asked = f"{{'venvstacks': 'publish', 'venvstacks-platforms': '{HERE}, host'}}"
    hook(f"backend.build_wheel('dist', {asked})", project.root)
    assert files_in(project.root / "_artifacts") >= LAYERS
    wrong = "{'venvstacks-platforms': ['linux_x86', 'all']}"
    output = hook(f"backend.build_venvstacks('out', {wrong})", project.root, status=2)
    assert "there is no platform 'linux_x86'" in output
    output = hook("backend.build_wheel('dist', {'venvstacks': 'publish'})", project.root, status=8)
    assert "cannot be had for win_amd64" in output


def test_several_verbs(project: Project) -> None:
    shutil.rmtree(project.root / "requirements")
    asked = "{'venvstacks': ['lock', 'local-export']}"
    hook(f"backend.build_wheel('dist', {asked})", project.root)
    assert (project.root / "requirements" / "app-top").is_dir()
    assert files_in(project.root / "_artifacts") == set()
    assert (project.root / "_artifacts" / "local-export" / "app-top").is_dir()


def test_mistakes_are_named_at_once_and_without_a_traceback(project: Project) -> None:
    wrong = settings("=publsh", "_includes=a", "-tag-outputs=maybe", "-output-dir")
    output = python(*BUILD, "--wheel", *wrong, cwd=project.root, status=None)
    assert "config settings: 4 mistakes" in output
    assert "venvstacks: cannot be 'publsh' (did you mean 'publish'?)" in output
    assert "venvstacks_includes: unknown (did you mean 'venvstacks-include'?)" in output
    assert "venvstacks-tag-outputs: must be true or false, not 'maybe'" in output
    assert "venvstacks-output-dir: needs a value: `venvstacks-output-dir=...`" in output
    assert "Traceback" not in output
    assert not list(project.root.glob("dist/*"))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("{'venvstacks-include': 'app-*'}", "must be one of publish, lock, build, local-export"),
        ("{'venvstacks': 'x'}", "cannot be 'x' (choose among publish, lock, build, local-export)"),
        ("{'venvstacks': True}", "venvstacks: needs a value"),
        ("{'venvstacks': []}", "venvstacks: needs a value"),
        (
            "{'venvstacks': 'publish', 'venvstacks-output-dir': ['a', 'b']}",
            "venvstacks-output-dir: must be given once",
        ),
        (
            "{'venvstacks': 'publish', 'venvstacks-secondary-colours': '1'}",
            "venvstacks-secondary-colours: unknown (there are venvstacks, venvstacks-include, ",
        ),
    ],
)
def test_settings_that_cannot_be(project: Project, given: str, expected: str) -> None:
    output = hook(f"backend.build_wheel('dist', {given})", project.root, status=3)
    assert expected in output
    assert "Traceback" not in output


def test_a_stack_that_cannot_be_built_fails_the_build(project: Project) -> None:
    project.set_stack({"framewroks": []})
    output = python(*BUILD, "--wheel", *settings("=publish"), cwd=project.root, status=None)
    assert "framewroks" in output
    assert "Traceback" not in output


def test_a_lock_must_not_change_where_that_is_forbidden(project: Project) -> None:
    shutil.rmtree(project.root / "requirements" / "app-top")
    call = "backend.build_wheel('dist', {'venvstacks': 'publish'})"
    output = hook(call, project.root, env={"VENVSTACKS_LOCKED": "1"}, status=4)
    assert "app-top: it has no lock yet" in output


def test_layers_can_be_built_as_any_other_target(project: Project) -> None:
    output = hook("backend.build_venvstacks('out')", project.root)
    assert f"RETURNED {MANIFEST}\n" in output
    assert json.loads((project.root / "out" / MANIFEST).read_text("utf-8"))["layers"]
    exported = "backend.build_venvstacks('out', {'venvstacks': 'local-export'})"
    assert "RETURNED local-export\n" in hook(exported, project.root)
    assert (project.root / "out" / "local-export" / "app-top").is_dir()


def test_the_smallest_archives(project: Project) -> None:
    some = "backend.build_venvstacks('out', {'venvstacks-include': 'app-*'})"
    hook(some, project.root, env={"VENVSTACKS_BEST": "1"})
    layers = json.loads((project.root / "out" / MANIFEST).read_text("utf-8"))["layers"]
    assert layers["applications"][0]["archive_codec"]["level"] == ZstdTar.best_level


def test_settings_of_layers_alone(project: Project) -> None:
    asked = "{'venvstacks': ['publish', 'local-export'], 'venvstacks-output-dir': 'x'}"
    output = hook(f"backend.build_venvstacks('out', {asked})", project.root, status=3)
    assert "venvstacks: must be given once" in output
    assert "venvstacks-output-dir: unknown" in output
    output = hook("backend.build_venvstacks('out', {'venvstacks': 'lock'})", project.root, status=3)
    assert "cannot be 'lock' (choose among publish, local-export)" in output


def test_what_layers_need_is_asked_for_with_them(project: Project) -> None:
    tool = project.read_pyproject()["tool"]
    targets = tool["hatch"]["build"]["targets"]
    targets["venvstacks"] = {"dependencies": ["some-format"]}
    targets["wheel"]["dependencies"] = ["cython"]
    project.write_pyproject(tool)
    requires = "backend.get_requires_for_build"
    expected = {
        f"{requires}_venvstacks()": "['some-format']",
        f"{requires}_wheel()": "['cython']",
        f"{requires}_wheel({{'venvstacks': 'publish'}})": "['cython', 'some-format']",
        f"{requires}_sdist()": "[]",
        f"{requires}_sdist({{'venvstacks': 'publish'}})": "['some-format']",
    }
    for call, result in expected.items():
        assert f"RETURNED {result}\n" in hook(call, project.root)


@pytest.mark.parametrize("env", [{}, {"PIP_BUILD_TRACKER": "somewhere"}], ids=["", "below-pip"])
def test_there_are_hatchlings_hooks_and_ours(project: Project, env: dict[str, str]) -> None:
    call = "sorted(set(backend.__all__) ^ set(__import__('hatchling.build').build.__all__))"
    output = hook(call, project.root, env=env)
    ours = ["__all__", "build_venvstacks", "get_requires_for_build_venvstacks"]
    assert f"RETURNED {ours}\n" in output
    output = hook("hasattr(backend, 'prepare_metadata_for_build_wheel')", project.root, env=env)
    assert f"RETURNED {not env}\n" in output


def test_the_project_can_be_installed_editable(project: Project) -> None:
    tool = project.read_pyproject()["tool"]
    tool["hatch"]["build"]["targets"]["wheel"]["dev-mode-dirs"] = ["."]
    project.write_pyproject(tool)
    project.set_backend("hatch_venvstacks.backend")
    assert f"RETURNED {WHEEL}" in hook(
        "os.makedirs('out') or backend.build_editable('out')", project.root
    )
    with zipfile.ZipFile(project.root / "out" / WHEEL) as wheel:
        assert any(name.endswith(".pth") for name in wheel.namelist())
