"""What is in the user's cache: what we keep there, what it takes, and what is not ours."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from venvlayers.cache.held import LOCK_NAME
from venvlayers.cache.store import FORMAT, KEY, PARTIAL, SHARD, TAGS

FRAMES = "frames"
OTHERS = {
    "python-downloads": "interpreters that were fetched",
    "local-pythons.json": "which Pythons this machine has",
    "runtimes": "interpreters that were made relocatable",
    "headers": "what libraries of packages need",
    "checks": "what was found in layers",
    "verified": "which files of uv's cache were read",
}
"""What is kept besides frames, by name, and what it is."""

_REMEMBERED = re.compile(rf"{KEY.pattern}|\.{KEY.pattern}\..{{8}}", re.ASCII)
"""With what a killed write leaves."""
_FORMAT_NAME = re.compile(r"v\d+", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Something that is kept.

    Attributes:
        name: Its path in the cache.
        what: What it is, for people.
        files: How many files it has.
        size: Their bytes.
    """

    name: str
    what: str
    files: int
    size: int

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON value."""
        return {"name": self.name, "files": self.files, "size": self.size}


def other_parts(directory: Path) -> list[Part]:
    """Return what a cache keeps besides the frames of this format, unfinished ones included."""
    found = [_part(directory, name, what) for name, what in OTHERS.items()]
    unfinished = f"{FRAMES}/{FORMAT}/{PARTIAL}"
    found.append(_part(directory, unfinished, "frames that are being written, or were"))
    formats = filter(_FORMAT_NAME.fullmatch, _names(directory / FRAMES))
    found += (
        _part(directory, f"{FRAMES}/{name}", "frames of another release")
        for name in formats
        if name != FORMAT
    )
    return [part for part in found if part.files]


def foreign_files(directory: Path) -> list[str]:
    """Return the paths in a cache, relative to it, of what we would not put there.

    Nobody but uv can tell what uv keeps of interpreters; the frames of another release
    are not looked at either.
    """
    return sorted(_foreign(directory))


def _foreign(root: Path) -> Iterator[str]:
    for name in _names(root):
        # a killed write of the record leaves .local-pythons.json.XXXXXXXX
        if name not in (FRAMES, *OTHERS) and not name.startswith(".local-pythons.json."):
            yield name
    for name in _names(root / FRAMES):
        if name not in TAGS and not _FORMAT_NAME.fullmatch(name):
            yield f"{FRAMES}/{name}"
    frames = f"{FRAMES}/{FORMAT}"
    for name in _names(root / frames):
        if SHARD.fullmatch(name):
            yield from _others(root, f"{frames}/{name}", KEY)
        elif name != PARTIAL:
            yield f"{frames}/{name}"
    yield from _others(root, "verified", KEY)
    yield from _others(root, "headers", _REMEMBERED)
    yield from _others(root, "checks", _REMEMBERED)


def _others(root: Path, name: str, known: re.Pattern[str]) -> Iterator[str]:
    names = (one for one in _names(root / name) if one != LOCK_NAME)
    return (f"{name}/{one}" for one in names if not known.fullmatch(one))


def _names(directory: Path) -> list[str]:
    try:
        return sorted(os.listdir(directory))  # noqa: PTH208 - only the names
    except (FileNotFoundError, NotADirectoryError):
        return []


def _part(root: Path, name: str, what: str) -> Part:
    sizes = list(_sizes(root / name))
    return Part(name=name, what=what, files=len(sizes), size=sum(sizes))


def _sizes(path: Path) -> Iterator[int]:
    """Yield the size of a file, or of each file below a directory that is no lock."""
    if path.is_file():
        yield path.stat().st_size
    for directory, _directories, names in os.walk(path):
        for name in names:
            if name == LOCK_NAME:
                continue
            try:
                yield os.lstat(os.path.join(directory, name)).st_size  # noqa: PTH118
            except FileNotFoundError:
                continue  # somebody else removed it meanwhile
