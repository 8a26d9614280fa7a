"""Putting files into place, all of them or none.

Python's failures are undone. A kill between two renames cannot be; because every
rename is whole, it leaves each file either old or new, and the next run mends it.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from venvlayers.files import private_directory, remove_tree


@contextmanager
def staging_directory(directory: Path, *, purpose: str) -> Iterator[Path]:
    """Give a private directory in *directory*, and remove those that killed runs left.

    The caller makes sure that nobody else does the same thing there at the same time.

    Args:
        directory: Where results will be put; created if need be.
        purpose: Tells what kind of run made a private directory, by its name.
    """
    prefix = f".venvstacks-{purpose}-"
    if directory.is_dir():
        for leftover in directory.glob(f"{prefix}*"):
            remove_tree(leftover)
    with private_directory(directory, prefix=prefix) as staging:
        yield staging


def put_in_place(
    staging: Path, moves: Iterable[tuple[Path, Path]], superseded: Iterable[Path]
) -> None:
    """Rename each new file to its place, in order, then remove *superseded* files.

    Raises:
        OSError: Something could not be renamed or removed; everything is as it was.
    """
    undo: list[tuple[Path | None, Path]] = []
    kept = staging / "replaced"
    kept.mkdir()
    try:
        for new, place in moves:
            place.parent.mkdir(parents=True, exist_ok=True)
            undo.append((_keep(place, kept / str(len(undo))), place))
            new.replace(place)
        for old in superseded:
            undo.append((_keep(old, kept / str(len(undo))), old))
            old.unlink()
    except BaseException:
        _undo(undo)
        raise


def _keep(place: Path, kept: Path) -> Path | None:
    if not place.exists():
        return None
    if place.is_dir():  # somebody else's; our outputs are files
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(place))
    try:
        os.link(place, kept)  # leaves the old file in place until the rename
    except OSError:  # exFAT and some network shares have no hard links
        place.rename(kept)
        return kept
    return kept


def _undo(done: list[tuple[Path | None, Path]]) -> None:
    for kept, place in reversed(done):
        if kept is None:
            place.unlink(missing_ok=True)
        elif kept.exists():
            kept.replace(place)
