"""Archives whose digests we know without reading them, because nobody touched them since.

A file that was changed has another size, other times or another inode: nobody can set the
time at which its status changed (``st_ctime``) back, which a change of content sets too. On
Windows, which has no such time, it is the other three. What is known lies with the builds.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from pathlib import Path

from venvlayers.files import (
    Status,
    file_status,
    json_text,
    read_record,
    settles_at,
    sha256_file,
    write_text,
)
from venvlayers.values import frozen

_VERSION = 1
_PATIENCE = 100_000_000
"""Nanoseconds to wait at most for a status to settle, before it is not relied on."""


@frozen
class Seen:
    """A file as it was when its digest was computed.

    Attributes:
        sha256: The digest, in hexadecimal.
        status: What tells that it did not change.
        was_read: Whether the file was read just now; else the status was believed.
    """

    sha256: str
    status: Status
    was_read: bool = field(default=True, compare=False)


def look_at(path: Path, before: Seen | None = None) -> Seen | None:
    """Return a file with its digest, which is computed if its status is not as *before*.

    Returns:
        None if there is no such file, or it may not be read.

    Raises:
        OSError: It cannot be read for another reason.
    """
    try:
        if not path.is_file():
            return None
        status = file_status(path)
        if before is not None and before.status == status:
            return replace(before, was_read=False)
        return Seen(sha256=sha256_file(path).removeprefix("sha256:"), status=status)
    except (FileNotFoundError, PermissionError):
        return None


def look_at_all(paths: Iterable[Path], before: Mapping[str, Seen]) -> dict[str, Seen]:
    """Return the files that are there, by name, each as `look_at` finds it.

    Raises:
        OSError: One cannot be read.
    """
    listed = list(paths)

    def look(path: Path) -> Seen | None:
        return look_at(path, before.get(path.name))

    if all(_is_as_before(path, before) for path in listed):
        found: Iterable[Seen | None] = map(look, listed)
    else:
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - it costs 5 ms

        with ThreadPoolExecutor() as pool:  # reading and hashing leave Python's lock alone
            found = list(pool.map(look, listed))
    return {path.name: seen for path, seen in zip(listed, found, strict=True) if seen}


def _is_as_before(path: Path, before: Mapping[str, Seen]) -> bool:
    known = before.get(path.name)
    try:
        return known is not None and path.is_file() and file_status(path) == known.status
    except OSError:
        return False


def read_seen(state_file: Path) -> dict[str, Seen]:
    """Return what is known of files, by name; nothing if that is damaged or of another version.

    Raises:
        OSError: The file is there and cannot be read.
    """
    try:
        return {
            name: Seen(sha256=digest, status=tuple(status), was_read=False)
            for name, (digest, status) in read_record(state_file, _VERSION).get("files", {}).items()
        }
    except (ValueError, TypeError, AttributeError):
        return {}


def write_seen(state_file: Path, files: Mapping[str, Seen]) -> None:
    """Record *files* whose status can be relied on, and forget all others.

    Raises:
        OSError: The file cannot be written; it is as it was.
    """
    now = time.time_ns()
    listed = {
        name: [seen.sha256, seen.status]
        for name, seen in files.items()
        if settles_at(seen.status) < now
    }
    write_text(state_file, json_text({"version": _VERSION, "files": listed}))


def remember_new(state_file: Path, digests: Mapping[Path, str], others: Mapping[str, Seen]) -> None:
    """Record files that were just put in place; those that are not settled soon are left out.

    Args:
        state_file: Where to.
        digests: SHA-256 of each new file, in hexadecimal.
        others: What else is to be recorded, by name.

    Raises:
        OSError: A file is not there, or the record cannot be written.
    """
    new = {
        path.name: Seen(sha256=digest, status=file_status(path)) for path, digest in digests.items()
    }
    files = {**others, **new}
    waiting = max((settles_at(seen.status) for seen in files.values()), default=0) - time.time_ns()
    if 0 <= waiting < _PATIENCE:
        time.sleep((waiting + 1) / 1_000_000_000)
    write_seen(state_file, files)
