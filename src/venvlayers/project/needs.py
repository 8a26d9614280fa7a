"""What only the project's wheel tells: dependencies that its build backend computes.

They become requirements of layers, as those that are written down do when the
specification is read. A versioned layer's number depends on the wheel's code too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from venvlayers.errors import Problem, SpecError
from venvlayers.project.model import ProjectWheel
from venvlayers.spec.model import LayerSpec, ProjectUse, StackSpec
from venvlayers.spec.names import normalised
from venvlayers.spec.table import did_you_mean

_EXTRA = re.compile(
    r"""\bextra\s*==\s*["'](?P<name>[^"']*)["']|["'](?P<other>[^"']*)["']\s*==\s*extra\b"""
)
_COMPARISON = re.compile(
    r"""[\w.]+ \S+(?: in)? (?:"[^"]*"|'[^']*')|(?:"[^"]*"|'[^']*') \S+(?: in)? [\w.]+"""
)
_TRUE, _FALSE = 'python_version >= "0"', 'python_version < "0"'


def with_wheel(spec: StackSpec, wheel: ProjectWheel) -> StackSpec:
    """Return *spec* with what *wheel* tells of the layers that contain the project.

    Raises:
        SpecError: A layer names an extra that the project has not.
    """
    problems = [problem for layer in spec.layers for problem in _mistakes(layer, wheel)]
    if problems:
        raise SpecError(str(spec.path), problems)
    layers = tuple(_told(layer, spec, wheel) for layer in spec.layers)
    return replace(spec, layers=layers)


def _mistakes(layer: LayerSpec, wheel: ProjectWheel) -> Iterator[Problem]:
    for name in layer.project.extras if layer.project and layer.project.is_computed else ():
        if name not in wheel.extras:
            known = ", ".join(wheel.extras) or "nothing"
            yield Problem(
                where=f"{layer.env_name}: project.extras",
                what=f"the project's build backend makes no extra {name!r}",
                suggestion=did_you_mean(name, wheel.extras) or f"it has: {known}",
            )


def _told(layer: LayerSpec, spec: StackSpec, wheel: ProjectWheel) -> LayerSpec:
    if layer.project is None or spec.project is None:
        return layer
    use = layer.project
    requirements = list(layer.requirements)
    if use.is_computed:
        requirements += _requirements(wheel, use, spec.project.name)
    code = wheel.code_hash if layer.versioned and layer.has_wheel else None
    told = replace(use, is_computed=False, code_hash=code)
    return replace(layer, requirements=tuple(dict.fromkeys(requirements)), project=told)


def _requirements(wheel: ProjectWheel, use: ProjectUse, project: str) -> Iterator[str]:
    """Yield the requirements of the wheel with its extras, those that include others too."""
    from packaging.requirements import Requirement  # noqa: PLC0415 - costs time where nobody asks

    parsed = [Requirement(text) for text in wheel.requires]
    extras, waiting = set[str](), list(use.extras)
    while waiting:
        extras.add(waiting.pop())
        for requirement in parsed:
            if normalised(requirement.name) == project and _marker(requirement, extras) != _FALSE:
                waiting += {normalised(name) for name in requirement.extras} - extras
    for requirement in parsed:
        marker = _marker(requirement, extras)
        if normalised(requirement.name) != project and marker != _FALSE:
            requirement.marker = None
            yield str(Requirement(f"{requirement} ; {marker}" if marker else str(requirement)))


def _marker(requirement: object, extras: set[str]) -> str:
    """Return a requirement's marker without extras, for these; `_FALSE` if it needs others."""
    marker = str(getattr(requirement, "marker", None) or "")
    wanted = [_name(found) for found in _EXTRA.finditer(marker)]
    if wanted and extras.isdisjoint(wanted) and not _holds_without(marker):
        return _FALSE
    decided = _EXTRA.sub(lambda found: _TRUE if _name(found) in extras else _FALSE, marker)
    return "" if decided == _TRUE else decided.removesuffix(f" and {_TRUE}")


def _holds_without(marker: str) -> bool:
    """Tell whether a marker may hold without the extras in it: whatever else it asks is so."""
    from packaging.markers import Marker  # noqa: PLC0415

    rest = _COMPARISON.sub(lambda one: _FALSE if _EXTRA.fullmatch(one[0]) else _TRUE, marker)
    return Marker(rest).evaluate()


def _name(found: re.Match[str]) -> str:
    return normalised(found["name"] or found["other"] or "")
