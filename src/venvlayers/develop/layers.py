"""Which layers there are to work with, told in a moment, and also of a file with mistakes.

A shell that lists environments asks for this before every command, and must not fail
because of an environment that nobody asked for. So this looks at the tables and believes
them, without the parser, whose imports take longer than all the rest of such a command's
share; what is wrong is told by the command that uses the environment. That both name the
same layers of a specification without mistakes is what `tests/develop/test_layers.py` shows.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from venvlayers.spec.kinds import LayerKind
from venvlayers.spec.names import name_mistake

LAUNCHER = "_venvstacks_launch"
"""The module that starts an application of which a function is called."""

_SCRIPTS = ("scripts", "gui-scripts")


class DeclaredLayer(NamedTuple):
    """A layer that somebody may want to work with (a tuple: a dataclass takes ms to define).

    Attributes:
        kind: Runtime, framework or application.
        env_name: Its environment name.
        launch: What ``python -m`` starts in its environment for development; None if nothing
            is known to be started.
    """

    kind: LayerKind
    env_name: str
    launch: str | None = None


def declared_layers(pyproject: Path) -> tuple[DeclaredLayer, ...]:
    """Return the layers that *pyproject* declares for some platform; this cannot fail."""
    try:
        document: Any = tomllib.loads(pyproject.read_text("utf-8"))
    except (OSError, ValueError):
        return ()
    tool, project = (_table(document, key) for key in ("tool", "project"))
    scripts = {name: value for key in _SCRIPTS for name, value in _table(project, key).items()}
    return tuple(_layers(_spelt(_table(tool, "venvstacks")), scripts))


def _table(value: Any, key: str) -> dict[str, Any]:
    inner = value.get(key) if isinstance(value, dict) else None
    return inner if isinstance(inner, dict) else {}


def _spelt(table: dict[str, Any]) -> dict[str, Any]:
    """Return *table* with underscores in its keys, which users may spell with hyphens."""
    return {key.replace("-", "_"): value for key, value in table.items()}


def _layers(stack: dict[str, Any], scripts: Mapping[str, Any]) -> Iterator[DeclaredLayer]:
    disabled: set[str] = set()
    for kind in LayerKind:
        entries = stack.get(kind.value)
        for entry in entries if isinstance(entries, list) else ():
            layer = _spelt(entry) if isinstance(entry, dict) else {}
            name = layer.get("name")
            if not isinstance(name, str) or name_mistake(name, kind):
                continue
            env_name = f"{kind.prefix}{name}"
            if _is_disabled(layer, disabled):
                disabled.add(env_name)
            else:
                yield DeclaredLayer(kind, env_name, _launch(layer, scripts))


def _is_disabled(layer: dict[str, Any], disabled: set[str]) -> bool:
    """Tell whether *layer* is made for no platform: by its own word, or as those below it.

    Layers below that have no platform in common are not looked for: such a layer has an
    environment, and the command that uses it tells why it cannot be made.
    """
    if "platforms" in layer:
        return bool(layer["platforms"] == [])
    frameworks = layer.get("frameworks")
    below = [f"framework-{name}" for name in frameworks] if isinstance(frameworks, list) else []
    if "runtime" in layer:
        below.append(str(layer["runtime"]))
    return not disabled.isdisjoint(below)


def _launch(layer: dict[str, Any], scripts: Mapping[str, Any]) -> str | None:
    """Return what starts an application, as `venvlayers.spec.launch` reads it."""
    declared, module = layer.get("launch"), layer.get("launch_module")
    if isinstance(declared, str):
        started, _, function = str(scripts.get(declared, declared)).partition(":")
        return LAUNCHER if function else started.strip()
    return Path(module).name.removesuffix(".py") if isinstance(module, str) else None
