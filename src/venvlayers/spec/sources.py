"""Whether files on disk can be an application's launch and support modules.

Looks at the files; reads none of them. Copying them is the build's work.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from venvlayers.ignore import IgnoreRules, rules_above


def launch_module_mistake(root: Path, path: Path, declared: str) -> str | None:
    """Return what is wrong with a launch module; None if nothing is.

    Args:
        root: The project's directory, which nothing may lead out of.
        path: The module.
        declared: Its path as written.
    """
    outside = not path.is_relative_to(root) or Path(declared).is_absolute()
    if not declared or outside or declared.startswith("~"):
        return f"must be a path inside the project, not {declared!r}"
    if mistake := _module_mistake(root, path, declared):
        return mistake
    if path.is_dir() and not (path / "__main__.py").is_file():
        return f"{declared!r} has no __main__.py, so `python -m` cannot run it"
    return None


def support_module_mistake(root: Path, path: Path, declared: str) -> str | None:
    """Return what is wrong with a support module, which may be outside of the project.

    Args:
        root: The project's directory.
        path: The module.
        declared: Its path as written.
    """
    if not declared:
        return "must not be empty"
    return _module_mistake(root if path.is_relative_to(root) else path.parent, path, declared)


def _module_mistake(root: Path, path: Path, declared: str) -> str | None:
    """Return why *path* cannot become a module; nothing in it may lead out of *root*."""
    if not os.path.lexists(path):
        return f"there is no {declared!r} in {root}"
    if stray := _leads_outside(root, path):
        return f"{stray!r} is a link that leads out of the project"
    if path == root:
        return "must be a module of the project, not the project itself"
    if path.is_file() and path.suffix != ".py":
        return f"must be a .py file or a package directory, not {declared!r}"
    return _name_mistake(path.name.removesuffix(".py"))


def _name_mistake(name: str) -> str | None:
    if "." in name:
        return f"{name!r} cannot be the name of a module, because of its dot"
    if name in sys.stdlib_module_names:
        return f"would be hidden by the standard library's module {name!r}"
    if name == "sitecustomize":
        return "has the name of the module that puts the layers below onto the path"
    if name == "_venvstacks_run":
        return "has the name of the module that runs launch modules"
    return None


def _leads_outside(root: Path, path: Path) -> str | None:
    """Return the first path at or below *path* that ships and whose target is not below *root*."""
    inside = root.resolve()
    if not path.resolve().is_relative_to(inside):
        return os.fspath(path.relative_to(root))
    stray = next(_strays(path, inside, rules_above(path), ()), None) if path.is_dir() else None
    return os.fspath(stray.relative_to(root)) if stray else None


def _strays(
    directory: Path, inside: Path, rules: IgnoreRules, above: tuple[Path, ...]
) -> Iterator[Path]:
    """Yield what leads out of *inside*; directories that are links are looked into, once."""
    real = directory.resolve()
    if real in above:
        return  # a circle: copying says so
    rules = rules.inside(directory)
    for entry in sorted(directory.iterdir()):
        is_dir = entry.is_dir()
        if rules.leaves_out(entry, is_dir=is_dir):
            continue
        if entry.is_symlink() and not entry.resolve().is_relative_to(inside):
            yield entry
        elif is_dir:
            yield from _strays(entry, inside, rules, (*above, real))
