"""What binaries say of themselves, remembered for every distribution that was read once.

It follows from their bytes, and a `RECORD` names those by their hashes, which were compared
when they were installed. What no `RECORD` has a hash of (an interpreter) is read each time.
Only a memory: it may be deleted at any time, and then everything is read again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from venvlayers.build.model import Distribution
from venvlayers.cache.memory import Memory
from venvlayers.check.binary import Binary, Format, UnreadableError
from venvlayers.check.reading import read_binary

_FORMAT = 1
"""Raised when a newer release reads something else in the same bytes."""
_MOST = 2_000
"""So many distributions are remembered; a machine with more than that forgets them all."""
_LONGEST = 4_000_000
"""Bytes of one distribution's; 800 libraries of Qt take 250,000."""

Header = tuple[Binary, ...] | str
"""What a file says of itself, once for each machine; or what is wrong with it."""


def read_header(path: str) -> Header:
    """Return what a program file says of itself.

    Raises:
        OSError: It cannot be read.
    """
    try:
        return read_binary(path)
    except UnreadableError as error:
        return str(error)


class Headers:
    """A directory with a file for each distribution whose binaries were read.

    Args:
        directory: Where; made when there is something to remember. None remembers nothing.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self._memory = Memory(directory=directory, most=_MOST, longest=_LONGEST)

    def of(
        self, root: str, paths: Iterable[str], distributions: Iterable[Distribution]
    ) -> dict[str, Header]:
        """Return what files say of themselves, by path, reading what is not remembered.

        Args:
            root: The environment.
            paths: The files, relative to it, with ``/``.
            distributions: What is installed there, whose files are as recorded.

        Raises:
            OSError: Something cannot be read.
        """
        wanted = dict.fromkeys(paths)
        known: dict[str, Header] = {}
        for distribution in distributions:
            hashes = _hashes(distribution, set(wanted) - known.keys())
            known |= self._of_one(root, hashes) if hashes else {}
        return {
            path: known[path] if path in known else read_header(f"{root}/{path}") for path in wanted
        }

    def _of_one(self, root: str, hashes: Mapping[str, str]) -> dict[str, Header]:
        """Return what is remembered of files with these hashes, or else what they say now."""
        digest = hashlib.sha256(json.dumps([_FORMAT, list(hashes.items())]).encode()).hexdigest()
        found = _loaded(self._memory.recall(digest))
        if found is None:
            found = {path: read_header(f"{root}/{path}") for path in hashes}
            self._memory.remember(digest, _text(found))
        return found


def _hashes(distribution: Distribution, wanted: set[str]) -> dict[str, str]:
    recorded = distribution.hashes
    return {path: recorded[path] for path in sorted(wanted & recorded.keys())}


def _loaded(text: str | None) -> dict[str, Header] | None:
    if text is None:
        return None
    try:
        versions, entries = json.loads(text)
        return _headers([frozenset(map(tuple, some)) for some in versions], entries)
    except (ValueError, TypeError, LookupError, AttributeError):
        return None  # sealed, so another program's


def _text(found: Mapping[str, Header]) -> str:
    """Return headers as JSON. Many libraries need the same versions: those are listed once."""
    versions: dict[frozenset[tuple[str, str]], int] = {}
    entries = {
        path: header
        if isinstance(header, str)
        else [_values(part, versions.setdefault(part.versions, len(versions))) for part in header]
        for path, header in found.items()
    }
    listed = [sorted(some) for some in versions]
    return json.dumps([listed, entries], ensure_ascii=False, separators=(",", ":"))


def _values(part: Binary, versions: int) -> list[Any]:
    return [
        *(part.format.value, part.machine, part.name),
        *(part.needed, part.search, part.oldest_macos, versions),
    ]


def _headers(
    versions: list[frozenset[tuple[str, str]]], entries: dict[str, Any]
) -> dict[str, Header]:
    return {
        path: entry if isinstance(entry, str) else tuple(_binary(part, versions) for part in entry)
        for path, entry in entries.items()
    }


def _binary(values: list[Any], versions: list[frozenset[tuple[str, str]]]) -> Binary:
    name_of_format, machine, name, needed, search, oldest_macos, number = values
    return Binary(
        format=Format(name_of_format),
        machine=machine,
        name=name,
        needed=tuple(needed),
        search=tuple(search),
        versions=versions[number],
        oldest_macos=(oldest_macos[0], oldest_macos[1]) if oldest_macos else None,
    )
