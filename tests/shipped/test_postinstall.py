"""The script that finishes an installation, run as users run it."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import venvlayers.shipped
from venvlayers.build.chain import LAYER_CONFIG

SCRIPT = (Path(venvlayers.shipped.__file__).parent / "postinstall.py").read_text("utf-8")


def make_layer(root: Path, name: str, **config: object) -> Path:
    layer = root / name
    (layer / LAYER_CONFIG).parent.mkdir(parents=True)
    (layer / "lib").mkdir()
    (layer / "lib" / "module.py").write_text("answer = 42\n")
    (layer / "lib" / "template.py").write_text("this is {no} Python\n")
    (layer / "postinstall.py").write_text(SCRIPT, "utf-8")
    defaults = {"python": "bin/python", "base_python": "bin/python", "pylib_dirs": []}
    document = {**defaults, "py_version": "3.12.1", **config}
    (layer / LAYER_CONFIG).write_text(json.dumps(document), "utf-8")
    (layer / "bin").mkdir()
    (layer / "bin" / "python").symlink_to(sys.executable)
    return layer


def install(layer: Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(layer / "postinstall.py")]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


posix = pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")


@posix
def test_x10_bytecode_is_for_the_layers_own_python(tmp_path: Path) -> None:
    layer = make_layer(tmp_path, "läyer one")
    assert install(layer).returncode == 0
    compiled = list((layer / "lib" / "__pycache__").iterdir())
    assert [path.name for path in compiled] == [f"module.{sys.implementation.cache_tag}.pyc"]


@posix
def test_twice_is_the_same_and_a_replaced_source_is_compiled_again(tmp_path: Path) -> None:
    layer = make_layer(tmp_path, "layer")
    source = layer / "lib" / "module.py"
    os.utime(source, (1, 1))
    install(layer)
    source.write_text("answer = 43\n")  # as long as before
    os.utime(source, (1, 1))  # and of the same time, as files of layers are
    assert install(layer).returncode == 0
    command = [sys.executable, "-c", "import module; print(module.answer)"]
    output = subprocess.run(command, capture_output=True, text=True, check=True, cwd=layer / "lib")
    assert output.stdout == "43\n"


@posix
def test_x11_missing_layers_are_named(tmp_path: Path) -> None:
    layer = make_layer(
        tmp_path,
        "app",
        base_python="../base/bin/python3.12",
        pylib_dirs=["../framework-x/lib/site", "../base/lib/site"],
    )
    result = install(layer)
    assert result.returncode == 1
    assert str(tmp_path / "framework-x" / "lib" / "site") in result.stderr
    assert str(tmp_path / "base" / "bin" / "python3.12") in result.stderr
    assert "hint: unpack all layers" in result.stderr
    assert "Traceback" not in result.stderr


@posix
def test_paths_that_leave_the_layers_directory_are_refused(tmp_path: Path) -> None:
    """M8."""
    layer = make_layer(tmp_path, "app", pylib_dirs=["../../outside"])
    result = install(layer)
    assert result.returncode == 1
    assert "path leaves the layers' directory: ../../outside" in result.stderr


@posix
def test_a_read_only_layer_is_left_as_it_is(tmp_path: Path) -> None:
    layer = make_layer(tmp_path, "layer")
    (layer / "lib").chmod(0o555)
    layer.chmod(0o555)
    try:
        if os.access(layer, os.W_OK):
            pytest.skip("this user may write everywhere")
        result = install(layer)
    finally:
        layer.chmod(0o755)
        (layer / "lib").chmod(0o755)
    assert result.returncode == 0
    assert "read-only" in result.stderr


def test_on_windows_the_place_of_the_runtime_is_written(tmp_path: Path) -> None:
    """M10, M15: absolute, and anew after a move; only there is no other way."""
    script = runpy.run_path(make_script(tmp_path / "first" / "app"))
    config = {"base_python": "../base/python.exe", "py_version": "3.12.1"}
    for place in ("first", "second"):
        layer = tmp_path / place / "app"
        layer.mkdir(parents=True, exist_ok=True)
        script["write_windows_config"](str(layer), config)
        lines = dict(
            line.split(" = ") for line in (layer / "pyvenv.cfg").read_text("utf-8").splitlines()
        )
        assert lines == {
            "home": str(tmp_path / place / "base"),
            "include-system-site-packages": "false",
            "version": "3.12.1",
            "executable": str(tmp_path / place / "base" / "python.exe"),
        }
        assert [path.name for path in layer.iterdir() if "cfg" in path.name] == ["pyvenv.cfg"]


def make_script(layer: Path) -> str:
    layer.mkdir(parents=True)
    (layer / "postinstall.py").write_text(SCRIPT, "utf-8")
    return str(layer / "postinstall.py")
