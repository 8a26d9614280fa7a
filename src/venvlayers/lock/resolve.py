"""Asking uv for a resolution: one layer's requirements, for all its platforms at once.

uv reads its input from a ``pyproject.toml`` that is generated here, from the
specification and nothing else. What the answer means for layers is not known
here (`divide.py`), nor why there is none (`conflict.py`).
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import tomli_w
from packaging.utils import canonicalize_name

from venvlayers.errors import Problem, SpecError
from venvlayers.files import private_directory
from venvlayers.lock.wheels import wheel_name
from venvlayers.platforms import PythonVersion
from venvlayers.spec.model import LayerSpec, StackSpec
from venvlayers.uv import Uv

_NOT_OURS = frozenset(
    # Settings of uv's own projects and builds, and those that we decide.
    {
        "build-backend",
        "build-constraint-dependencies",
        "cache-keys",
        "conflicts",
        "default-groups",
        "dependency-groups",
        "dev-dependencies",
        "environments",
        "managed",
        "no-build",
        "no-build-package",
        "no-binary",
        "no-binary-package",
        "package",
        "pip",
        "publish-url",
        "required-environments",
        "required-version",
        "sources",
        "trusted-publishing",
        "workspace",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What uv is to resolve.

    Attributes:
        spec: The stack.
        layer: The layer.
        python: The exact Python of its runtime.
        constraints: What the layers below hold it to (PEP 508).
        previous: The text of its lock until now, whose versions are kept.
        upgrade: Packages whose versions are not kept; None for all.
    """

    spec: StackSpec
    layer: LayerSpec
    python: PythonVersion
    constraints: tuple[str, ...]
    previous: str | None
    upgrade: tuple[str, ...] | None = ()


def resolve(question: Question, uv: Uv, work_dir: Path) -> list[dict[str, Any]]:
    """Return the packages of a resolution, as a PEP 751 lock has them, sorted by name.

    Raises:
        UvFailure: There is none.
    """
    with private_directory(work_dir) as directory:
        project = tomli_w.dumps(_project(question))
        (directory / "pyproject.toml").write_text(project, "utf-8")
        if question.previous is not None:
            (directory / "pylock.toml").write_text(question.previous, "utf-8")
        text = uv.compile(directory, python=question.python, upgrade=question.upgrade)
        packages: list[dict[str, Any]] = tomllib.loads(text).get("packages", [])
        for package in packages:
            _take_archive_as_wheel(package)
            _make_paths_absolute(package, directory)
    _refuse_other_sources(question.spec, packages)
    return sorted(packages, key=lambda package: (package["name"], package.get("version", "")))


def _project(question: Question) -> dict[str, Any]:
    # uv's messages call the layer by this name; project names are ASCII.
    name = re.sub(r"[^A-Za-z0-9]+", "-", question.layer.env_name).strip("-") or "layer"
    environments = [
        f"{platform.marker} and python_full_version == '{question.python}'"
        " and platform_python_implementation == 'CPython'"
        for platform in question.layer.platforms
    ]
    settings = _passed_through(question.spec)
    own_constraints = settings.get("constraint-dependencies", [])
    settings |= {
        "constraint-dependencies": [*own_constraints, *question.constraints],
        "environments": environments,
        "no-build": True,
        "required-environments": environments,
    }
    return {
        "project": {
            "name": name,
            "version": "0",
            "requires-python": f">={question.python}",
            "dependencies": list(question.layer.requirements),
        },
        "tool": {"uv": settings},
    }


def _passed_through(spec: StackSpec) -> dict[str, Any]:
    """Return the user's uv settings that bear on resolution, usable from another directory."""
    settings = {key: value for key, value in spec.uv_settings.items() if key not in _NOT_OURS}
    if "find-links" in settings:
        settings["find-links"] = [_from(spec.root, link) for link in settings["find-links"]]
    if "index" in settings:
        settings["index"] = [
            {**index, "url": _from(spec.root, index["url"])} for index in settings["index"]
        ]
    if sources := _index_sources(spec.uv_settings.get("sources", {})):
        settings["sources"] = sources
    return settings


def _index_sources(sources: Mapping[str, Any]) -> dict[str, Any]:
    """Return the sources that name an index; workspace members and checkouts are not wheels."""
    return {name: source for name, source in sources.items() if _names_index(source)}


def _names_index(source: Any) -> bool:
    choices = source if isinstance(source, list) else [source]
    return all(isinstance(choice, dict) and "index" in choice for choice in choices)


def _refuse_other_sources(spec: StackSpec, packages: Sequence[Mapping[str, Any]]) -> None:
    """Refuse a package that the project takes from elsewhere than an index.

    A project's other sources are its own business, until a layer needs such a
    package: then taking one of that name from an index would be a mix-up.
    """
    others = {
        canonicalize_name(name): name
        for name, source in spec.uv_settings.get("sources", {}).items()
        if not _names_index(source)
    }
    found = [others[package["name"]] for package in packages if package["name"] in others]
    if found:
        problems = [
            Problem(where=f"tool.uv.sources.{name}", what="a layer needs it, and it names no index")
            for name in found
        ]
        hint = "layers are made of wheels from an index; publish it to one, or do not require it"
        raise SpecError(str(spec.path), problems, hint=hint)


def _take_archive_as_wheel(package: dict[str, Any]) -> None:
    """Describe a wheel that was required by its address as the package's one wheel."""
    archive = package.get("archive")
    if archive and wheel_name(archive).endswith(".whl"):
        del package["archive"]
        package["wheels"] = [archive]


def _from(root: Path, place: str) -> str:
    """Return an address as it is, and a relative path as an absolute one."""
    return place if "://" in place else os.fspath(root / place)


def _make_paths_absolute(package: dict[str, Any], directory: Path) -> None:
    for wheel in package.get("wheels", ()):
        if wheel.get("url", "").startswith("file:"):  # what uv makes of find-links
            wheel["path"] = url2pathname(urlsplit(wheel.pop("url")).path)
        if "path" in wheel:
            wheel["path"] = os.path.normpath(directory / wheel["path"])


def index_settings(spec: StackSpec) -> dict[str, Any]:
    """Return the user's uv settings that say where indexes are, for installing from them."""
    known = ("index", "index-url", "extra-index-url", "allow-insecure-host", "keyring-provider")
    return {key: value for key, value in _passed_through(spec).items() if key in known}


def constraints_without(question: Question, name: str) -> Sequence[str]:
    """Return the question's constraints except those on the package *name*."""
    return [text for text in question.constraints if not text.startswith(f"{name}==")]
