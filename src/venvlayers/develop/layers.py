"""Which layers there are to work with, also while the specification has mistakes.

A shell that lists environments must not fail because of one that nobody asked for, so
a specification that cannot be used still tells the names of its layers here.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from venvlayers.errors import VenvstacksError
from venvlayers.spec.model import LayerKind, LayerSpec
from venvlayers.spec.names import name_mistake
from venvlayers.spec.parse import find_file, load

LAUNCHER = "_venvstacks_launch"
"""The module that starts an application of which a function is called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredLayer:
    """A layer that somebody may want to work with.

    Attributes:
        kind: Runtime, framework or application.
        env_name: Its environment name.
        launch: What ``python -m`` starts in its environment for development; None if nothing
            is known to be started.
    """

    kind: LayerKind
    env_name: str
    launch: str | None = None


def declared_layers(project: Path) -> tuple[DeclaredLayer, ...]:
    """Return the layers that the specification in *project* declares; this cannot fail."""
    try:
        layers = load(project).layers
    except VenvstacksError:
        return tuple(_outline(project))
    return tuple(
        DeclaredLayer(
            kind=layer.kind,
            env_name=layer.env_name,
            launch=_launch(layer),
        )
        for layer in layers
    )


def _launch(layer: LayerSpec) -> str | None:
    if layer.launch is None:
        return None
    return LAUNCHER if layer.launch.attribute else layer.launch.module


def _outline(project: Path) -> Iterator[DeclaredLayer]:
    """Yield what can be told of a specification that has mistakes."""
    stack = _stack_table(project)
    for kind in LayerKind:
        entries = stack.get(kind.value)
        for entry in entries if isinstance(entries, list) else ():
            name = entry.get("name") if isinstance(entry, dict) else None
            if isinstance(name, str) and not name_mistake(name, kind):
                yield DeclaredLayer(kind=kind, env_name=f"{kind.prefix}{name}")


def _stack_table(project: Path) -> dict[str, Any]:
    try:
        file = find_file(project)
        table: Any = tomllib.loads(file.read_text("utf-8"))
    except (VenvstacksError, OSError, ValueError):
        return {}
    for key in ("tool", "venvstacks") if file.name == "pyproject.toml" else ():
        table = table.get(key) if isinstance(table, dict) else None
    return table if isinstance(table, dict) else {}
