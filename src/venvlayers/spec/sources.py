"""Whether an application's files on disk can be what its `launch_module` says.

Looks at the project's files; reads none of them. Copying them is the build's work.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def launch_module_mistake(root: Path, declared: str) -> str | None:
    """Return what is wrong with a declared launch module; None if nothing is.

    Args:
        root: The project's directory, which nothing may lead out of.
        declared: The path as written, relative to *root*.
    """
    path = Path(os.path.normpath(root / declared))
    if not declared or Path(declared).is_absolute() or not path.is_relative_to(root):
        return f"must be a path inside the project, not {declared!r}"
    if not os.path.lexists(path):
        return f"there is no {declared!r} in {root}"
    if stray := _leads_outside(root, path):
        return f"{stray!r} is a link that leads out of the project"
    if path == root:
        return "must be a module of the project, not the project itself"
    if path.is_file() and path.suffix != ".py":
        return f"must be a .py file or a package directory, not {declared!r}"
    if path.is_dir() and not (path / "__main__.py").is_file():
        return f"{declared!r} has no __main__.py, so `python -m` cannot run it"
    name = path.name.removesuffix(".py")
    if "." in name:
        return f"{name!r} cannot be the name of a module, because of its dot"
    if name in sys.stdlib_module_names:
        return f"would be hidden by the standard library's module {name!r}"
    return None


def _leads_outside(root: Path, path: Path) -> str | None:
    """Return the first path at or below *path* whose target is not below *root*."""
    inside = root.resolve()
    if not path.resolve().is_relative_to(inside):
        return os.fspath(path.relative_to(root))
    if not path.is_dir():
        return None
    for directory, folders, files in os.walk(path):
        for name in sorted(folders + files):
            entry = Path(directory, name)
            if entry.is_symlink() and not entry.resolve().is_relative_to(inside):
                return os.fspath(entry.relative_to(root))
    return None
