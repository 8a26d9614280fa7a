"""Frames that are the same whatever the layer is called, and are given its name when written.

A part of the tar is compressed with a stand-in at every place where the layer's name
belongs. The stand-in is nowhere else, so all of its places but the first become
references to that one, which is in the frame as it is: written over it, the name is
everywhere. The checksum at the end of the frame depends on the name, and is replaced too.

This holds because of how compressors work, not by any promise of theirs, so it is proven
for each frame: with the name it has to unpack to what its checksum says. Where it does
not, a frame is made for the one name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import TYPE_CHECKING

import zstandard

from venvlayers.publish.canonical_tar import NAME_SIZE

if TYPE_CHECKING:
    from venvlayers.cache.entry import StoredFrame
    from venvlayers.publish.canonical_tar import TarPart

NAME_AT = "name_at"
"""The fact about a stored frame that says where its stand-in is."""

# No byte of it is there twice, and none is in any name. So if what was compressed with it unpacks
# with a name to what it should, each byte of each name comes from its own place in the first,
# and nothing else comes from there.
STAND_IN = bytes(sorted(range(128, 256), key=lambda n: sha256(bytes([n])).digest())[:NAME_SIZE])
"""What is compressed in place of a name."""

_CHECKSUM_SIZE = 4  # RFC 8878, 3.1.1
_AT_ONCE = 128 << 10  # unpacks to some MB at most
_WINDOW = 128 << 20


class Checksum:
    """What a zstd frame with the given content ends with: the low bytes of its XXH64."""

    def __init__(self) -> None:
        # Nobody else here computes it. Levels below 0 look for almost nothing: 1.5 GB/s.
        parameters = zstandard.ZstdCompressionParameters.from_level(-100_000, write_checksum=1)
        self._stream = zstandard.ZstdCompressor(compression_params=parameters).compressobj()

    def update(self, data: bytes) -> None:
        """Take more of the content."""
        self._stream.compress(data)

    def digest(self) -> bytes:
        """Return the checksum of all there was; to be asked for once."""
        return self._stream.flush()[-_CHECKSUM_SIZE:]


class Blanks:
    """Takes the names out of a part."""

    def __init__(self, part: TarPart) -> None:
        self._places = part.name_places()
        self._next = next(self._places)
        self._position, self._end = 0, part.size

    def blank(self, chunk: bytes) -> bytes:
        """Return the next bytes of the part, some blocks of the tar, without names."""
        end = self._position + len(chunk)
        if self._next >= end:
            self._position = end
            return chunk
        blank = bytearray(chunk)
        while self._next < end:
            place = self._next - self._position
            blank[place : place + NAME_SIZE] = STAND_IN
            self._next = next(self._places, self._end)
        self._position = end
        return bytes(blank)


class Proof:
    """Finds out whether a frame unpacks to what its checksum says; never fails."""

    def __init__(self, size: int) -> None:
        self._left = size
        self._decoder = zstandard.ZstdDecompressor(max_window_size=_WINDOW).decompressobj()

    def add(self, data: bytes) -> None:
        """Take more of the frame."""
        try:
            for content in _unpacked(self._decoder, data):
                self._left -= len(content)
        except zstandard.ZstdError:
            self._left = -1

    def holds(self) -> bool:
        """Tell whether the frame, which is complete, is right."""
        return self._left == 0 and self._decoder.eof


def place_in(begin: bytes) -> int:
    """Return where a frame that begins so has its stand-in, -1 if not at exactly one place."""
    return begin.find(STAND_IN) if begin.count(STAND_IN) == 1 else -1


def is_nameless(stored: StoredFrame) -> bool:
    """Tell whether a stored frame has its stand-in where it says."""
    place = stored.facts.get(NAME_AT)
    begin = next(stored.chunks(), b"")
    return isinstance(place, int) and begin[place : place + NAME_SIZE] == STAND_IN


def checksum_of(stored: StoredFrame, name_field: bytes) -> bytes:
    """Return the checksum of what a stored frame unpacks to, with a name.

    Raises:
        OSError: It cannot be read any more.
        zstandard.ZstdError: It is no frame.
    """
    checksum = Checksum()
    # Its own is that of the stand-in; the decoder does not get to see it.
    chunks = _first(with_name(stored, name_field, b""), stored.size - _CHECKSUM_SIZE)
    decoder = zstandard.ZstdDecompressor(max_window_size=_WINDOW).decompressobj()
    for chunk in chunks:
        for content in _unpacked(decoder, chunk):
            checksum.update(content)
    return checksum.digest()


def with_name(stored: StoredFrame, name_field: bytes, checksum: bytes) -> Iterator[bytes]:
    """Yield a stored frame in pieces, with what stands for the layer's name, and a checksum.

    Raises:
        OSError: It cannot be read any more.
    """
    place, end, begin = stored.facts[NAME_AT], stored.size - len(checksum), 0
    for chunk in stored.chunks():
        named = written_over(chunk, place - begin, name_field)
        yield written_over(named, end - begin, checksum)
        begin += len(chunk)


def written_over(data: bytes, place: int, what: bytes) -> bytes:
    """Return *data* with *what* at a place, of which any part may be outside of it."""
    begin, end = max(place, 0), min(place + len(what), len(data))
    if begin >= end:
        return data
    return data[:begin] + what[begin - place : end - place] + data[end:]


def _unpacked(decoder: zstandard.ZstdDecompressionObj, data: bytes) -> Iterator[bytes]:
    for begin in range(0, len(data), _AT_ONCE):
        yield decoder.decompress(data[begin : begin + _AT_ONCE])


def _first(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    for chunk in chunks:
        yield chunk[: max(size, 0)]
        size -= len(chunk)
