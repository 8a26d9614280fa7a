"""Where the sources are that a layer in development imports, instead of their built copies.

They are directories on the path, as those of an editable install are: what lies beside a
module there can be imported too, which is not so in the layer that is published.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from venvlayers.layout import Layout
from venvlayers.project.model import ProjectPlace
from venvlayers.project.record import read_record
from venvlayers.spec.model import LayerSpec, StackSpec
from venvlayers.spec.names import normalised
from venvlayers.workflow.project import project_place


def source_directories(spec: StackSpec, layer: LayerSpec, layout: Layout) -> tuple[Path, ...]:
    """Return the directories that come first on the path of *layer*, absolute, in order.

    They hold the layer's own modules, and the project's packages if it or a layer below
    contains the project.
    """
    found = [module.path.parent for module in layer.modules]
    if spec.has_project(layer):
        found += project_directories(spec.root, project_place(spec, layout))
    return tuple(dict.fromkeys(found))


def project_directories(root: Path, place: ProjectPlace | None) -> tuple[Path, ...]:
    """Return the directories that the packages of the project at *root* are imported from.

    They are hatchling's ``dev-mode-dirs`` if it says so; else those that the modules of its
    wheel came from; else ``src``, or *root* itself for a package or a module beside the
    ``pyproject.toml``.
    """
    try:
        document = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    except (OSError, ValueError):
        return ()
    if configured := tuple(_configured(document)):
        return tuple(root / directory for directory in configured)
    record = read_record(place) if place else None
    if record and record.roots:
        return tuple(root / directory for directory in record.roots)
    name = _at(document, "project", "name")
    return tuple(_usual(root, name)) if isinstance(name, str) else ()


def _configured(document: dict[str, Any]) -> Iterator[str]:
    build = ("tool", "hatch", "build")
    directories = _at(document, *build, "targets", "wheel", "dev-mode-dirs")
    if directories is None:
        directories = _at(document, *build, "dev-mode-dirs")
    for directory in directories if isinstance(directories, list) else ():
        if isinstance(directory, str) and directory:
            yield directory


def _usual(root: Path, name: str) -> Iterator[Path]:
    package = normalised(name).replace("-", "_")
    if (root / "src").is_dir() and not (root / "src" / "__init__.py").exists():
        yield root / "src"
    elif (root / package / "__init__.py").exists() or (root / f"{package}.py").exists():
        yield root


def _at(value: Any, *keys: str) -> Any:
    """Return what *keys* lead to; None if there is nothing."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value
