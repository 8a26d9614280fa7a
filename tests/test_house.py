"""The house rules that a program can check."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import hatch_venvstacks
import venvlayers
from venvlayers import errors

ENGINE = Path(venvlayers.__file__).parent
SHELLS = Path(hatch_venvstacks.__file__).parent


def imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def modules(root: Path) -> list[Path]:
    return sorted(root.rglob("*.py"))


@pytest.mark.parametrize("file", modules(ENGINE), ids=lambda file: str(file.relative_to(ENGINE)))
def test_the_engine_knows_nothing_of_hatch(file: Path) -> None:
    roots = {name.partition(".")[0] for name in imports(file)}
    assert roots.isdisjoint({"hatch", "hatchling", "hatch_venvstacks"})


def test_only_one_module_starts_processes() -> None:
    outside = {"shipped/postinstall.py"}  # runs where the engine is not
    found = {
        file.relative_to(ENGINE).as_posix()
        for file in modules(ENGINE)
        if "subprocess" in imports(file)
    }
    assert found - outside == {"process.py"}


def test_only_one_room_knows_uv() -> None:
    """One module looks for it; what others use of the room is what it offers."""
    room = ENGINE / "uv"
    looking = [file for file in modules(ENGINE) if "uv" in imports(file)]
    assert looking == [room / "find.py"]
    outside = [file for file in modules(ENGINE) if not file.is_relative_to(room)]
    inner = {
        name for file in outside for name in imports(file) if name.startswith("venvlayers.uv.")
    }
    assert inner == set()


@pytest.mark.parametrize("file", modules(ENGINE / "shipped"), ids=lambda file: file.name)
def test_shipped_files_need_the_standard_library_only(file: Path) -> None:
    assert {name.partition(".")[0] for name in imports(file)} <= set(sys.stdlib_module_names)
    ast.parse(file.read_text("utf-8"), feature_version=(3, 8))


def test_every_module_says_what_lives_there() -> None:
    without = [
        file
        for file in modules(ENGINE) + modules(SHELLS)
        if not ast.get_docstring(ast.parse(file.read_text("utf-8")))
    ]
    assert without == []


def test_exit_codes_are_distinct() -> None:
    found = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.VenvstacksError)
    ]
    codes = [kind.exit_code for kind in found]
    assert len(set(codes)) == len(codes) > 5
    assert all(0 < code < 126 for code in codes)


def test_building_does_not_load_what_speaks_to_networks() -> None:
    """Only uv does, in its own process; `ssl` alone takes 50 ms to load."""
    for module in ("stages", "publishing"):
        assert _loaded_by(module) & {"ssl", "http.client"} == set()


def test_building_does_not_load_what_it_does_not_need() -> None:
    """Reading entry points with `importlib.metadata` takes 25 ms, and `ctypes` is for macOS."""
    assert _loaded_by("stages") & {"importlib.metadata", "email", "ctypes", "pluggy"} == set()


def test_building_does_not_load_what_packs() -> None:
    packing = {f"venvlayers.{name}" for name in ("publish.publish", "deploy.export", "cache.store")}
    assert packing <= _loaded_by("publishing")
    assert _loaded_by("stages") & {*packing, "venvlayers.project.wheel"} == set()


def _loaded_by(module: str) -> set[str]:
    program = f"import sys, venvlayers.workflow.{module}; print(*sys.modules)"
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout
    return set(output.decode().split())
