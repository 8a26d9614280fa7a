"""A layer as lines of TOML, and where they go. Pure: text in, text out."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import tomli_w

from venvlayers.edit.insert import inserted, table_at
from venvlayers.spec.kinds import LayerKind


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLayer:
    """A layer that is to be declared; what it says is checked when the result is parsed.

    Attributes:
        kind: Runtime, framework or application.
        name: Its name.
        requirements: What it needs.
        runtime: The runtime that it is on.
        frameworks: The frameworks that it is on.
        python: What a runtime asks for.
        launch_module: What starts an application, of the project.
        launch: What starts it, of what its layers have.
        project: Whether it contains the project itself.
        platforms: What it is made for; empty for what the layers below are made for.
    """

    kind: LayerKind
    name: str
    requirements: tuple[str, ...] = ()
    runtime: str | None = None
    frameworks: tuple[str, ...] = ()
    python: str | None = None
    launch_module: str | None = None
    launch: str | None = None
    project: bool = False
    platforms: tuple[str, ...] = ()

    @property
    def table(self) -> dict[str, Any]:
        """What the file says of it: only what was given, and its requirements."""
        given = {
            "name": self.name,
            "python_implementation": self.python,
            "launch_module": self.launch_module,
            "launch": self.launch,
            "runtime": self.runtime,
            "frameworks": list(self.frameworks),
            "project": self.project or None,
            "platforms": list(self.platforms),
        }
        return {key: value for key, value in given.items() if value not in (None, [])} | {
            "requirements": list(self.requirements)
        }


def with_layer(text: str, layer: NewLayer, *, where: str) -> str:
    """Return the document *text* with *layer* behind the others of its kind.

    Args:
        text: The file.
        layer: What to add.
        where: The TOML path of the stack's table; empty for a file of its own.

    Raises:
        NoPlaceError: The file declares layers in inline tables, which are not added to.
    """
    meant = tomllib.loads(text)
    stack = table_at(meant, where)
    layers = stack.setdefault(layer.kind.value, [])
    if not isinstance(layers, list):
        stack[layer.kind.value] = layers = []  # it has a mistake, which the parser will tell
    layers.append(deepcopy(layer.table))
    prefix = f"{where}." if where else ""
    kinds = list(LayerKind)
    earlier = kinds[kinds.index(layer.kind) :: -1]
    after = [*(f"{prefix}{kind.value}" for kind in earlier), *([where] if where else [])]
    return inserted(text, _lines(layer, prefix), meant, after=after)


def _lines(layer: NewLayer, prefix: str) -> str:
    return f"[[{prefix}{layer.kind.value}]]\n{table_lines(layer.table)}"


def table_lines(table: Mapping[str, Any]) -> str:
    """Return the lines of a table's keys; lists of one or none stand in one line."""
    return "".join(
        f"{key} = {_one_line(value)}\n"
        if isinstance(value, list) and len(value) <= 1
        else tomli_w.dumps({key: value})
        for key, value in table.items()
    )


def _one_line(values: list[str]) -> str:
    return "[" + ", ".join(toml_text(value) for value in values) + "]"


def toml_text(value: str) -> str:
    """Return *value* as a TOML string."""
    return tomli_w.dumps({"k": value}).removeprefix("k = ").rstrip("\n")
