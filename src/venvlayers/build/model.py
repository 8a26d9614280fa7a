"""What building produces: a directory for one platform, and what is in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from venvlayers.build.sources import AppModules
from venvlayers.lock.model import PythonPin
from venvlayers.platforms import Platform
from venvlayers.project.model import ProjectWheel
from venvlayers.spec.kinds import LayerKind
from venvlayers.spec.model import Launch
from venvlayers.values import frozen

if TYPE_CHECKING:
    from datetime import datetime


@frozen
class Distribution:
    """An installed distribution: what one `RECORD` lists."""

    name: str
    version: str
    files: tuple[str, ...]
    """Every file that it owns, relative to the environment, with ``/``, sorted."""
    hashes: Mapping[str, str] = field(default_factory=dict)
    """What its `RECORD` says of them, by path: ``<algorithm>=<urlsafe base64>``. Not of itself."""
    sizes: Mapping[str, int] = field(default_factory=dict)
    """Their sizes in bytes, in the same way."""


@frozen
class LayerEnvironment:
    """A layer's environment, complete and not to be changed any more.

    Attributes:
        path: Its directory.
        key: Identifies everything that went into it: ``sha256:<hex>``.
        kind: Runtime, framework or application.
        env_name: Its environment name.
        deployed_name: The directory that it is to be unpacked as.
        platform: What it is built for.
        python: The Python of its runtime.
        runtime_layer: Deployed name of its runtime; its own, for a runtime.
        required_layers: Deployed names of the frameworks below it, in path order.
        distributions: What is installed in this layer itself, by name.
        requirements_hash: From its lock.
        lock_version: From its lock.
        locked_at: From its lock.
        launch: What starts it; applications only.
        launcher: The program that does, relative to the environment, with ``/``.
        modules: The digests of its modules; None if it has none of its own.
        wheel: The wheel of the project that was installed in it; None without one.
    """

    path: Path
    key: str
    kind: LayerKind
    env_name: str
    deployed_name: str
    platform: Platform
    python: PythonPin
    runtime_layer: str
    required_layers: tuple[str, ...]
    distributions: tuple[Distribution, ...]
    requirements_hash: str
    lock_version: int
    locked_at: datetime
    launch: Launch | None = None
    launcher: str = ""
    modules: AppModules | None = None
    wheel: ProjectWheel | None = None
