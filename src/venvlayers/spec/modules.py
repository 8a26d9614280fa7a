"""An application's launch and support modules, as declared: read, and checked against each other.

What is on disk is judged by `sources.py`.
"""

from __future__ import annotations

from pathlib import Path

from venvlayers.spec.model import SourceModule
from venvlayers.spec.names import same_directory_key
from venvlayers.spec.sources import launch_module_mistake, support_module_mistake
from venvlayers.spec.table import Table
from venvlayers.spec.values import file_path


def read_launch_module(table: Table, root: Path, *, enabled: bool) -> SourceModule | None:
    """Read ``launch_module``; the files of a disabled layer need not be there (X22)."""
    declared = table.string("launch_module")
    if declared is None:
        return None
    path = file_path(root, declared)
    mistake = launch_module_mistake(root, path, declared) if enabled else None
    if mistake:
        table.findings.problem(table.at("launch_module"), mistake)
    return SourceModule(path=path)


def read_support_modules(
    table: Table, root: Path, launch: SourceModule | None, *, enabled: bool
) -> tuple[SourceModule, ...]:
    """Read ``support_modules``, by name; no two modules may be imported by one name.

    Args:
        table: The application's.
        root: The project's directory.
        launch: Its launch module, if that could be read.
        enabled: Whether the layer is made for any platform.
    """
    taken = {_key(launch): "the launch module"} if launch else {}
    modules = []
    for index, declared in enumerate(table.strings("support_modules") or ()):
        where = f"{table.at('support_modules')}[{index}]"
        module = SourceModule(path=file_path(root, declared))
        mistake = support_module_mistake(root, module.path, declared) if enabled else None
        if mistake:
            table.findings.problem(where, mistake)
        if _key(module) in taken:
            what = f"{declared!r} would be imported as {module.name!r}, as {taken[_key(module)]} is"
            table.findings.problem(where, what, "give one of them another name")
        taken.setdefault(_key(module), f"support_modules[{index}]")
        modules.append(module)
    return tuple(sorted(modules, key=lambda module: module.name))


def _key(module: SourceModule) -> str:
    return same_directory_key(module.name)
