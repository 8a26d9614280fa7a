"""Stacks on PyPy, with a real one where there is one: C1, #331.

Everything is done as on CPython: lock, build, publish, unpack, move, run.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from support.deployments import Deployment, layers
from support.index import Index
from support.projects import RUNNING_PYTHON, SMALL_STACK, Project
from support.pypy import (
    PACKAGING,
    PYPY,
    STAND_IN,
    FoundPyPy,
    can_fetch,
    needs_pypy,
    portable_pypy,
    pypy_downloads,
    stand_in_downloads,
)
from support.runtime_layers import files_with, names_in
from support.stacks import run
from venvlayers.develop.environment import make_environment
from venvlayers.develop.record import Wanted
from venvlayers.lock.wheels import supported_tags
from venvlayers.plan import Goal
from venvlayers.platforms import PLATFORMS, Interpreter, Platform, Targets, host_platform
from venvlayers.report import silent
from venvlayers.uv import find_uv

STACK = """
runtime_source = "{source}"
platforms = ["{platform}"]
"""
APPLICATION = """
import json, platform, site, sys
import ground, nested, on_pypy, roof, storey

try:
    import speedups
    answer = speedups.answer()
except ImportError:
    answer = None
print(json.dumps({
    "implementation": platform.python_implementation(),
    "version": platform.python_version(),
    "prefix": sys.prefix,
    "base_prefix": sys.base_prefix,
    "from": {name: sys.modules[name].__file__ for name in ("ground", "storey", "roof", "nested")},
    "answer": answer,
}))
"""

EXTENSION = """
#include <Python.h>
static PyObject *answer(PyObject *self, PyObject *args) { return PyLong_FromLong(42); }
static PyMethodDef methods[] = {{"answer", answer, METH_NOARGS, ""}, {NULL}};
static PyModuleDef module = {PyModuleDef_HEAD_INIT, "speedups", "", -1, methods};
PyMODINIT_FUNC PyInit_speedups(void) { return PyModule_Create(&module); }
"""


@pytest.fixture
def pypy() -> FoundPyPy:
    assert PYPY is not None
    return PYPY


@pytest.fixture
def here() -> Platform:
    return host_platform()


def extension(directory: Path) -> bytes | None:
    """Compile an extension for PyPy; None without a compiler, or PyPy and its headers."""
    compiler = shutil.which("gcc")
    if compiler is None or PYPY is None or not (PYPY.headers / "Python.h").is_file():
        return None
    directory.mkdir()
    source, made = directory / "speedups.c", directory / "speedups.so"
    source.write_text(EXTENSION)
    command = [compiler, "-shared", "-fPIC", f"-I{PYPY.headers}", str(source), "-o", str(made)]
    subprocess.run(command, check=True)
    return made.read_bytes()


def make_project(
    tmp_path: Path, index: Index, source: str, here: Platform, python: Interpreter
) -> Project:
    """Write a stack of three layers, whose packages differ by implementation."""
    index.add(
        "ground",
        modules={"ground.py": "", "ground.pth": "nested_dir\n", "nested_dir/nested.py": ""},
    )
    index.add("storey", requires=["ground", "on-pypy ; implementation_name == 'pypy'"])
    index.add("on-pypy", requires=["speedups ; platform_python_implementation == 'PyPy'"])
    other = [
        "on-cpython ; implementation_name == 'cpython'",
        "never ; implementation_version < '7'",
    ]
    index.add("roof", requires=["storey", *other])
    series = python.version.series.replace(".", "")
    platform = f"manylinux_2_17_{here.machine}"
    built = extension(tmp_path / "extension")
    suffix = f"{str(python.pypy_abi).replace('_', '-')}-{here.machine}-linux-gnu.so"
    index.add(
        "speedups",
        tag=f"pp{series}-{python.pypy_abi}-{platform}",
        modules={f"speedups.{suffix}": built} if built else {"empty.py": ""},
    )
    index.add("speedups", tag=f"cp{series}-cp{series}-{platform}", modules={"wrong.py": ""})
    runtime = "[[runtimes]]\n"
    stack = STACK.format(source=source, platform=here) + SMALL_STACK.replace(
        runtime, f'{runtime}python_implementation = "pypy@{python.version}"\n'
    )
    return Project.create(tmp_path / "project", stack, index=index, files={"top.py": APPLICATION})


def report(deployment: Deployment) -> dict[str, Any]:
    """Run the application, and return what it says."""
    result = deployment.python("app-top", "-m", "top")
    assert (result.returncode, result.stderr) == (0, "")
    described: dict[str, Any] = json.loads(result.stdout)
    return described


def expect_deployment(root: Path, pypy: FoundPyPy, *, compiled: bool) -> None:
    """Check the layers in *root*: whose Python runs, and from where it imports."""
    said = report(Deployment(root))
    site_packages = f"lib/{pypy.interpreter.library}/site-packages"
    assert said == {
        "implementation": "PyPy",
        "version": str(pypy.interpreter.version),
        "prefix": str(root / "app-top"),
        "base_prefix": str(root / "base"),
        "from": {
            "ground": str(root / "base" / site_packages / "ground.py"),
            "storey": str(root / "framework-middle" / site_packages / "storey.py"),
            "roof": str(root / "app-top" / site_packages / "roof.py"),
            "nested": str(root / "base" / site_packages / "nested_dir" / "nested.py"),
        },
        "answer": 42 if compiled else None,
    }


def expect_clean_runtime(runtime: Path, pypy: FoundPyPy) -> None:
    """Check that nothing of the installation is left."""
    names, library = names_in(runtime), pypy.interpreter.library
    aliases = {"python", "python3", f"python{pypy.interpreter.version.series}", "pypy", "pypy3"}
    programs = {name for name in names if name.startswith("bin/")}
    assert programs == {f"bin/{name}" for name in {*aliases, library, f"lib{library}-c.so"}}
    assert all((runtime / "bin" / alias).readlink() == Path(library) for alias in aliases)
    unwanted = ("__pycache__", ".pyc", ".debug", "EXTERNALLY-MANAGED", "BUILD", "/test")
    assert [name for name in names if name.endswith(unwanted)] == []


def expect_same_from_scratch(project: Project, tmp_path: Path) -> None:
    """Publish a clone elsewhere, with another cache: the same archives come out."""
    clone = Project(tmp_path / "clone with another name")
    shutil.copytree(project.root, clone.root, ignore=shutil.ignore_patterns("_build", "dist"))
    run(clone, locked=True)
    assert layers(clone.dist) == layers(project.dist)


def expect_locks(project: Project, python: Interpreter) -> None:
    """Check that locks and metadata are for PyPy, and have nothing that is for CPython."""
    locks = {path.stem: path.read_text() for path in project.root.rglob("pylock.*.toml")}
    assert all("and implementation_name == 'pypy'" in text for text in locks.values())
    series = python.version.series.replace(".", "")
    assert f"-pp{series}-{python.pypy_abi}-" in locks["pylock.framework-middle"]
    assert "-cp3" not in locks["pylock.framework-middle"]
    assert "cpython" not in locks["pylock.app-top"]
    assert "never" not in locks["pylock.app-top"]
    for layer in layers(project.dist).values():
        assert layer["python_implementation"] == f"pypy@{python.version}"


@pytest.mark.skipif(sys.platform != "linux", reason="the wheels are for Linux")
def test_c1_layers_for_pypy_are_made_without_running_it(
    tmp_path: Path, index: Index, here: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C1, #331: its wheels, its layout and its names, with a stand-in that cannot run."""
    for name, value in stand_in_downloads(tmp_path / "downloads").items():
        monkeypatch.setenv(name, value)
    project = make_project(tmp_path, index, "managed", here, STAND_IN)
    run(project)
    expect_locks(project, STAND_IN)
    deployed = tmp_path / "deployed"
    Deployment.unpacked(project.dist, deployed)
    app, middle = deployed / "app-top", deployed / "framework-middle"
    assert (app / "bin" / "python").readlink() == Path("../../base/bin/pypy3.11")
    links = {"python3", "python3.11", "pypy", "pypy3", "pypy3.11"}
    assert {path.name for path in (app / "bin").iterdir()} == {"python", "top", *links}
    assert "version = 3.11.15\n" in (app / "pyvenv.cfg").read_text()
    installed = {path.name for path in (middle / "lib/pypy3.11/site-packages").iterdir()}
    assert {"storey.py", "on_pypy.py", "speedups-1.0.dist-info"} <= installed
    assert "wrong.py" not in installed
    change_to_cpython(project, index)


def test_c1_layers_for_pypy_are_made_for_other_systems(
    tmp_path: Path, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C1: laid out as PyPy is on macOS and Windows; none of it was run there."""
    for name, value in stand_in_downloads(tmp_path / "downloads").items():
        monkeypatch.setenv(name, value)
    platforms = [PLATFORMS[name] for name in ("macosx_arm64", "win_amd64")]
    platforms = [platform for platform in platforms if can_fetch(platform)]
    for tag, suffix in (("macosx_11_0_arm64", "so"), ("win_amd64", "pyd")):
        module = {f"speedups.{suffix}": tag}
        index.add("speedups", tag=f"pp311-{STAND_IN.pypy_abi}-{tag}", modules=module)
    stack = f"""
        platforms = {[platform.name for platform in platforms]}
        runtime_source = "managed"
        runtimes = [
            {{ name = "base", python_implementation = "pypy@3.11", requirements = ["speedups"] }},
        ]
        frameworks = [{{ name = "above", runtime = "base", requirements = [] }}]
    """
    project = Project.create(tmp_path / "project", textwrap.dedent(stack), index=index)
    run(project, Goal.BUILD, platforms=("all",))
    for platform in platforms:
        built = project.root / "_build" / platform.name
        (module_file,) = (built / "base" / platform.site_packages(STAND_IN)).glob("speedups.*")
        assert module_file.suffix == (".pyd" if platform.is_windows else ".so")
        names = {path.name for path in (built / "framework-above" / platform.bin_dir).iterdir()}
        if platform.is_windows:
            programs = {"python.exe", "pythonw.exe", "pypy3.11.exe", "libpypy3.11-c.dll"}
        else:
            programs = {"python", *STAND_IN.aliases}
        assert names == programs


def change_to_cpython(project: Project, index: Index) -> None:
    """Everything is locked anew, and the runtime's lock says what became of its Python."""
    stack = project.stack()
    stack["runtimes"][0]["python_implementation"] = RUNNING_PYTHON
    project.set_stack({**stack, "runtime_source": "local"})
    index.add("on-cpython")
    index.add("never")
    outcome = run(project, Goal.LOCK)
    told = [
        (change.package, change.before, change.after, change.because)
        for change in outcome.changes["base"]
    ]
    version = RUNNING_PYTHON.partition("@")[2]
    because = f"requested as {RUNNING_PYTHON}"
    assert told == [
        ("cpython", None, version, because),
        ("pypy", str(STAND_IN.version), None, because),
    ]
    gone = {change.package for change in outcome.changes["framework-middle"]}
    assert gone == {"on-pypy", "speedups"}
    assert {"on-cpython", "never"} <= {change.package for change in outcome.changes["app-top"]}


@needs_pypy
def test_c1_a_stack_on_a_pypy_of_this_machine(
    tmp_path: Path,
    index: Index,
    pypy: FoundPyPy,
    here: Platform,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """C1, #331: found on PATH, copied, layered, published; runs with the original gone."""
    original = tmp_path / "a pypy" / "installed"
    program = portable_pypy(original, as_debian=True)
    (tmp_path / "on path").mkdir()
    (tmp_path / "on path" / "pypy3").symlink_to(program)
    monkeypatch.setenv("PATH", f"{tmp_path / 'on path'}{os.pathsep}{os.environ['PATH']}")
    project = make_project(tmp_path, index, "local", here, pypy.interpreter)
    run(project)
    expect_locks(project, pypy.interpreter)
    published = layers(project.dist)
    assert published["base"]["python_source"] == {
        "source": "local",
        "build": pypy.interpreter.release,
    }
    assert run(project).plan.is_done
    expect_same_from_scratch(project, tmp_path)
    develop(project, tmp_path / "develop")
    original.parent.rename(tmp_path / "hidden")
    deployed = tmp_path / "deployed"
    Deployment.unpacked(project.dist, deployed)
    moved = tmp_path / "with späces" / "elsewhere"
    moved.parent.mkdir()
    shutil.move(deployed, moved)
    expect_clean_runtime(moved / "base", pypy)
    assert files_with(moved, str(original)) == []
    compiled = (tmp_path / "extension").exists()
    expect_deployment(moved, pypy, compiled=compiled)
    Deployment(moved).postinstall(["base", "framework-middle", "app-top"])
    again = tmp_path / "again"
    shutil.move(moved, again)
    expect_deployment(again, pypy, compiled=compiled)


def develop(project: Project, place: Path) -> None:
    """Make an environment for development, and run what it is for."""
    make_environment(Wanted(project=project.root, env_name="app-top"), place, silent())
    result = subprocess.run(
        [place / "bin" / "python", "-m", "top"],
        cwd=project.root,
        env={"PATH": os.defpath},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(result.stdout)["prefix"] == str(place)


@needs_pypy
def test_c1_a_stack_on_a_pypy_that_uv_fetches(
    tmp_path: Path,
    index: Index,
    pypy: FoundPyPy,
    here: Platform,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """C1: from a mirror of PyPy's own archives, its hash verified; the lock names its release."""
    served = pypy_downloads(tmp_path / "downloads", address_of_pypys(here), here)
    for name, value in served.environment.items():
        monkeypatch.setenv(name, value)
    project = make_project(tmp_path, index, "managed", here, pypy.interpreter)
    run(project)
    published = layers(project.dist)
    assert published["base"]["python_source"] == {
        "source": "managed",
        "build": pypy.interpreter.release,
    }
    Deployment.unpacked(project.dist, tmp_path / "deployed")
    expect_clean_runtime(tmp_path / "deployed" / "base", pypy)
    assert files_with(tmp_path / "deployed", str(tmp_path)) == []
    compiled = (tmp_path / "extension").exists()
    expect_deployment(tmp_path / "deployed", pypy, compiled=compiled)


def address_of_pypys(here: Platform) -> str:
    """Return the address that ``UV_PYPY_INSTALL_MIRROR`` stands for, as uv knows it."""
    command = ["python", "list", "pypy", "--only-downloads", "--no-config", "--output-format=json"]
    told = subprocess.run([find_uv().path, *command], check=True, capture_output=True, text=True)
    return next(
        str(entry["url"]).rpartition("/")[0]
        for entry in json.loads(told.stdout)
        if entry["key"].endswith(here.uv_key)
    )


@needs_pypy
def test_pypy_says_the_same_of_itself(tmp_path: Path, pypy: FoundPyPy, here: Platform) -> None:
    """#331: `packaging` under PyPy itself finds the markers and tags that locks are made with."""
    program = portable_pypy(tmp_path / "pypy")
    question = (
        "import json; from packaging import markers, tags;"
        "print(json.dumps([markers.default_environment(), [str(tag) for tag in tags.sys_tags()]]))"
    )
    told = subprocess.run(
        [program, "-c", question],
        env={"PYTHONPATH": str(PACKAGING)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    markers, tags = json.loads(told)
    ours = here.marker_environment(pypy.interpreter)
    known = {name: value for name, value in ours.items() if value}
    assert known == {name: markers[name] for name in known}
    glibc = tuple(int(number) for number in os.confstr("CS_GNU_LIBC_VERSION").split()[1].split("."))
    assert [
        str(tag) for tag in supported_tags(here, pypy.interpreter, Targets(glibc=glibc))
    ] == tags
