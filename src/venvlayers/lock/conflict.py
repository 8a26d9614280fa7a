"""Why a layer cannot be locked, in terms of layers.

uv explains in terms of packages. When a layer would resolve without what the
layers below hold it to, the pin that stands in the way is found by leaving out
one at a time, and the message names both sides. This is slow and only runs
after a failure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from venvlayers.errors import LockError
from venvlayers.lock.available import suggested_platforms
from venvlayers.lock.divide import Provided
from venvlayers.lock.resolve import Question, constraints_without, resolve
from venvlayers.platforms import Platform
from venvlayers.spec.model import LayerSpec
from venvlayers.uv import Uv, UvFailure, unheeded_sources


def explain(
    question: Question, provided: Sequence[Provided], failure: UvFailure, uv: Uv, work_dir: Path
) -> LockError:
    """Return the error for a layer that uv could not resolve."""
    alone = _attempt(replace(question, constraints=()), uv, work_dir) if provided else None
    if alone is None:
        return _unresolvable(question, failure, uv, work_dir)
    versions = {package["name"]: package.get("version") for package in alone}
    suspects = [
        entry for entry in provided if versions.get(entry.name, entry.version) != entry.version
    ]
    culprits = [entry for entry in suspects if _is_culprit(question, entry, uv, work_dir)]
    return _conflict(question, culprits or suspects, versions, failure)


def _attempt(question: Question, uv: Uv, work_dir: Path) -> list[dict[str, Any]] | None:
    try:
        return resolve(question, uv, work_dir)
    except UvFailure:
        return None  # what failed is reported by the first failure


def _is_culprit(question: Question, entry: Provided, uv: Uv, work_dir: Path) -> bool:
    relaxed = replace(question, constraints=tuple(constraints_without(question, entry.name)))
    return _attempt(relaxed, uv, work_dir) is not None


def _unresolvable(question: Question, failure: UvFailure, uv: Uv, work_dir: Path) -> LockError:
    layer = question.layer
    listed = ", ".join(repr(text) for text in layer.requirements)
    if not failure.no_solution:
        return LockError(
            f"uv could not resolve the requirements of {layer.env_name}: {listed}",
            details=failure.output,
            hint=_and_sources(
                "this is not about the requirements: see whether the index, the network and "
                "uv's cache directory can be used"
            ),
        )
    without = _platforms_without(question, uv, work_dir)
    where = ", ".join(platform.name for platform in without)
    return LockError(
        f"the requirements of {layer.env_name} cannot be resolved for {where}: {listed}",
        details=_relevant(failure.output),
        hint=_and_sources(
            "only wheels are used, and every package needs one for each platform; change the "
            f"requirements{suggested_platforms(layer, without)}"
        ),
    )


def _and_sources(hint: str) -> str:
    return "; ".join(filter(None, (hint, unheeded_sources())))


def _platforms_without(question: Question, uv: Uv, work_dir: Path) -> tuple[Platform, ...]:
    """Return the platforms for which there is no solution, each asked for alone; else all."""
    platforms = question.layer.platforms
    alone = {p: replace(question, layer=replace(question.layer, platforms=(p,))) for p in platforms}
    without = tuple(p for p in platforms if _attempt(alone[p], uv, work_dir) is None)
    return without or platforms


def _relevant(output: str) -> str:
    """Leave out uv's advice on settings that are ours to make."""
    paragraphs = output.split("\n\n")
    return "\n\n".join(text for text in paragraphs if "`requires-python`" not in text)


def _conflict(
    question: Question,
    culprits: Sequence[Provided],
    alone: dict[str, Any],
    failure: UvFailure,
) -> LockError:
    layer = question.layer
    lines = []
    for entry in culprits:
        below = question.spec.layer(entry.layer)
        lines.append(f"{entry.name}: {layer.env_name} {_wants(layer, entry, alone)},")
        lines.append(
            f"  but {entry.layer} has {entry.name}=={entry.version}{_because(below, entry)}"
        )
    layers = ", ".join(dict.fromkeys(entry.layer for entry in culprits))
    names = ", ".join(entry.name for entry in culprits)
    return LockError(
        f"{layer.env_name} cannot live above {layers}\n" + "\n".join(f"  {line}" for line in lines),
        details=_relevant(failure.output),
        hint=f"require a version of {names} in {layers} that both can use, relax the requirement "
        f"in {layer.env_name}, or put {layer.env_name} on layers of its own",
    )


def _wants(layer: LayerSpec, entry: Provided, alone: dict[str, Any]) -> str:
    direct = _requirements_on(layer, entry.name)
    if direct:
        return f"requires {direct}"
    return f"would take {entry.name}=={alone[entry.name]} for its requirements"


def _because(layer: LayerSpec, entry: Provided) -> str:
    direct = _requirements_on(layer, entry.name)
    return f", because it requires {direct}" if direct else ", which its requirements brought in"


def _requirements_on(layer: LayerSpec, name: str) -> str:
    parsed = [Requirement(text) for text in layer.requirements]
    return " and ".join(
        f"'{requirement}'" for requirement in parsed if canonicalize_name(requirement.name) == name
    )
