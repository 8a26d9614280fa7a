"""The project in the same file: whether a layer contains it, and what it then needs.

What the table ``[project]`` says becomes requirements of the layer here. What it leaves to
the build backend (``dynamic``) is known when that was asked, which `venvlayers.project` does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from venvlayers.spec.groups import ProjectNeeds, required_name, requirements_of_extra, spelt_in
from venvlayers.spec.keys import PROJECT, getter_names
from venvlayers.spec.model import ProjectSpec, ProjectUse
from venvlayers.spec.names import normalised
from venvlayers.spec.table import Findings, Table, did_you_mean, toml_key, type_name

_DEPENDENCIES = "project.dependencies"
_EXTRAS = "project.optional-dependencies"


def project_spec(document: Mapping[str, Any]) -> ProjectSpec | None:
    """Return the project that *document*, a ``pyproject.toml``, declares; None without a name."""
    project = document.get("project")
    name = project.get("name") if isinstance(project, dict) else None
    if not isinstance(project, dict) or not isinstance(name, str) or not name:
        return None
    dynamic = project.get("dynamic")
    computed = frozenset(map(str, dynamic)) if isinstance(dynamic, list) else frozenset()
    return ProjectSpec(name=normalised(name), computed=computed)


_NO_PROJECT = "it is for a project's pyproject.toml, which has the project's name there"


def read_project(
    table: Table, project: ProjectSpec | None, needs: ProjectNeeds
) -> ProjectUse | None:
    """Read ``project``; None if the layer does not contain it.

    Args:
        table: The layer's.
        project: The project in the same file, if there is one.
        needs: What that says that it needs.
    """
    value = table.raw("project")
    if value is None or value is False:
        return None
    if not isinstance(value, bool | dict):
        what = f"must be true, false or a table, not {type_name(value)}"
        table.findings.problem(table.at("project"), what, 'write { extras = ["name"] } or true')
        return None
    if project is None:
        what = "there is no [project] with a name in this file"
        table.findings.problem(table.at("project"), what, _NO_PROJECT)
        return None
    inside = Table(value if isinstance(value, dict) else {}, table.at("project"), table.findings)
    inside.only(getter_names(PROJECT))
    extras = tuple(sorted({normalised(name) for name in _extras(inside, project, needs)}))
    return ProjectUse(extras=extras, is_computed=project.needs_are_computed)


def _extras(inside: Table, project: ProjectSpec, needs: ProjectNeeds) -> Iterator[str]:
    for index, name in enumerate(inside.strings("extras") or ()):
        if not project.needs_are_computed and spelt_in(name, needs.extras) is None:
            known = did_you_mean(name, needs.extras) or f"it has: {_listed(needs.extras)}"
            what = f"there is no {name!r} in [{_EXTRAS}]"
            inside.findings.problem(f"{inside.at('extras')}[{index}]", what, known)
        else:
            yield name


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "nothing"


def project_requirements(
    use: ProjectUse | None, needs: ProjectNeeds, findings: Findings
) -> Iterator[tuple[str, str]]:
    """Yield what the project in a layer requires, each with its TOML path.

    Nothing if its build backend is to say that.
    """
    if use is None or use.is_computed:
        return
    declared = [] if needs.dependencies is None else needs.dependencies
    if not isinstance(declared, list):
        what = f"must be an array of strings, not {type_name(declared)}"
        findings.problem(_DEPENDENCIES, what)
        return
    for index, text in enumerate(declared):
        yield f"{_DEPENDENCIES}[{index}]", str(text)
    for name in use.extras:
        if extra := spelt_in(name, needs.extras):
            place = f"{_EXTRAS}.{toml_key(extra)}"
            yield from requirements_of_extra(extra, needs, place, findings)


def refuse_itself(table: Table, requirements: Iterable[str], project: ProjectSpec) -> None:
    """Note requirements of a layer that name the project, which it or a layer below contains."""
    for text in requirements:
        if required_name(text) == project.name:
            what = f"{text!r} is the project itself, which is there from its own wheel"
            meant = "leave it out, and name its extras in `project = { extras = [...] }`"
            table.findings.problem(table.where, what, meant)


def refuse_computed_version(table: Table, project: ProjectSpec) -> None:
    """Note that a layer with the project is versioned, if the project's version is computed.

    Its number would be another one after each commit, that of its own lock included.
    """
    if "version" in project.computed:
        what = "cannot be for a layer with the project, whose version its build backend computes"
        meant = "the project's version tells deployments apart; leave out 'versioned'"
        table.findings.problem(table.at("versioned"), what, meant)
