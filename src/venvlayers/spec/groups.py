"""What the project in the same file says that it needs: dependency groups (PEP 735) and extras.

A layer names them beside its own `requirements`, so that nobody writes a dependency
twice. They become requirements here; further down nobody knows where one came from.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any

from venvlayers.spec.names import normalised
from venvlayers.spec.table import Findings, Table, did_you_mean, toml_key, type_name
from venvlayers.values import frozen

_GROUPS = "dependency-groups"
_EXTRAS = "project.optional-dependencies"


@frozen
class ProjectNeeds:
    """The tables of a ``pyproject.toml`` that say what its project needs.

    Attributes:
        name: The project's name; empty if it has none.
        groups: ``[dependency-groups]``, unchecked.
        dependencies: ``[project.dependencies]``, unchecked; None if it has none.
        extras: ``[project.optional-dependencies]``, unchecked.
        extras_are_computed: Whether the build backend makes the extras (PEP 621's ``dynamic``).
    """

    name: str = ""
    dependencies: Any = None
    groups: Mapping[str, Any] = field(default_factory=dict)
    extras: Mapping[str, Any] = field(default_factory=dict)
    extras_are_computed: bool = False


def project_needs(document: Mapping[str, Any]) -> ProjectNeeds:
    """Return what *document*, a ``pyproject.toml``, says; what is no table counts as empty."""
    project = _mapping(document.get("project"))
    dynamic = project.get("dynamic")
    return ProjectNeeds(
        name=str(project.get("name", "")),
        dependencies=project.get("dependencies"),
        groups=_mapping(document.get(_GROUPS)),
        extras=_mapping(project.get("optional-dependencies")),
        extras_are_computed=isinstance(dynamic, list) and "optional-dependencies" in dynamic,
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def read_needs(table: Table, needs: ProjectNeeds) -> Iterator[tuple[str, str]]:
    """Read ``dependency_groups`` and ``extras``: yield requirements, each with its TOML path."""
    for key, where, declared, expand in (
        ("dependency_groups", _GROUPS, needs.groups, _group),
        ("extras", _EXTRAS, needs.extras, requirements_of_extra),
    ):
        for index, name in enumerate(table.strings(key) or ()):
            if spelt := spelt_in(name, declared):
                place = f"{where}.{toml_key(spelt)}"
                yield from expand(spelt, needs, place, table.findings)
            else:
                what = f"there is no {name!r} in [{where}]"
                known = _known(name, declared, needs, key)
                table.findings.problem(f"{table.at(key)}[{index}]", what, known)


def spelt_in(name: str, declared: Iterable[str]) -> str | None:
    """Return *name* as *declared* spells it; None if it does not. All spellings count (PEP 503)."""
    wanted = normalised(name)
    return next((spelt for spelt in declared if normalised(spelt) == wanted), None)


def _known(name: str, declared: Iterable[str], needs: ProjectNeeds, key: str) -> str:
    if key == "extras" and needs.extras_are_computed:
        return "this project's extras are computed by its build backend, which is not asked"
    listed = ", ".join(declared)
    return did_you_mean(name, declared) or f"it has: {listed or 'nothing'}"


def _group(
    name: str, needs: ProjectNeeds, where: str, findings: Findings
) -> Iterator[tuple[str, str]]:
    """Yield the requirements of a dependency group, those that it includes among them."""
    from packaging.dependency_groups import resolve_dependency_groups  # noqa: PLC0415

    try:
        yield from ((where, text) for text in resolve_dependency_groups(needs.groups, name))
    except ExceptionGroup as group:
        for error in group.exceptions:
            findings.problem(where, _first_line(error))


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]


def requirements_of_extra(
    name: str, needs: ProjectNeeds, where: str, findings: Findings
) -> Iterator[tuple[str, str]]:
    """Yield the requirements of an extra, each with its TOML path.

    Where it names its own project, those of that one's extras.
    """
    yield from _extra_of(name, needs, where, findings, seen=[])


def _extra_of(
    name: str, needs: ProjectNeeds, where: str, findings: Findings, seen: list[str]
) -> Iterator[tuple[str, str]]:
    seen.append(name)
    texts = needs.extras[name]
    if not isinstance(texts, list):
        findings.problem(where, f"must be an array of strings, not {type_name(texts)}")
        return
    for index, text in enumerate(map(str, texts)):
        if required_name(text) != normalised(needs.name):
            yield f"{where}[{index}]", text
            continue
        for extra in _extras_in(text, f"{where}[{index}]", findings):
            spelt = spelt_in(extra, needs.extras)
            if spelt is None:
                findings.problem(where, f"there is no extra {extra!r}")
            elif spelt not in seen:
                place = f"{_EXTRAS}.{toml_key(spelt)}"
                yield from _extra_of(spelt, needs, place, findings, seen)


def required_name(text: str) -> str:
    """Return the name of the package that a requirement begins with, normalised."""
    return normalised(re.split(r"[^A-Za-z0-9._-]", text.lstrip(), maxsplit=1)[0])


def _extras_in(text: str, where: str, findings: Findings) -> Sequence[str]:
    from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415

    try:
        return sorted(Requirement(text).extras)
    except InvalidRequirement as error:
        findings.problem(where, f"{text!r} is not a requirement: {_first_line(error)}")
        return ()
