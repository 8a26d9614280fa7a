"""Asking uv for a resolution: one layer's requirements, for all its platforms at once.

uv reads its input from a ``pyproject.toml`` that is generated here, from the
specification and nothing else. What the answer means for layers is not known
here (`divide.py`), nor why there is none (`conflict.py`).
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import tomli_w
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from venvlayers.errors import Problem, SpecError
from venvlayers.files import private_directory
from venvlayers.lock.settings import Settings, names_index
from venvlayers.lock.wheels import wheel_name
from venvlayers.platforms import Interpreter
from venvlayers.spec.model import LayerSpec, StackSpec
from venvlayers.uv import Uv, UvFailure
from venvlayers.values import frozen


@frozen
class Question:
    """What uv is to resolve.

    Attributes:
        spec: The stack.
        layer: The layer.
        python: The exact Python of its runtime.
        constraints: What the layers below hold it to (PEP 508).
        settings: uv's settings, usable from any directory.
        previous: The text of its lock until now, whose versions are kept.
        upgrade: Packages whose versions are not kept; None for all.
    """

    spec: StackSpec
    layer: LayerSpec
    python: Interpreter
    constraints: tuple[str, ...]
    settings: Settings
    previous: str | None
    upgrade: tuple[str, ...] | None = ()


def resolve(question: Question, uv: Uv, work_dir: Path) -> list[dict[str, Any]]:
    """Return the packages of a resolution, as a PEP 751 lock has them, sorted by name.

    Raises:
        UvFailure: There is none.
        SpecError: A package would come from elsewhere than the project takes it from.
    """
    held, unknown = _sourced(question)
    try:
        packages = _answer(question, held, uv, work_dir)
        needed = _needed(packages, unknown)
        again = bool(needed)
    except UvFailure:
        if not unknown:
            raise
        # One of them may be on its own index alone, which is closed to what others bring in.
        packages, again = [], True
        needed = _needed(_answer(_opened(question), held, uv, work_dir), unknown)
    while again:
        packages = _answer(question, [*held, *needed.values()], uv, work_dir)
        more = _needed(packages, unknown - set(needed))
        needed |= more
        again = bool(more)
    _refuse_other_sources(question.spec, packages)
    return sorted(packages, key=lambda package: (package["name"], package.get("version", "")))


def _answer(
    question: Question, more: Sequence[str], uv: Uv, work_dir: Path
) -> list[dict[str, Any]]:
    """Ask uv, with *more* requirements than the layer's own."""
    with private_directory(work_dir) as directory:
        project = tomli_w.dumps(_project(question, more))
        (directory / "pyproject.toml").write_text(project, "utf-8")
        if question.previous is not None:
            (directory / "pylock.toml").write_text(question.previous, "utf-8")
        text = uv.compile(directory, python=question.python.version, upgrade=question.upgrade)
        packages: list[dict[str, Any]] = tomllib.loads(text).get("packages", [])
        for package in packages:
            _take_archive_as_wheel(package)
            _make_paths_absolute(package, directory)
    return packages


def requirers(
    question: Question, versions: Mapping[str, str], uv: Uv, work_dir: Path
) -> dict[str, tuple[str, ...]]:
    """Return which packages require which, in a resolution with these *versions*.

    Nothing where uv cannot tell: it is for an explanation.
    """
    pins = tuple(f"{name}=={version}" for name, version in versions.items() if "," not in version)
    pinned = replace(question, constraints=(*question.constraints, *pins))
    with private_directory(work_dir) as directory:
        project = tomli_w.dumps(_project(pinned, _sourced(question)[0]))
        (directory / "pyproject.toml").write_text(project, "utf-8")
        try:
            return uv.requirers(directory, python=question.python.version)
        except UvFailure:
            return {}


def _sourced(question: Question) -> tuple[list[str], set[str]]:
    """Return requirements on packages that are held to an index, and names that may need one.

    uv heeds ``sources`` for a project's own requirements, and not for what those bring in
    (astral-sh/uv#16117), so the latter are made requirements of the project too. What a
    layer below has is required as that version, which does not add it to this layer.
    """
    direct = _unconditional(question.layer.requirements)
    held = _unconditional(question.constraints)
    sourced = set(question.settings.get("sources", ())) - set(direct)
    return [held[name] for name in sorted(sourced & set(held))], sourced - set(held)


def _unconditional(requirements: Sequence[str]) -> dict[str, str]:
    parsed = {text: Requirement(text) for text in requirements}
    return {canonicalize_name(r.name): text for text, r in parsed.items() if r.marker is None}


def _needed(packages: Sequence[Mapping[str, Any]], unknown: Collection[str]) -> dict[str, str]:
    """Return requirements on those of *unknown* that are among *packages*, where they apply."""
    found: dict[str, str] = {}
    for package in packages:
        if (name := package["name"]) in unknown:
            marker = f"({package['marker']})" if "marker" in package else ""
            # Versions may differ by platform; then a package is there several times.
            other = found.get(name, "").partition(" ; ")[2]
            either = f"{other} or {marker}" if other and marker else marker
            found[name] = f"{name} ; {either}" if either else name
    return found


def _opened(question: Question) -> Question:
    """Return the question with all indexes open to every package."""
    indexes = [{**index, "explicit": False} for index in question.settings.get("index", ())]
    return replace(question, settings={**question.settings, "index": indexes})


def _project(question: Question, more: Sequence[str]) -> dict[str, Any]:
    # uv's messages call the layer by this name; project names are ASCII.
    name = re.sub(r"[^A-Za-z0-9]+", "-", question.layer.env_name).strip("-") or "layer"
    environments = [
        f"{platform.marker} and {question.python.marker}" for platform in question.layer.platforms
    ]
    own_constraints = question.settings.get("constraint-dependencies", [])
    settings = question.settings | {
        "constraint-dependencies": [*own_constraints, *question.constraints],
        "environments": environments,
        "no-build": True,
        "required-environments": environments,
    }
    spec = question.spec
    if spec.project and spec.has_project(question.layer):
        # Whatever depends on the project gets it from the layer that contains it, and not
        # another one of its name from an index.
        settings["exclude-dependencies"] = [
            *settings.get("exclude-dependencies", []),
            spec.project.name,
        ]
    return {
        "project": {
            "name": name,
            "version": "0",
            "requires-python": f">={question.python.version}",
            "dependencies": [*question.layer.requirements, *more],
        },
        "tool": {"uv": settings},
    }


def _refuse_other_sources(spec: StackSpec, packages: Sequence[Mapping[str, Any]]) -> None:
    """Refuse a package that the project takes from elsewhere than an index.

    A project's other sources are its own business, until a layer needs such a
    package: then taking one of that name from an index would be a mix-up.
    """
    others = {
        canonicalize_name(name): name
        for name, source in spec.uv_settings.get("sources", {}).items()
        if not names_index(source)
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


def _make_paths_absolute(package: dict[str, Any], directory: Path) -> None:
    for wheel in package.get("wheels", ()):
        if wheel.get("url", "").startswith("file:"):  # what uv makes of find-links
            from urllib.request import url2pathname  # noqa: PLC0415 - with ssl: 50 ms

            wheel["path"] = url2pathname(urlsplit(wheel.pop("url")).path)
        if "path" in wheel:
            wheel["path"] = os.path.normpath(directory / wheel["path"])


def constraints_without(question: Question, name: str) -> Sequence[str]:
    """Return the question's constraints except those on the package *name*."""
    return [text for text in question.constraints if not text.startswith(f"{name}==")]
