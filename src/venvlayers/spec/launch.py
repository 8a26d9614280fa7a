"""What starts an application, as declared: a module, a function, or a script of the project.

Whether there is such a module in the application's layers is only known when they are
built (`venvlayers.build.launch`). Modules of the project that are copied into the layer
are read by `modules.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field, replace
from keyword import iskeyword
from typing import Any

from venvlayers.spec.model import Launch, SourceModule
from venvlayers.spec.table import Findings, Table, did_you_mean, toml_key
from venvlayers.values import frozen

_ENTRY_POINT = re.compile(
    r"\s*(?P<module>[^\s:\[]+)\s*(?::\s*(?P<attribute>[^\s:\[]+)\s*)?(?:\[[^\]]*\]\s*)?"
)
_TABLES = ("scripts", "gui-scripts")


@frozen
class ProjectScripts:
    """The scripts that the project in the same file declares.

    Attributes:
        declared: ``[project.scripts]`` and ``[project.gui-scripts]``, unchecked, by table.
        are_computed: Whether the build backend makes some (PEP 621's ``dynamic``).
    """

    declared: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    are_computed: bool = False

    @property
    def names(self) -> list[str]:
        """The names of all of them."""
        return [name for table in _TABLES for name in self.declared.get(table, ())]


def project_scripts(document: Mapping[str, Any]) -> ProjectScripts:
    """Return what *document*, a ``pyproject.toml``, says; what is no table counts as empty."""
    project = document.get("project")
    if not isinstance(project, dict):
        return ProjectScripts()
    tables = {name: project.get(name) for name in _TABLES}
    dynamic = project.get("dynamic")
    return ProjectScripts(
        declared={name: table for name, table in tables.items() if isinstance(table, dict)},
        are_computed=isinstance(dynamic, list) and any(name in dynamic for name in _TABLES),
    )


def entry_point(text: str, *, gui: bool = False) -> Launch | None:
    """Return what an entry point's value names; None if it is not written as one.

    Extras in brackets are allowed and mean nothing, as the entry points specification of
    the PyPA has it.
    """
    match = _ENTRY_POINT.fullmatch(text)
    if not match:
        return None
    names = [match["module"], *([match["attribute"]] if match["attribute"] else [])]
    if not all(_is_name(part) for name in names for part in name.split(".")):
        return None
    return Launch(module=match["module"], attribute=match["attribute"] or "", gui=gui)


def _is_name(text: str) -> bool:
    return text.isidentifier() and not iskeyword(text)


def read_launch(
    table: Table, scripts: ProjectScripts, module: SourceModule | None
) -> Launch | None:
    """Read what starts an application; None if that could not be read.

    Args:
        table: The application's.
        scripts: Those of the project.
        module: Its ``launch_module``, if that could be read.
    """
    declared, findings = table.string("launch"), table.findings
    if "launch" in table and "launch_module" in table:
        what = "has both 'launch' and 'launch_module'"
        findings.problem(table.where, what, "'launch_module' copies what it starts into the layer")
    elif "launch" not in table and "launch_module" not in table:
        what = "has neither 'launch' nor 'launch_module'; one of them is required"
        findings.problem(table.where, what)
    if declared is None:
        return Launch(module=module.name) if module else None
    for name in _TABLES:
        if declared in scripts.declared.get(name, ()):
            return _script(name, declared, scripts.declared[name][declared], findings)
    found = entry_point(declared) if "[" not in declared else None
    if found is None:
        what = f"{declared!r} is neither a module nor a function, nor a script of the project"
        findings.problem(table.at("launch"), what, _meant(declared, scripts))
        return None
    return replace(found, scripts=tuple(scripts.names))


def _script(table: str, name: str, value: Any, findings: Findings) -> Launch | None:
    found = entry_point(value, gui=table == "gui-scripts") if isinstance(value, str) else None
    if found is None or not found.attribute:
        where = f"project.{table}.{toml_key(name)}"
        findings.problem(where, f"{value!r} does not name a function", "write 'module:function'")
        return None
    return found


def _meant(declared: str, scripts: ProjectScripts) -> str:
    if declared.endswith(".py") or "/" in declared:
        return f"a file of the project is given as launch_module = {declared!r}"
    if meant := did_you_mean(declared, scripts.names):
        return meant
    if scripts.are_computed:
        return "this project's scripts are computed by its build backend: name the function"
    listed = ", ".join(repr(name) for name in scripts.names)
    return "write 'module' or 'module:function'" + (f"; its scripts are {listed}" * bool(listed))
