"""An application's own modules: which files they are, their digest, and copying them.

Hashing and copying look at the same list, so what is hashed is what ships.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from venvlayers.errors import BuildError
from venvlayers.files import os_reason, sha256_file, sha256_json
from venvlayers.spec.model import SourceModule

_LEFT_OUT_DIRECTORIES = ("__pycache__",)
_LEFT_OUT_PREFIX = ".git"
_LEFT_OUT_SUFFIXES = (".pyc", ".pyo")


def module_files(module: SourceModule) -> Iterator[tuple[str, Path]]:
    """Yield the files of a module with their places relative to site-packages, sorted.

    Links are followed; the specification was checked for those that leave the project.
    """
    if module.path.is_dir():
        yield from _files_below(module.path, module.path.name, ())
    else:
        yield module.path.name, module.path


def _files_below(
    directory: Path, place: str, above: tuple[Path, ...]
) -> Iterator[tuple[str, Path]]:
    real = directory.resolve()
    if real in above:
        raise BuildError(f"{directory} is a link to a directory that it is in")
    for path in sorted(directory.iterdir(), key=lambda path: path.name):
        if _is_left_out(path.name):
            continue
        if path.is_dir():
            yield from _files_below(path, f"{place}/{path.name}", (*above, real))
        elif path.is_file():
            yield f"{place}/{path.name}", path


def _is_left_out(name: str) -> bool:
    return (
        name in _LEFT_OUT_DIRECTORIES
        or name.startswith(_LEFT_OUT_PREFIX)
        or name.endswith(_LEFT_OUT_SUFFIXES)
    )


def module_hash(module: SourceModule) -> str:
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
        raise BuildError(
            f"launch module {module.path} cannot be read: {os_reason(error)}"
        ) from error
    return sha256_json(listed)


def copy_module(module: SourceModule, site_packages: Path) -> None:
    """Copy a module into *site_packages*; links are replaced by what they point to."""
    for place, path in module_files(module):
        target = site_packages / place
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        target.chmod(0o755 if os.access(path, os.X_OK) else 0o644)
