"""Putting files, or whole directories, into place: all of them or none.

Python's failures are undone. A kill between two renames cannot be; because every
rename is whole, it leaves each file either old or new, and the next run mends it.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from venvlayers.files import remove_tree
from venvlayers.layout import STAGING_PREFIX

if TYPE_CHECKING:
    from filelock import BaseFileLock

_LOCK = ".lock"
"""In every staging directory; locked for as long as somebody works there."""
_MARK = ".ours"
"""In a directory that its maker works in, to tell it from another one in its place."""


@contextmanager
def staging_directory(directory: Path, *, purpose: str) -> Iterator[Path]:
    """Give a private directory in *directory*, and remove those that killed runs left.

    Others may do the same there at the same time, from other machines too. Where the
    file system has no locks, what a killed run left stays: nothing tells it from theirs.

    Args:
        directory: Where results will be put; created if need be.
        purpose: Tells what kind of run made a private directory, by its name.

    Raises:
        OSError: *directory* is not writable, or full.
    """
    prefix = f"{STAGING_PREFIX}{purpose}-"
    directory.mkdir(parents=True, exist_ok=True)
    remove_leftovers(directory, prefix)
    staging, lock = _locked_directory(directory, prefix)
    try:
        yield staging
    finally:
        _remove(staging, lock)


def _locked_directory(directory: Path, prefix: str) -> tuple[Path, BaseFileLock]:
    """Make a directory of our own; one that somebody took for a leftover meanwhile is theirs."""
    from tempfile import mkdtemp  # noqa: PLC0415 - not where nothing is written

    while True:
        staging = Path(mkdtemp(prefix=prefix, dir=directory))
        lock = _lock_of(staging)
        try:
            if _is_ours(staging, lock):
                return staging, lock
        except BaseException:
            lock.release()
            with suppress(OSError):  # what went wrong before matters more
                remove_tree(staging)
            raise


def _is_ours(staging: Path, lock: BaseFileLock) -> bool:
    """Lock a directory that was just made, unless somebody has taken it for a leftover."""
    from filelock import Timeout  # noqa: PLC0415 - costs 80 ms to import

    mark = staging / _MARK
    with suppress(FileNotFoundError):  # taken already
        mark.touch()
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    except (NotImplementedError, OSError):
        return mark.exists()  # a file system without locks, or nothing to lock
    if mark.exists():
        return True
    # Newer filelocks make file and directory anew; who took it may be about to remove that too.
    lock.release()
    with suppress(OSError):
        remove_tree(staging)
    return False


def remove_leftovers(directory: Path, prefix: str = STAGING_PREFIX) -> None:
    """Remove what killed runs left in *directory*, as far as it can be told from others'."""
    for leftover in directory.glob(f"{prefix}*"):
        _remove_leftover(leftover)


def _remove_leftover(leftover: Path) -> None:
    lock = _lock_of(leftover)
    with suppress(NotImplementedError, OSError):  # in use, somebody else's, or without locks
        lock.acquire(timeout=0)
        _remove(leftover, lock)


def _lock_of(staging: Path) -> BaseFileLock:
    from filelock import FileLock  # noqa: PLC0415 - costs 80 ms to import

    return FileLock(staging / _LOCK)


def _remove(staging: Path, lock: BaseFileLock) -> None:
    """Remove a directory whose lock is ours, the lock last."""
    try:
        for path in staging.iterdir():
            if path.is_dir() and not path.is_symlink():
                remove_tree(path)
            elif path.name != _LOCK:
                path.unlink()
        with suppress(PermissionError):  # Windows keeps files that are open
            (staging / _LOCK).unlink(missing_ok=True)
    finally:
        lock.release()
    with suppress(OSError):  # the next run may have begun to remove it
        remove_tree(staging)


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


@contextmanager
def replacing_directories(staging: Path, moves: Iterable[tuple[Path, Path]]) -> Iterator[None]:
    """Rename each new directory to its place; if what follows fails, everything is as it was.

    What was in a place stays in *staging* until then, so there has to be room for both. A kill
    in between can leave a place empty, never half-filled.

    Raises:
        OSError: Something could not be renamed.
    """
    kept = staging / "replaced"
    kept.mkdir()
    begun: list[tuple[Path, Path, Path]] = []
    try:
        for number, (new, place) in enumerate(moves):
            old = kept / str(number)
            begun.append((new, place, old))
            if os.path.lexists(place):
                place.rename(old)
            new.rename(place)
        yield
    except BaseException:
        for new, place, old in reversed(begun):
            if not new.exists():
                place.rename(new)
            if os.path.lexists(old):
                old.rename(place)
        raise


def _undo(done: list[tuple[Path | None, Path]]) -> None:
    for kept, place in reversed(done):
        if kept is None:
            place.unlink(missing_ok=True)
        elif kept.exists():
            kept.replace(place)
