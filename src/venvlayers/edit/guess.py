"""What a project's first stack may well be: looks at the project, and changes nothing."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from venvlayers.errors import VenvstacksError
from venvlayers.spec.kinds import LayerKind
from venvlayers.spec.names import name_mistake
from venvlayers.spec.sources import launch_module_mistake

_SUPPORTED_MINORS = range(9, 15)
"""Newer ones are for those who ask for them: few packages have wheels for a beta's."""

_PROGRAM = re.compile(r"python3\.([0-9]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """What is in a first stack.

    Attributes:
        name: The application's.
        python: The series of Python, such as ``3.12``.
        launch_module: What starts the application, relative with ``/``; None if nothing does.
        requirements: What the application needs.
    """

    name: str
    python: str
    launch_module: str | None = None
    requirements: tuple[str, ...] = ()

    @property
    def runtime(self) -> str:
        """The name of the runtime."""
        return f"cpython-{self.python}"

    @property
    def module(self) -> str:
        """What ``python -m`` is given."""
        return (self.launch_module or "").rpartition("/")[2].removesuffix(".py")


def guess(document: Mapping[str, Any], root: Path) -> Guess:
    """Return what the project in *root*, whose ``pyproject.toml`` is *document*, may want."""
    project = document.get("project")
    project = project if isinstance(project, dict) else {}
    name = project.get("name")
    usable = isinstance(name, str) and name_mistake(name, LayerKind.APPLICATION) is None
    return Guess(
        name=str(name) if usable else "app",
        python=_python(project.get("requires-python")),
        launch_module=_launch_module(root, name if isinstance(name, str) else ""),
        requirements=tuple(_requirements(project.get("dependencies"))),
    )


def _python(requires: Any) -> str:
    """Return a series that the project takes: the running Python's, or one that is to be had.

    Rather one that is on this machine, which needs no network, than what uv could fetch.
    """
    from packaging.specifiers import InvalidSpecifier, SpecifierSet  # noqa: PLC0415 - 10 ms

    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    try:
        taken = SpecifierSet(requires if isinstance(requires, str) else "")
    except InvalidSpecifier:
        return running
    for series in ([running], _on_this_machine(), _to_be_fetched()):
        if found := next((one for one in series if taken.contains(f"{one}.99")), None):
            return found
    return running


def _on_this_machine() -> Iterator[str]:
    """Yield the series of Pythons here, the newest first; as none is started, by their names."""
    from venvlayers.build.runtime.candidates import of_version_managers  # noqa: PLC0415

    places = [Path(entry) for entry in os.get_exec_path() if not entry.endswith("/shims")]
    programs = [path for place in places for path in place.glob("python3.*")]
    programs += [path.resolve() for path in of_version_managers()]
    found = {int(match[1]) for path in programs if (match := _PROGRAM.fullmatch(path.name))}
    return (f"3.{minor}" for minor in sorted(found & set(_SUPPORTED_MINORS), reverse=True))


def _to_be_fetched() -> Iterator[str]:
    """Yield the series that uv offers for this machine, the newest first: by its list, 0.1 s."""
    from venvlayers.platforms import host_platform  # noqa: PLC0415
    from venvlayers.uv import UvFailure, find_uv  # noqa: PLC0415

    try:
        offered = find_uv().managed_pythons(host_platform())
    except (LookupError, UvFailure, VenvstacksError):
        return
    found = {one.version.minor for one in offered if one.version.major == sys.version_info.major}
    yield from (f"3.{minor}" for minor in sorted(found & set(_SUPPORTED_MINORS), reverse=True))


def _requirements(dependencies: Any) -> Iterator[str]:
    """Yield the project's own dependencies, but for those that are no wheels of an index."""
    from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415 - 10 ms

    for text in dependencies if isinstance(dependencies, list) else ():
        try:
            if isinstance(text, str) and Requirement(text).url is None:
                yield text
        except InvalidRequirement:
            continue


def _launch_module(root: Path, name: str) -> str | None:
    """Return the package that is called like the project, or the only one that can be run."""
    package = re.sub(r"[-.]+", "_", name)
    found = [
        path.relative_to(root).as_posix()
        for pattern in ("src/*/__main__.py", "*/__main__.py", "src/main.py", "main.py", "app.py")
        for path in sorted(root.glob(pattern))
    ]
    modules = [path.removesuffix("/__main__.py") for path in found]
    runnable = [path for path in modules if launch_module_mistake(root, root / path, path) is None]
    named = [path for path in runnable if path.rpartition("/")[2].lower() == package.lower()]
    return next(iter(named or runnable), None)
