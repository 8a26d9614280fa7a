"""The environment collector ``venvstacks``: an environment for every layer that is declared.

Hatch asks it in nearly every command, so it never fails: a specification with mistakes
still has its layers' names, and the mistakes are told by the environment that is used.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from hatch.env.collectors.plugin.interface import EnvironmentCollectorInterface

from venvlayers.develop.layers import DeclaredLayer, declared_layers
from venvlayers.spec.kinds import LayerKind

_TYPE = "venvstacks"
_OF_HATCH = ("default", "system")
_KINDS = {
    LayerKind.RUNTIME: "runtime",
    LayerKind.FRAMEWORK: "framework",
    LayerKind.APPLICATION: "application",
}


class VenvstacksCollector(EnvironmentCollectorInterface):
    """Gives every layer an environment for development, which users' own tables update."""

    PLUGIN_NAME = "venvstacks"

    @cached_property
    def _layers(self) -> dict[str, DeclaredLayer]:
        """The layers, by the names of their environments in Hatch."""
        layers = declared_layers(Path(self.root, "pyproject.toml"))
        return {environment_name(layer.env_name): layer for layer in layers}

    def get_initial_config(self) -> dict[str, dict[str, Any]]:
        """Return an environment for each layer."""
        return {
            name: {
                "type": _TYPE,
                "layer": layer.env_name,
                "description": f"The {_KINDS[layer.kind]} layer {layer.env_name}, from sources",
            }
            for name, layer in self._layers.items()
        }

    def finalize_config(self, config: dict[str, dict[str, Any]]) -> None:
        """Complete what users may have replaced, and what they declared by hand."""
        launches = {layer.env_name: layer.launch for layer in self._layers.values()}
        for name, table in config.items():
            if table.get("type") != _TYPE:
                continue
            if name in self._layers and "template" not in table:
                # Hatch's default environment has what its tests need: dependencies.
                table.setdefault("detached", True)
            layer = table.get("layer", name)
            scripts = table.setdefault("scripts", {})
            launch = launches.get(layer) if isinstance(layer, str) else None
            if launch and isinstance(scripts, dict):
                scripts.setdefault("launch", f"python -m {launch} {{args}}")


def environment_name(layer: str) -> str:
    """Return what the environment of *layer* is called, which Hatch may have a meaning for."""
    is_taken = layer in _OF_HATCH or layer.startswith("hatch-")
    return f"runtime-{layer}" if is_taken else layer
