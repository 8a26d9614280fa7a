"""The chain as other platforms need it; that of Linux is run in ``tests/test_layers_run.py``."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from support.stacks import Messages
from venvlayers.build.chain import (
    LAYER_CONFIG,
    Chain,
    describe_layer,
    link_layers,
    make_environment,
)
from venvlayers.build.scheme import Scheme
from venvlayers.errors import BuildError
from venvlayers.platforms import PLATFORMS, Interpreter, PythonVersion

WINDOWS = Chain(
    name="app-x",
    frameworks=("framework-y",),
    runtime="base",
    scheme=Scheme(
        platform=PLATFORMS["win_amd64"], python=Interpreter("cpython", PythonVersion(3, 12, 1))
    ),
)
POSIX = Chain(
    name="app-x",
    frameworks=("framework-y", "framework-z"),
    runtime="base",
    scheme=Scheme(
        platform=PLATFORMS["linux_x86_64"], python=Interpreter("cpython", PythonVersion(3, 12, 1))
    ),
)


def test_windows_gets_the_launchers_of_its_runtime(tmp_path: Path) -> None:
    launchers = tmp_path / "base" / "Lib" / "venv" / "scripts" / "nt"
    launchers.mkdir(parents=True)
    with pytest.raises(BuildError, match="no launcher for environments"):
        make_environment(tmp_path / "broken", WINDOWS, tmp_path / "base")
    for name in ("python.exe", "pythonw.exe"):
        (launchers / name).write_text(name)
    make_environment(tmp_path / "app-x", WINDOWS, tmp_path / "base")
    scripts = tmp_path / "app-x" / "Scripts"
    assert sorted(path.name for path in scripts.iterdir()) == ["python.exe", "pythonw.exe"]
    assert not (tmp_path / "app-x" / "pyvenv.cfg").exists()  # postinstall.py writes it there


def test_c1_pypy_on_windows_gets_the_programs_and_libraries_of_its_runtime(tmp_path: Path) -> None:
    """C1: as PyPy's own venv does it, which has no launchers; tried nowhere but here."""
    pypy = Interpreter("pypy", PythonVersion(3, 11, 15), "7.3.20")
    chain = replace(WINDOWS, scheme=replace(WINDOWS.scheme, python=pypy))
    (tmp_path / "base").mkdir()
    with pytest.raises(BuildError, match="no launcher for environments"):
        make_environment(tmp_path / "broken", chain, tmp_path / "base")
    programs = ["libpypy3.11-c.dll", "pypy3.11.exe", "python.exe"]
    for name in (*programs, "LICENSE"):
        (tmp_path / "base" / name).write_text(name)
    make_environment(tmp_path / "app-x", chain, tmp_path / "base")
    assert sorted(path.name for path in (tmp_path / "app-x" / "Scripts").iterdir()) == programs


def put_on_path(app: Path, **environment: str) -> list[str]:
    """Return the names of the layers on the path, in order, of a Python that `site` is run in."""
    program = (
        "import site, sys; site.addsitedir(sys.argv[1]); import sitecustomize; print(sys.path)"
    )
    command = [sys.executable, "-S", "-c", program, str(app / POSIX.scheme.site_packages)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    path = [Path(entry) for entry in ast.literal_eval(result.stdout)]
    inside = [entry for entry in path if entry.is_relative_to(app.parent)]
    return [entry.relative_to(app.parent).parts[0] for entry in inside]


def test_the_layers_are_in_order_whatever_path_files_there_are(tmp_path: Path) -> None:
    """Those of the application before the layers below, and those of a layer after it."""
    app = tmp_path / "app-x"
    link_layers(app, POSIX, Messages().reporter)
    for name in POSIX.below:
        (tmp_path / name / POSIX.scheme.site_packages).mkdir(parents=True)
    layers = ["app-x", "framework-y", "framework-z", "base"]
    assert put_on_path(app) == layers
    for place, added in (("app-x", "own"), ("framework-y", "from-y"), ("base", "from-base")):
        (tmp_path / added).mkdir()
        file = tmp_path / place / POSIX.scheme.site_packages / "zz.pth"
        file.write_text(f"{tmp_path / added}\n", "utf-8")
        where = layers.index(place) + 1
        layers.insert(where, added)
        assert put_on_path(app) == layers
    elsewhere = str(tmp_path / "base" / POSIX.scheme.site_packages)
    assert put_on_path(app, PYTHONPATH=elsewhere) == layers, "each once, and below the others"


def test_windows_paths_are_relative_to_its_own_layout(tmp_path: Path) -> None:
    env = tmp_path / "app-x"
    link_layers(env, WINDOWS, Messages().reporter)
    lines = (env / "Lib" / "site-packages" / "_venvstacks.pth").read_text().splitlines()
    assert lines == [
        "../../../framework-y/Lib/site-packages",
        "../../../base/Lib/site-packages",
    ]
    describe_layer(env, WINDOWS, {"launch_module": "main"})
    config = json.loads((env / LAYER_CONFIG).read_text("utf-8"))
    assert config["python"] == "Scripts/python.exe"
    assert config["base_python"] == "../base/python.exe"
    assert config["site_dir"] == "Lib/site-packages"
    assert config["launch_module"] == "main"
    assert config["pylib_dirs"] == [
        "../framework-y/Lib/site-packages",
        "../base/Lib/site-packages",
    ]
