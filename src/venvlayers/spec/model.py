"""What a specification says, after parsing: frozen values without behaviour of their own.

Everything here was checked by `parse.py`; nobody downstream looks at a TOML
value again. Nothing in here reads a file.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from venvlayers.errors import Problem
from venvlayers.platforms import Platform, PythonVersion


class LayerKind(Enum):
    """The three kinds of layer; the value is the name of its table."""

    RUNTIME = "runtimes"
    FRAMEWORK = "frameworks"
    APPLICATION = "applications"

    @property
    def prefix(self) -> str:
        """What the names of this kind's environments begin with."""
        return {"runtimes": "", "frameworks": "framework-", "applications": "app-"}[self.value]


class RuntimeSourceChoice(Enum):
    """Where runtime layers take their interpreter from."""

    AUTO = "auto"
    """Fetched when it can be fetched, else copied from this machine, with a warning."""
    MANAGED = "managed"
    """python-build-standalone, fetched and verified by uv."""
    LOCAL = "local"
    """A relocated copy of an interpreter on this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonRequest:
    """The Python that a runtime asks for: a series (newest release) or an exact release."""

    implementation: str
    version: PythonVersion

    def __str__(self) -> str:
        return f"{self.implementation}@{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchModule:
    """The module that starts an application: a ``.py`` file, or a package directory."""

    path: Path

    @property
    def name(self) -> str:
        """The name for ``python -m``."""
        return self.path.name.removesuffix(".py")


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerSpec:
    """One declared layer.

    Attributes:
        kind: Runtime, framework or application.
        name: The declared name, without prefix or version.
        requirements: Declared requirements (PEP 508), normalised, in the order declared.
        platforms: The platforms it is made for, never empty.
        lower: Names of the environments below it in path order, the runtime last;
            empty for a runtime.
        python: What a runtime asks for; None on other kinds.
        launch_module: What starts an application; None on other kinds.
    """

    kind: LayerKind
    name: str
    requirements: tuple[str, ...]
    platforms: tuple[Platform, ...]
    lower: tuple[str, ...] = ()
    python: PythonRequest | None = None
    launch_module: LaunchModule | None = None

    @property
    def env_name(self) -> str:
        """The name of its environment: unique in the stack, used for files and directories."""
        return f"{self.kind.prefix}{self.name}"

    @property
    def runtime_name(self) -> str:
        """The environment name of the runtime that it runs on, its own for a runtime."""
        return self.lower[-1] if self.lower else self.env_name


@dataclass(frozen=True, slots=True, kw_only=True)
class StackSpec:
    """All layers of one specification, each after the layers that it depends on.

    Attributes:
        path: The file that it was read from.
        layers: The enabled layers: runtimes, then frameworks, then applications.
        runtime_source: Where interpreters come from.
        uv_settings: The ``[tool.uv]`` table, for resolution.
        warnings: What works today and should be changed in the file.
    """

    path: Path
    layers: tuple[LayerSpec, ...]
    runtime_source: RuntimeSourceChoice
    uv_settings: dict[str, Any]
    warnings: tuple[Problem, ...] = ()

    @property
    def root(self) -> Path:
        """The directory that relative paths start from."""
        return self.path.parent

    def layer(self, env_name: str) -> LayerSpec:
        """Return the layer whose environment is called *env_name*.

        Raises:
            KeyError: There is none.
        """
        for layer in self.layers:
            if layer.env_name == env_name:
                return layer
        raise KeyError(env_name)
