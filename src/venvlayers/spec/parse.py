"""From a TOML document to a `StackSpec`: every mistake at once, or a value to rely on.

`load` finds and reads the file; `parse` puts together what the readers of its parts
return: `options.py`, `uv_settings.py` and `layers.py`.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from venvlayers.errors import Problem, SpecError
from venvlayers.platforms import PLATFORMS
from venvlayers.spec.groups import project_needs
from venvlayers.spec.keys import STACK, getter_names
from venvlayers.spec.kinds import LayerKind
from venvlayers.spec.launch import project_scripts
from venvlayers.spec.layers import LayerReader
from venvlayers.spec.model import StackSpec
from venvlayers.spec.options import read_options
from venvlayers.spec.project import project_spec
from venvlayers.spec.table import Findings, Table, did_you_mean
from venvlayers.spec.uv_settings import FILE as SETTINGS_FILE
from venvlayers.spec.uv_settings import UvSettings, read_uv_settings
from venvlayers.spec.values import read_platforms


def load(path: Path) -> StackSpec:
    """Read the specification in *path*.

    Args:
        path: A ``pyproject.toml`` with a ``[tool.venvstacks]`` table, a
            ``venvstacks.toml``, or a directory that holds one of them.

    Raises:
        SpecError: It cannot be read, or has mistakes; all of them are reported.
    """
    file = Path(os.path.abspath(find_file(path.expanduser())))  # noqa: PTH100 - links stay
    document = _read(file)
    if file.name != "pyproject.toml":
        return parse(document, file, document, where="")
    tool = _tool(document)
    if "venvstacks" not in tool:
        raise _no_table(file, tool)
    return parse(tool["venvstacks"], file, document, where="tool.venvstacks")


def find_file(path: Path) -> Path:
    """Return the specification that *path* is, or that lies in the directory *path*.

    Raises:
        SpecError: Two files in the directory declare layers.
    """
    if not path.is_dir():
        return path
    standalone, project = path / "venvstacks.toml", path / "pyproject.toml"
    if not standalone.is_file():
        return project
    if project.is_file() and "venvstacks" in _tool(_read(project)):
        what = "declares layers, and so does the venvstacks.toml beside it"
        raise SpecError(str(project), [Problem(where="", what=what)], hint="name one of the files")
    return standalone


def _tool(document: Mapping[str, Any]) -> dict[str, Any]:
    tool = document.get("tool")
    return tool if isinstance(tool, dict) else {}


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        hint = "name a pyproject.toml or venvstacks.toml, or a directory that has one"
        raise SpecError(str(file), [Problem(where="", what="not found")], hint=hint) from None
    except OSError as error:
        problem = Problem(where="", what=f"cannot be read: {error.strerror}")
        raise SpecError(str(file), [problem]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SpecError(str(file), [Problem(where="", what=f"not TOML: {error}")]) from error


def _no_table(file: Path, tool: Mapping[str, Any]) -> SpecError:
    near = [key for key in tool if did_you_mean(key, ["venvstacks"])]
    suggestion = f"is [tool.{near[0]}] it?" if near else None
    problem = Problem(where="tool.venvstacks", what="there is no such table", suggestion=suggestion)
    hint = (
        "declare at least one [[tool.venvstacks.runtimes]] "
        "with name, python_implementation and requirements"
    )
    return SpecError(str(file), [problem], hint=hint)


def parse(value: Any, file: Path, document: Mapping[str, Any], *, where: str) -> StackSpec:
    """Turn the stack's table into a `StackSpec`.

    Args:
        value: The table that holds ``runtimes``, ``frameworks`` and ``applications``.
        file: Where it stands; relative paths start from its directory.
        document: The whole file, for ``[tool.uv]`` and what the project needs.
        where: The table's TOML path; empty for the file of a stack alone.

    Raises:
        SpecError: With every mistake found.
    """
    findings = Findings()
    table = Table(value, where, findings)
    if where:
        table.only(getter_names(STACK))
    else:
        _near_misses(table, document)
    platforms = read_platforms(table) or tuple(PLATFORMS.values())
    options = read_options(table, file.parent)
    uv = _uv_settings(file, document, findings, standalone=not where)
    project = project_spec(document) if file.name == "pyproject.toml" else None
    layers = LayerReader(
        root=file.parent,
        findings=findings,
        default_platforms=platforms,
        indexes=uv.indexes,
        project=project,
        needs=project_needs(document),
        scripts=project_scripts(document),
    )
    _read_layers(table, layers, elsewhere=not where and "venvstacks" in _tool(document))
    if findings.problems:
        raise SpecError(str(file), findings.problems)
    return StackSpec(
        path=file,
        layers=layers.enabled,
        uv_settings=uv.values,
        table=where,
        options=options,
        project=project,
        warnings=tuple(findings.warnings),
    )


def _read_layers(table: Table, layers: LayerReader, *, elsewhere: bool) -> None:
    """Read all layers; *elsewhere* tells whether they stand in a table of another file."""
    for kind in LayerKind:
        entries = list(table.tables(kind.value))
        layers.announce(kind, [entry.raw("name") for entry in entries])
        for entry in entries:
            layers.read(entry, kind)
    layers.check_deployed_names()
    if layers.is_empty and not table.findings.problems:
        what, example = "declares no layers", f"add [[{table.at('runtimes')}]]"
        if elsewhere:
            what += "; [tool.venvstacks] is a table for pyproject.toml alone"
            example = "here, its tables stand at the top level"
        table.findings.problem(table.where, what, example)


def _near_misses(table: Table, document: Mapping[str, Any]) -> None:
    """Note misspelt keys of a ``venvstacks.toml``, where other tables are nobody's business."""
    known = getter_names(STACK)
    for key in document:
        name = key.replace("-", "_")
        if name not in (*known, "tool") and (meant := did_you_mean(name, known, closeness=0.8)):
            table.findings.problem(key, "unknown key", meant)


def _uv_settings(
    file: Path, document: Mapping[str, Any], findings: Findings, *, standalone: bool
) -> UvSettings:
    """Return ``[tool.uv]``; without it, what stands beside a stack's own file."""
    tool, beside = _tool(document), file.parent / SETTINGS_FILE
    if "uv" in tool or not standalone:
        if beside.is_file():
            what = f"is not used: settings of uv come from [tool.uv] in {file.name}"
            findings.warning(SETTINGS_FILE, what)
        return read_uv_settings(tool.get("uv", {}), "tool.uv", findings, standalone=standalone)
    settings = _read(beside) if os.path.lexists(beside) else {}
    found = Findings()
    uv = read_uv_settings(settings, "", found, standalone=True)
    for problem in found.problems:
        findings.problem(f"{SETTINGS_FILE}: {problem.where}", problem.what, problem.suggestion)
    return uv
