"""Removing all that can be made anew, and nothing that is not ours or that somebody uses."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from venvlayers.cache.held import LOCK_NAME, unused
from venvlayers.cache.inventory import FRAMES, OTHERS, foreign_files, other_parts
from venvlayers.cache.store import FORMAT, TAGS, FrameStore
from venvlayers.errors import SelectionError
from venvlayers.files import remove_tree

_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaned:
    """What was removed, and what is still there.

    Attributes:
        freed: The bytes that were removed.
        left: The names of what was left: somebody uses it, it cannot be removed, or it is
            of another release.
    """

    freed: int
    left: tuple[str, ...]


def clean_cache(directory: Path) -> Cleaned:
    """Remove what we keep in a cache, and the directory if it is empty then.

    Raises:
        SelectionError: Something there is not ours; nothing was removed.
        OSError: The directory cannot be read.
    """
    if foreign := foreign_files(directory):
        listed = ", ".join(foreign[:_SHOWN])
        more = f" and {len(foreign) - _SHOWN} more" if len(foreign) > _SHOWN else ""
        raise SelectionError(
            f"{directory} has what is not ours, so nothing was removed: {listed}{more}",
            hint="move that elsewhere; `venvstacks cache prune --size 0` removes frames alone",
        )
    before = _size(directory)
    _remove_frames(directory / FRAMES)
    for name in OTHERS:
        _remove_other(directory / name)
    for rest in directory.glob(".local-pythons.json.*"):
        _unlink(rest)
    _rmdir(directory)
    parts = [part.name for part in other_parts(directory)]
    frames = FrameStore(directory / FRAMES).usage()[0]
    left = [f"{FRAMES}/{FORMAT}"] if frames else []
    return Cleaned(freed=before - _size(directory), left=(*left, *parts))


def _size(directory: Path) -> int:
    frames = FrameStore(directory / FRAMES).usage()[1]
    return frames + sum(part.size for part in other_parts(directory))


def _remove_frames(directory: Path) -> None:
    FrameStore(directory, limit=0).prune()
    root = directory / FORMAT
    for place in (*root.glob("*/"), root):
        _rmdir(place)
    if not any(place.is_dir() for place in directory.glob("v*")):
        for name in TAGS:
            _unlink(directory / name)
        _rmdir(directory)


def _remove_other(path: Path) -> None:
    if not path.is_dir():
        _unlink(path)
        return
    with unused(path) as nobody:
        if nobody:
            for entry in path.iterdir():
                if entry.name != LOCK_NAME:
                    _remove(entry)
            _unlink(path / LOCK_NAME)
            _rmdir(path)


def _remove(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        with contextlib.suppress(OSError):
            remove_tree(entry)
    else:
        _unlink(entry)


def _unlink(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


def _rmdir(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.rmdir()
