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
from venvlayers.spec.groups import required_name
from venvlayers.spec.kinds import LayerKind
from venvlayers.spec.launch import entry_point, project_scripts
from venvlayers.spec.names import name_mistake, normalised
from venvlayers.spec.sources import launch_module_mistake

_SUPPORTED_MINORS = range(9, 15)
"""Newer ones are for those who ask for them: few packages have wheels for a beta's."""

_PLUGIN = "hatch-venvstacks"
_BESIDE_PACKAGES = ("main.py", "app.py")
"""Files to start that no build backend puts into the wheel of a project with a package."""

_PROGRAM = re.compile(r"python3\.([0-9]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """What is in a first stack.

    Attributes:
        name: The application's.
        python: The series of Python, such as ``3.12``.
        launch_module: What starts the application, relative with ``/``; None if nothing that
            is copied does.
        launch: What starts it of the project in it: a module or a script; None if nothing does.
        project: Whether the application contains the project, and what that depends on.
        requirements: What it needs besides.
        lacks_plugin: Whether the build system lacks what ``hatch build -t venvstacks`` needs.
    """

    name: str
    python: str
    launch_module: str | None = None
    launch: str | None = None
    project: bool = False
    requirements: tuple[str, ...] = ()
    lacks_plugin: bool = False

    @property
    def runtime(self) -> str:
        """The name of the runtime."""
        return f"cpython-{self.python}"

    @property
    def module(self) -> str:
        """The name of its launch module; empty if it has none."""
        return _module_name(self.launch_module)

    @property
    def starts(self) -> str | None:
        """What starts the application; None if there is none."""
        return self.launch or self.launch_module


def guess(document: Mapping[str, Any], root: Path, *, standalone: bool = False) -> Guess:
    """Return what a project may want.

    Args:
        document: Its ``pyproject.toml``.
        root: Its directory.
        standalone: Whether the stack is in a file of its own, which cannot contain the project.
    """
    project = document.get("project")
    project = project if isinstance(project, dict) else {}
    name = project.get("name")
    name = name if isinstance(name, str) else ""
    ships = not standalone and _is_buildable(document, root, project, name)
    launch_module, launch = _launch_module(root, name), None
    if ships:
        launch_module, launch = _launch(launch_module, document, name)
        ships = launch_module is None or launch_module in _BESIDE_PACKAGES
    return Guess(
        name=name if name_mistake(name, LayerKind.APPLICATION) is None else "app",
        python=_python(project.get("requires-python")),
        launch_module=launch_module,
        launch=launch,
        project=ships,
        requirements=() if ships else tuple(_requirements(project.get("dependencies"))),
        lacks_plugin=not standalone
        and _PLUGIN not in map(required_name, _build_requires(document)),
    )


def _build_system(document: Mapping[str, Any]) -> Mapping[str, Any]:
    found = document.get("build-system")
    return found if isinstance(found, dict) else {}


def _build_requires(document: Mapping[str, Any]) -> list[str]:
    requires = _build_system(document).get("requires")
    return [str(text) for text in requires] if isinstance(requires, list) else []


def _is_buildable(
    document: Mapping[str, Any], root: Path, project: Mapping[str, Any], name: str
) -> bool:
    """Tell whether the project's own wheel is likely to be had, and to have what starts it."""
    dynamic = project.get("dynamic")
    has_version = "version" in project or (isinstance(dynamic, list) and "version" in dynamic)
    if not name or not has_version or "build-backend" not in _build_system(document):
        return False
    dependencies = project.get("dependencies", [])
    if not isinstance(dependencies, list) or list(_requirements(dependencies)) != dependencies:
        return False
    return bool(project_scripts(document).names) or _has_package(root, name)


def _has_package(root: Path, name: str) -> bool:
    """Tell whether there is a package, or a module, where build backends look for a project's."""
    files = [path for start in ("", "src/") for path in root.glob(f"{start}*.py")]
    files += [path.parent for start in ("", "src/") for path in root.glob(f"{start}*/__init__.py")]
    return any(_is_named(path.name.removesuffix(".py"), name) for path in files)


def _module_name(path: str | None) -> str:
    return (path or "").rpartition("/")[2].removesuffix(".py")


def _is_named(module: str, project: str) -> bool:
    return module.lower() == normalised(project).replace("-", "_")


def _launch(
    launch_module: str | None, document: Mapping[str, Any], name: str
) -> tuple[str | None, str | None]:
    """Return what starts a project that is in the application: a file, or else what it has.

    A copy of what the project's wheel has would be in that one's way.
    """
    if _is_named(_module_name(launch_module), name):
        return None, _module_name(launch_module)
    if script := _script(document, name):
        return None, script
    return launch_module, None


def _script(document: Mapping[str, Any], name: str) -> str | None:
    """Return the script that is called like the project, or the only one."""
    declared = project_scripts(document).declared.get("scripts", {})
    usable = [
        script
        for script, value in declared.items()
        if isinstance(value, str) and (found := entry_point(value)) and found.attribute
    ]
    named = [script for script in usable if normalised(script) == normalised(name)]
    return next(iter(named or (usable if len(declared) == 1 else ())), None)


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
    found = [
        path.relative_to(root).as_posix()
        for pattern in ("src/*/__main__.py", "*/__main__.py", "src/main.py", *_BESIDE_PACKAGES)
        for path in sorted(root.glob(pattern))
    ]
    modules = [path.removesuffix("/__main__.py") for path in found]
    runnable = [path for path in modules if launch_module_mistake(root, root / path, path) is None]
    named = [path for path in runnable if _is_named(path.rpartition("/")[2], name)]
    return next(iter(named or runnable), None)
