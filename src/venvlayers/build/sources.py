"""An application's own modules: which files they are, their digest, and copying them.

Hashing and copying look at the same list, so what is hashed is what ships.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from venvlayers.errors import BuildError
from venvlayers.files import sha256_file, sha256_json, walk_sorted
from venvlayers.spec.model import LaunchModule

_LEFT_OUT_DIRECTORIES = ("__pycache__",)
_LEFT_OUT_PREFIX = ".git"
_LEFT_OUT_SUFFIXES = (".pyc", ".pyo")


def module_files(module: LaunchModule) -> Iterator[tuple[str, Path]]:
    """Yield the files of a module with their places relative to site-packages, sorted."""
    if not module.path.is_dir():
        yield module.path.name, module.path
        return
    skipped: str | None = None
    for relative, entry in walk_sorted(module.path):
        if skipped and relative.startswith(skipped):
            continue
        skipped = f"{relative}/" if _is_left_out(entry.name) else None
        if skipped is None and entry.is_file():
            yield f"{module.path.name}/{relative}", Path(entry.path)


def _is_left_out(name: str) -> bool:
    return (
        name in _LEFT_OUT_DIRECTORIES
        or name.startswith(_LEFT_OUT_PREFIX)
        or name.endswith(_LEFT_OUT_SUFFIXES)
    )


def module_hash(module: LaunchModule) -> str:
    """Return ``sha256:<hex>`` over the names, contents and exec bits of a module's files.

    Raises:
        BuildError: A file cannot be read.
    """
    try:
        listed = [
            [place, sha256_file(path), os.access(path, os.X_OK)]
            for place, path in module_files(module)
        ]
    except OSError as error:
        raise BuildError(f"launch module {module.path} cannot be read: {error}") from error
    return sha256_json(listed)


def copy_module(module: LaunchModule, site_packages: Path) -> None:
    """Copy a module into *site_packages*; links are replaced by what they point to."""
    for place, path in module_files(module):
        target = site_packages / place
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        target.chmod(0o755 if os.access(path, os.X_OK) else 0o644)
