"""The JSON schema, tried with the validator that people use, and compared with the parser."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from fastjsonschema import JsonSchemaValueException
from fastjsonschema import compile as compile_schema

from venvlayers.errors import SpecError
from venvlayers.spec.keys import LAYERS, STACK, ValueType
from venvlayers.spec.kinds import LayerKind
from venvlayers.spec.parse import parse
from venvlayers.spec.schema import SHIPPED, document_schema, table_schema, tool_schema

ROOT = Path(__file__).parents[2]
FIXTURE = ROOT / "fixtures" / "sklearn_demo" / "pyproject.toml"

GOOD = """
platforms = ["linux_x86_64"]
lock-dir = "locks"
build_dir = "~/elsewhere"
runtime-source = "local"
archive-format = "zip"
compression_level = 9
tag-outputs = false

[[runtimes]]
name = "base"
python-implementation = "cpython@3.12"
requirements = ["numpy"]
linux-target = "glibc@2.34"
macosx_target = "14"
versioned = true

[[runtimes]]
name = "older"
fully_versioned_name = "cpython@3.11.9"
build_requirements = []
requirements = []

[[frameworks]]
name = "middle"
runtime = "base"
requirements = []
package_indexes = { numpy = "fast" }
index_overrides = {}
priority-indexes = ["fast"]
dynlib_exclude = ["*"]
accepted_findings = ["missing-library:libcuda.so.1", "record"]

[[applications]]
name = "main"
frameworks = ["middle"]
launch-module = "main.py"
support_modules = []
requirements = []
"""

MISTAKES: dict[str, Callable[[dict[str, Any]], object]] = {
    "unknown key of the stack": lambda t: t.update({"framewroks": []}),
    "unknown key of a layer": lambda t: t["runtimes"][0].update({"requirments": []}),
    "key of another kind": lambda t: t["runtimes"][0].update({"launch_module": "x.py"}),
    "unknown platform": lambda t: t.update({"platforms": ["amiga"]}),
    "no name": lambda t: t["frameworks"][0].pop("name"),
    "no requirements": lambda t: t["frameworks"][0].pop("requirements"),
    "no Python": lambda t: t["runtimes"][0].pop("python-implementation"),
    "unknown finding": lambda t: t["frameworks"][0].update({"accepted_findings": ["all"]}),
    "another Python": lambda t: t["runtimes"][0].update({"python-implementation": "jython@2"}),
    "no launch module": lambda t: t["applications"][0].pop("launch-module"),
    "neither runtime nor frameworks": lambda t: t["applications"][0].pop("frameworks"),
    "both": lambda t: t["applications"][0].update({"runtime": "base"}),
    "no frameworks": lambda t: t["applications"][0].update({"frameworks": []}),
    "musl": lambda t: t["runtimes"][0].update({"linux-target": "musl"}),
    "no version of macOS": lambda t: t["runtimes"][0].update({"macosx_target": "Ventura"}),
    "text for an array": lambda t: t["frameworks"][0].update({"requirements": "httpx"}),
    "number for a text": lambda t: t["runtimes"][0].update({"macosx_target": 13.0}),
    "text for a boolean": lambda t: t["runtimes"][0].update({"versioned": "yes"}),
    "another word for a level": lambda t: t.update({"compression_level": "worst"}),
    "boolean for a number": lambda t: t.update({"compression_level": True}),
    "negative level": lambda t: t.update({"compression_level": -1}),
    "array for a table": lambda t: t["frameworks"][0].update({"package_indexes": ["fast"]}),
    "table for an array of tables": lambda t: t.update({"runtimes": {}}),
}


def good() -> dict[str, Any]:
    return tomllib.loads(GOOD)


def accepted_by_parser(root: Path, table: dict[str, Any]) -> bool:
    (root / "main.py").touch()
    uv = {"index": [{"name": "fast", "url": "https://example.org/simple"}]}
    try:
        parse(table, root / "pyproject.toml", {"tool": {"uv": uv}}, where="tool.venvstacks")
    except SpecError:
        return False
    return True


def accepted_by(schema: dict[str, Any], value: Any) -> bool:
    try:
        compile_schema(schema)(deepcopy(value))
    except JsonSchemaValueException:
        return False
    return True


def test_the_good_table_is_good_for_both(tmp_path: Path) -> None:
    assert accepted_by_parser(tmp_path, good())
    assert accepted_by(table_schema(), good())


@pytest.mark.parametrize("name", MISTAKES)
def test_each_mistake_is_one_for_both(tmp_path: Path, name: str) -> None:
    table = good()
    MISTAKES[name](table)
    assert not accepted_by_parser(tmp_path, table)
    assert not accepted_by(table_schema(), table)


def test_whole_files(tmp_path: Path) -> None:
    """A ``venvstacks.toml`` with other tables, and a ``pyproject.toml``."""
    standalone = good() | {"tool": {"uv": {}}, "other": 1}
    project = {"project": {"name": "x"}, "tool": {"venvstacks": good(), "hatch": {}}}
    for document in (standalone, project):
        assert accepted_by(document_schema(), document)
    assert not accepted_by(document_schema(), standalone | {"lock-dir": 1})
    project["tool"]["venvstacks"]["lock_dri"] = "x"
    assert not accepted_by(document_schema(), project)


def test_the_shipped_schema_is_what_would_be_generated() -> None:
    assert json.loads(SHIPPED.read_text("utf-8")) == table_schema() == tool_schema("venvstacks")


def test_generated_files_are_up_to_date() -> None:
    """The schema and docs/reference.md; `python tools/generate.py` makes them."""
    command = [sys.executable, str(ROOT / "tools" / "generate.py"), "--check"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_schema_can_be_written_down() -> None:
    command = [sys.executable, "-m", "venvlayers.spec.schema"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(result.stdout) == document_schema()


def validate(file: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "validate_pyproject", str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_validate_pyproject_knows_the_table(tmp_path: Path) -> None:
    """It finds the schema by its entry point, and the demo is valid."""
    result = validate(FIXTURE)
    assert result.returncode == 0, result.stdout + result.stderr
    text = FIXTURE.read_text("utf-8").replace('launch_module = "src/', 'launch_modul = "src/')
    wrong = tmp_path / "pyproject.toml"
    wrong.write_text(text, "utf-8")
    result = validate(wrong)
    assert result.returncode == 1
    assert "tool.venvstacks.applications" in result.stdout + result.stderr


def test_every_key_says_what_it_means() -> None:
    for keys in (STACK, *LAYERS.values()):
        names = [key.getter_name for key in keys]
        assert len(set(names)) == len(names)
        for key in keys:
            assert key.doc.endswith(".")
            assert not (key.required and key.default)
    assert {key.name for key in STACK if key.type is ValueType.LAYERS} == {
        kind.value for kind in LayerKind
    }
