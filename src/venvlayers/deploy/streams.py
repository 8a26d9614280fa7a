"""The uncompressed tar of an archive, whatever it is compressed with, read as if it were hostile.

What it is compressed with is decided by its first bytes. A stream that is cut
short, damaged, or followed by something else is an error, and no window that
the archive asks for makes us take more memory than we mean to.
"""

from __future__ import annotations

import io
import lzma
import tarfile
import zlib
from collections.abc import Callable
from typing import IO, Protocol

import zstandard

ZIP_MAGIC = b"PK"
"""What a zip begins with, whatever its first record is."""

_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_GZIP_MAGIC = b"\x1f\x8b"
_XZ_MAGIC = b"\xfd7zXZ\x00"
_LARGEST_WINDOW = 1 << 27
_CHUNK = 1 << 20
_INPUT = 1 << 16  # zlib copies what it could not yet use
_END_OF_ARCHIVE = 2 * tarfile.BLOCKSIZE
_SENTINEL = b"end of file, and no frame was cut short"


def magic_of(file: IO[bytes]) -> bytes:
    """Return the first bytes of *file*, which is at its beginning afterwards."""
    magic = file.read(len(_XZ_MAGIC))
    file.seek(0)
    return magic


class TarStream(io.RawIOBase):
    """The uncompressed tar, as a file object for `tarfile`.

    Args:
        file: The archive, at its beginning; the caller closes it.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._reader, self._sentinel = _reader(file)
        self._size = 0
        self._tail = b""

    def read(self, size: int = -1) -> bytes:
        """Return up to *size* bytes, and remember the last ones."""
        data = self._reader.read(size)
        self._size += len(data)
        self._tail = (self._tail + data)[-_END_OF_ARCHIVE - len(self._sentinel) :]
        return data

    def check_end(self, end: int) -> None:
        """Raise `tarfile.ReadError` unless the tar ends at *end*, and nothing follows."""
        while self.read(_CHUNK):
            pass
        expected = bytes(_END_OF_ARCHIVE) + self._sentinel
        if self._size != end + len(expected) or self._tail != expected:
            raise tarfile.ReadError("it does not end as it should")


class _Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


def _reader(file: IO[bytes]) -> tuple[_Readable, bytes]:
    """Return what gives the tar, and what it gives behind the tar."""
    magic = magic_of(file)
    if magic.startswith(_ZSTD_MAGIC):
        return _zstd_reader(file), _SENTINEL
    if magic.startswith(_GZIP_MAGIC):
        return _Members(file, _GzipMember), b""
    if magic.startswith(_XZ_MAGIC):
        return _Members(file, _XzMember), b""
    return file, b""


def _zstd_reader(file: IO[bytes]) -> _Readable:
    # libzstd's reader takes the end of the file for the end of the stream, also in the
    # middle of a frame. So we put a frame of our own behind the file: it comes out only
    # if every frame before it is complete.
    decompressor = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW)
    source = _Chained(file, zstandard.ZstdCompressor().compress(_SENTINEL))
    return decompressor.stream_reader(source, read_across_frames=True)  # type: ignore[arg-type]


class _Chained:
    """A file with more bytes behind it."""

    def __init__(self, file: IO[bytes], more: bytes) -> None:
        self._file = file
        self._more = more

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        if not data:
            data, self._more = self._more, b""
        return data


class _Member(Protocol):
    """One compressed stream of several."""

    @property
    def eof(self) -> bool:
        """Whether it has ended."""

    @property
    def unused_data(self) -> bytes:
        """What was behind its end."""

    @property
    def is_hungry(self) -> bool:
        """Whether there is nothing to return without more of the file."""

    def feed(self, data: bytes) -> bytes:
        """Take more of the file, and return at most `_CHUNK` bytes of the tar."""


class _GzipMember:
    """A gzip member; zlib compares its CRC-32 and length at its end."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(16 + zlib.MAX_WBITS)

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data

    @property
    def is_hungry(self) -> bool:
        return not self._stream.unconsumed_tail

    def feed(self, data: bytes) -> bytes:
        return self._stream.decompress(self._stream.unconsumed_tail + data, _CHUNK)


class _XzMember:
    """An xz stream; liblzma compares its checks and its index."""

    def __init__(self) -> None:
        self._stream = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=2 * _LARGEST_WINDOW)

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data

    @property
    def is_hungry(self) -> bool:
        return self._stream.needs_input

    def feed(self, data: bytes) -> bytes:
        return self._stream.decompress(data, _CHUNK)


class _Members:
    """Several compressed streams, read as one; Python's own readers are lenient at their ends."""

    def __init__(self, file: IO[bytes], begin: Callable[[], _Member]) -> None:
        self._file = file
        self._begin = begin
        self._member = begin()
        self._rest = b""  # of the file, behind the last member that ended
        self._ready = io.BytesIO()  # of the tar; tarfile asks for 10 KB at a time

    def read(self, size: int = -1, /) -> bytes:
        while not (data := self._ready.read(size)):
            if self._member.eof and not self._next():
                return b""
            self._ready = io.BytesIO(self._member.feed(self._more()))
        return data

    def _more(self) -> bytes:
        data, self._rest = self._rest, b""
        if not data and self._member.is_hungry:
            data = self._file.read(_INPUT)
            if not data:
                raise tarfile.ReadError("it was cut short")
        return data

    def _next(self) -> bool:
        """Begin the next member; return False if there is none."""
        self._rest = self._member.unused_data or self._file.read(_INPUT)
        if self._rest:
            self._member = self._begin()
        return bool(self._rest)
