"""What we do to the file system: whole or not at all.

Outputs are made in a private directory beside their place and renamed into it,
so that a reader, or a second build, sees the old one or the new one and never
half of either. Names and orders here are never the file system's own.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

_CHUNK = 1 << 20

_TICK, _COARSE_TICK = 20_000_000, 2_000_000_000
"""Nanoseconds for which a later change may leave a file's times as they are: the most that a
kernel takes to count on, and what FAT has."""

Status = tuple[int, int, int, int]
"""Size, times of the last change of content and of status in nanoseconds, inode."""


def file_status(path: str | Path) -> Status:
    """Return what is different of a file that was changed, once its times are settled.

    Raises:
        OSError: There is no such file.
    """
    found = os.stat(path)  # noqa: PTH116 - 10,000 times
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def settles_at(status: Status) -> int:
    """Return the time, as `time.time_ns` has it, from which on a change shows in *status*."""
    newest = max(status[1], status[2])
    return newest + (_COARSE_TICK if newest % 10_000_000 == 0 else _TICK)


def os_reason(error: OSError) -> str:
    """Return why the operating system refused something, and where, in one short line."""
    if error.args and isinstance(error.args[0], list):
        # shutil.Error: copytree collects what it could not copy: [(source, target, reason), ...]
        _source, target, reason = error.args[0][0]
        return f"{reason} ({len(error.args[0])} files; the first is {target})"
    reason = error.strerror or str(error)
    return f"{reason}: {error.filename}" if error.filename else reason


def sha256_file(path: Path) -> str:
    """Return ``sha256:<hex>`` of a file's content."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return f"sha256:{digest.hexdigest()}"


def sha256_text(text: str) -> str:
    """Return ``sha256:<hex>`` of *text* in UTF-8."""
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def sha256_json(value: Any) -> str:
    """Return ``sha256:<hex>`` of a JSON value, independent of the order of keys.

    Lists and nesting are part of what is hashed: no two values share an encoding.
    """
    return sha256_text(json.dumps(value, sort_keys=True, separators=(",", ":")))


def json_text(value: Any) -> str:
    """Return *value* in our form of JSON: sorted keys, two spaces, a newline at the end."""
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def read_record(file: Path, version: int) -> dict[str, Any]:
    """Return the JSON object that we recorded in *file*, which has *version* in it.

    What another version of us recorded, a damaged file and none are an empty object.

    Raises:
        OSError: The file is there and cannot be read.
    """
    try:
        document: dict[str, Any] = json.loads(file.read_bytes())
        return document if document["version"] == version else {}
    except (FileNotFoundError, NotADirectoryError, ValueError, TypeError, KeyError):
        return {}


def write_text(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Write *text* in UTF-8 with its own line ends; the file is the old one or the new one.

    Raises:
        OSError: The directory is not writable, or full; the old file is still there.
    """
    from tempfile import mkstemp  # noqa: PLC0415 - not where nothing is written

    path.parent.mkdir(parents=True, exist_ok=True)
    handle, private = mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode())
        Path(private).chmod(mode)
        Path(private).replace(path)
    except BaseException:
        Path(private).unlink(missing_ok=True)
        raise


@contextmanager
def private_directory(parent: Path, *, prefix: str | None = None) -> Iterator[Path]:
    """Give a fresh directory under *parent*, and remove what is left of it in the end.

    It is on the same file system as *parent*, so that results can be renamed out of it.
    A *prefix* lets a later run recognise what a killed one left.
    """
    from tempfile import mkdtemp  # noqa: PLC0415 - not where nothing is written

    parent.mkdir(parents=True, exist_ok=True)
    path = Path(mkdtemp(prefix=prefix, dir=parent))
    try:
        yield path
    finally:
        remove_tree(path)


def replace_directory(new: Path, place: Path) -> None:
    """Put directory *new* in the place of *place*, which may exist.

    A kill between the two renames leaves *place* absent, never half-filled.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.exists() or place.is_symlink():
        with private_directory(new.parent) as discarded:
            place.rename(discarded / "old")
            new.rename(place)
    else:
        new.rename(place)


def remove_tree(path: Path) -> None:
    """Remove a directory with everything in it, read-only entries included.

    Raises:
        OSError: Something in it cannot be removed all the same.
    """
    if path.exists():
        from shutil import rmtree  # noqa: PLC0415 - not where nothing is removed

        root = os.fspath(path)
        rmtree(root, onerror=partial(_unlock_and_retry, root))


def _unlock_and_retry(
    root: str, function: Callable[[str], object], path: str, _info: object
) -> None:
    from shutil import rmtree  # noqa: PLC0415 - not where nothing is removed

    if not os.path.lexists(path):
        return
    # The directory that the whole tree is in is not ours to change.
    inside = (os.path.dirname(path), path)  # noqa: PTH120 - rmtree speaks strings
    for entry in inside if path != root else (path,):
        if not os.path.islink(entry):  # noqa: PTH114
            os.chmod(entry, stat.S_IRWXU)  # noqa: PTH101
    if os.path.isdir(path) and not os.path.islink(path):  # noqa: PTH112, PTH114
        rmtree(path)
    else:
        function(path)


def walk_sorted(root: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield every entry below *root* with its relative ``/`` path, in the order of those paths.

    Symlinks are yielded, never followed. The order is that of the names, whatever
    order the file system lists them in.
    """
    yield from _walk(os.fspath(root), "")


def _walk(directory: str, prefix: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    with os.scandir(directory) as listing:
        entries = sorted(listing, key=lambda entry: entry.name)
    for entry in entries:
        relative = f"{prefix}{entry.name}"
        yield relative, entry
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path, f"{relative}/")


def sealed(directory: Path) -> str | None:
    """Return a digest of what a change to anything in *directory* changes; None if it is gone."""
    if not directory.is_dir():
        return None
    digest = hashlib.sha256()
    pending = [os.fspath(directory)]
    while pending:
        with os.scandir(pending.pop()) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
        for entry in entries:
            status = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                if entry.name == "__pycache__":
                    continue
                pending.append(entry.path)
                described = f"{entry.name}/"
            else:
                # The time of the inode changes whatever else somebody sets back.
                times = f"{status.st_mtime_ns} {status.st_ctime_ns}"
                described = f"{entry.name}\0{status.st_mode} {status.st_size} {times}"
            digest.update(described.encode("utf-8", "surrogateescape") + b"\n")
    return digest.hexdigest()
