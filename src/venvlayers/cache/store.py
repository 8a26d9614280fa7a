"""The store of compressed frames: found by what went into them, verified, bounded.

Any number of threads and processes use one at the same time. An entry is a file
(`entry.py`) that appears whole, by renaming, and never changes; so it can be copied,
packed and restored with the cache, by whatever means, on any machine. What becomes of
a frame, and what its key is made of, is not known here.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from venvlayers.cache.entry import DamagedEntryError, NewerEntryError, StoredFrame, open_entry
from venvlayers.cache.held import HeldFile, new_held_file, remove_leftover
from venvlayers.cache.place import frame_cache, make_private
from venvlayers.cache.size import DEFAULT_LIMIT, cache_limit
from venvlayers.cache.writer import FrameWriter

FORMAT = "v1"
"""The directory of entries of this format; that of another one is not touched."""

PARTIAL = "partial"
KEY = re.compile(r"[0-9a-f]{16,128}", re.ASCII)
SHARD = re.compile(r"[0-9a-f]{2}", re.ASCII)
_PRUNE_AFTER = 8  # of the limit: a long run prunes whenever it wrote an eighth of it
TAGS = {
    # https://bford.info/cachedir/ : programs that make backups pass such directories over.
    "CACHEDIR.TAG": "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# Frames that venvstacks compressed; see `venvstacks cache --help`.\n",
    ".gitignore": "*\n",
}
"""Files beside the frames, which tell other programs to leave them alone."""


def user_frames() -> FrameStore | None:
    """Return the store in the user's cache; None if ``VENVSTACKS_CACHE_SIZE`` is 0.

    Raises:
        SelectionError: ``VENVSTACKS_CACHE_SIZE`` is no size.
    """
    limit = cache_limit()
    return FrameStore(frame_cache(), limit=limit) if limit else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What was removed, and what is left.

    Attributes:
        frames: How many frames were removed.
        freed: Their bytes, and those of leftovers.
        leftovers: How many unfinished files of killed processes were removed.
        kept: How many frames are left.
        size: Their bytes.
    """

    frames: int
    freed: int
    leftovers: int
    kept: int
    size: int


@dataclass(frozen=True, slots=True, order=True)
class _Found:
    """An entry as the directory shows it; their order is that of removal."""

    used: int
    name: str
    size: int
    path: str


class FrameStore:
    """Compressed frames in a directory.

    Args:
        directory: Where they are; made, for its owner alone, when there is something to write.
        limit: The most bytes that `prune` leaves; None for what is usual. The store prunes
            itself when it first wrote a frame, and whenever it has written an eighth of that:
            no run has to come to its end for the limit to be kept.
    """

    def __init__(self, directory: Path, *, limit: int | None = None) -> None:
        self.directory = directory
        self.limit = DEFAULT_LIMIT if limit is None else limit
        self._root = directory / FORMAT
        self._lock = threading.Lock()
        self._written = self.limit

    def find(self, key: str) -> StoredFrame | None:
        """Return the frame of a key, verified to its last byte, or None; mark it as used.

        An entry that is damaged or foreign is removed. One that cannot be read counts as
        absent, as does one of a later format, which stays.

        Args:
            key: A digest in hexadecimal.

        Raises:
            ValueError: That is no digest.
        """
        path = self._place(key)
        try:
            return open_entry(path, key)
        except DamagedEntryError:
            with contextlib.suppress(OSError):
                path.unlink()
        except (NewerEntryError, OSError):
            pass
        return None

    def new(self, key: str) -> FrameWriter:
        """Return what writes the frame of a key; nothing is seen of it before it is committed.

        Raises:
            ValueError: The key is no digest.
        """
        return FrameWriter(self, key, self._place(key))

    def usage(self) -> tuple[int, int]:
        """Return how many frames there are, and their bytes."""
        found = list(self._entries())
        return len(found), sum(entry.size for entry in found)

    def prune(self) -> Pruned:
        """Remove the least recently used frames beyond the limit, and what killed processes left.

        What another process removes at the same time, or uses on a system where it can not be
        removed then, is passed over; whatever cannot be removed stays.
        """
        leftovers, freed = self._remove_leftovers()
        found = sorted(self._entries())
        size, kept, removed = sum(entry.size for entry in found), len(found), 0
        for entry in found:
            if size <= self.limit:
                break
            try:
                os.unlink(entry.path)  # noqa: PTH108 - thousands of them
            except FileNotFoundError:
                pass  # another process prunes
            except OSError:
                continue
            else:
                removed += 1
                freed += entry.size
            size -= entry.size
            kept -= 1
        return Pruned(frames=removed, freed=freed, leftovers=leftovers, kept=kept, size=size)

    def private_file(self) -> HeldFile:
        """Return a new file for a writer, on the same file system as its place.

        Raises:
            OSError: The directory cannot be made or written.
        """
        partial = self._root / PARTIAL
        try:
            return new_held_file(partial)
        except FileNotFoundError:
            make_private(partial)
            self._tag()
            return new_held_file(partial)

    def wrote(self, size: int) -> None:
        """Take note that something was committed; prune if it is time to."""
        with self._lock:
            self._written += size
            is_due = self._written > self.limit // _PRUNE_AFTER
            if is_due:
                self._written = 0
        if is_due:
            self.prune()

    def _place(self, key: str) -> Path:
        if not KEY.fullmatch(key):
            raise ValueError(f"a key is a digest in hexadecimal, not {key!r}")
        return self._root / key[:2] / key

    def _tag(self) -> None:
        with contextlib.suppress(OSError):
            for name, text in TAGS.items():
                (self.directory / name).write_text(text, "utf-8")

    def _entries(self) -> Iterator[_Found]:
        for shard in _listed(self._root):
            if SHARD.fullmatch(shard.name):
                for entry in _listed(shard.path):
                    if KEY.fullmatch(entry.name) and (state := _state(entry)):
                        yield _Found(state.st_mtime_ns, entry.name, state.st_size, entry.path)

    def _remove_leftovers(self) -> tuple[int, int]:
        removed = freed = 0
        for entry in _listed(self._root / PARTIAL):
            with contextlib.suppress(OSError):
                size = entry.stat(follow_symlinks=False).st_size
                if remove_leftover(Path(entry.path)):
                    removed += 1
                    freed += size
        return removed, freed


def _listed(directory: Path | str) -> list[os.DirEntry[str]]:
    """Return what is in a directory; nothing if it is not there, or not readable."""
    try:
        with os.scandir(directory) as listing:
            return list(listing)
    except OSError:
        return []


def _state(entry: os.DirEntry[str]) -> os.stat_result | None:
    """Return what is known of a file; None for anything else, and if it was removed."""
    try:
        return entry.stat() if entry.is_file(follow_symlinks=False) else None
    except OSError:
        return None
