"""An entry of the store: one file with a payload, facts about it, and what proves both.

The payload comes first and what describes it last. So it is written in one go although
size and digest are known at its end, facts may be of any length, nothing is reserved,
and nothing is written twice. The end has a fixed size and says where the facts begin::

    payload | JSON: facts, key, sha256, size | "venvfrm", version, length of JSON, digest

The digest is over all from the JSON on. A change of any bit shows.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self, cast

PIECE = 1 << 20
"""How much is read at once, and the largest entry that is kept in memory."""

_MAGIC = b"venvfrm"
_VERSION = 1
_HEAD = struct.Struct(">7sBI")
_DIGEST_SIZE = 32
_END = _HEAD.size + _DIGEST_SIZE
_MOST_FACTS = 64 << 10
_TAIL = _MOST_FACTS + _END
_FIELDS = {"facts", "key", "sha256", "size"}


class DamagedEntryError(Exception):
    """A file is no entry, or not what it was when it was written."""


class NewerEntryError(Exception):
    """An entry has a format that a later release writes."""


class StoredFrame:
    """A payload that was found to be what was written, and stays readable until closed.

    Attributes:
        facts: What was said about it when it was written.
        size: Its bytes.
        sha256: Its digest, in hexadecimal.
    """

    __slots__ = ("_data", "_file", "facts", "sha256", "size")

    def __init__(
        self, described: Mapping[str, Any], *, data: bytes = b"", file: BinaryIO | None = None
    ) -> None:
        self.facts: Mapping[str, Any] = described["facts"]
        self.size: int = described["size"]
        self.sha256: str = described["sha256"]
        self._data = data
        self._file = file

    def chunks(self) -> Iterator[bytes]:
        """Yield the payload in pieces of at most 1 MiB, from its beginning.

        Not for two readers at the same time.

        Raises:
            OSError: It cannot be read any more.
            ValueError: The frame was closed.
        """
        if self._file is None:
            if self.size:
                yield self._data
            return
        yield from _pieces(self._file, self.size)

    def close(self) -> None:
        """Let go of the file; calling it twice does no harm."""
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def ending(described: Mapping[str, Any]) -> bytes:
    """Return what follows the payload in an entry: ``facts``, ``key``, ``sha256``, ``size``.

    Raises:
        ValueError: They are too long.
        TypeError: They are no JSON.
    """
    text = json.dumps(described, sort_keys=True, separators=(",", ":")).encode()
    if len(text) > _MOST_FACTS:
        raise ValueError(f"what is said of a frame takes {len(text)} bytes, not {_MOST_FACTS}")
    head = _HEAD.pack(_MAGIC, _VERSION, len(text))
    return text + head + hashlib.sha256(text + head).digest()


def open_entry(path: Path, key: str) -> StoredFrame:
    """Open and verify an entry, and mark it as used.

    One of less than 1 MiB is in memory then, and its file closed; a larger one is read
    for its digest in pieces.

    Raises:
        OSError: It is not there, or cannot be read.
        DamagedEntryError: It is not what was written, or not under this key.
        NewerEntryError: Its format is a later one.
    """
    file = cast("BinaryIO", path.open("rb", buffering=0))
    try:
        size = os.fstat(file.fileno()).st_size
        frame = _verified(file, size, key)
        _mark_as_used(path, file)
    except BaseException:
        file.close()
        raise
    if size <= PIECE:
        file.close()
    return frame


def _verified(file: BinaryIO, size: int, key: str) -> StoredFrame:
    if size <= PIECE:
        data = _read(file, size)
        described = _described(data, size, key)
        payload = data[: described["size"]]
        if hashlib.sha256(payload).hexdigest() != described["sha256"]:
            raise DamagedEntryError
        return StoredFrame(described, data=payload)
    file.seek(size - _TAIL)
    described = _described(_read(file, _TAIL), size, key)
    digest = hashlib.sha256()
    for piece in _pieces(file, described["size"]):
        digest.update(piece)
    if digest.hexdigest() != described["sha256"]:
        raise DamagedEntryError
    return StoredFrame(described, file=file)


def _described(tail: bytes, size: int, key: str) -> dict[str, Any]:
    """Return what the end of an entry of *size* bytes says, if it fits the entry and *key*."""
    if len(tail) < _END:
        raise DamagedEntryError
    head = tail[-_END:-_DIGEST_SIZE]
    magic, version, length = _HEAD.unpack(head)
    if magic != _MAGIC:
        raise DamagedEntryError
    if version > _VERSION:
        raise NewerEntryError
    text = tail[-_END - length : -_END]
    if len(text) != length or hashlib.sha256(text + head).digest() != tail[-_DIGEST_SIZE:]:
        raise DamagedEntryError
    described = _parsed(text)
    if (described["key"], described["size"]) != (key, size - length - _END):
        raise DamagedEntryError
    return described


def _parsed(text: bytes) -> dict[str, Any]:
    """Return what an entry says, if it is as `ending` writes it: whoever made it."""
    try:
        described: dict[str, Any] = json.loads(text)
        is_ours = described.keys() >= _FIELDS and isinstance(described["facts"], dict)
    except (ValueError, AttributeError, RecursionError) as error:
        raise DamagedEntryError from error
    if not is_ours:
        raise DamagedEntryError
    return described


def _read(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    while len(data) < size:
        more = file.read(size - len(data))
        if not more:
            raise OSError(errno.EIO, "shorter than it was", file.name)
        data += more
    return data


def _pieces(file: BinaryIO, size: int) -> Iterator[bytes]:
    file.seek(0)
    while size:
        yield _read(file, min(PIECE, size))
        size -= min(PIECE, size)


def _mark_as_used(path: Path, file: BinaryIO) -> None:
    """Set the time of the file, by which the least recently used one is known."""
    with contextlib.suppress(OSError):  # a cache that is read-only serves as it is
        os.utime(file.fileno() if os.utime in os.supports_fd else path)
