"""The chain as other platforms need it; that of Linux is run in ``tests/test_layers_run.py``."""

from __future__ import annotations

import json
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
