"""Frames that are the same whatever the layer is called, and are given its name when written.

A part of the tar is compressed with a stand-in at every place where the layer's name
belongs. The stand-in is nowhere else, so all of its places but the first become
references to that one, which is in the frame as it is: written over it, the name is
everywhere. This holds because of how compressors work, not by any promise of theirs, so
it is proven for each frame: it is unpacked with another stand-in. Where it does not
hold, a frame is made for the one name.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import zstandard

from venvlayers.publish.canonical_tar import NAME_SIZE

if TYPE_CHECKING:
    from venvlayers.cache.entry import StoredFrame
    from venvlayers.publish.canonical_tar import TarPart

NAME_AT = "name_at"
"""The fact about a stored frame that says where its stand-in is."""

STAND_IN = b"".join(hashlib.sha256(b"no layer %d" % n).digest() for n in range(3))[:NAME_SIZE]

# Differs from the other in every byte, and no two places have the same two bytes. So if what was
# compressed with the one unpacks with the other to what it should, each byte of each name
# comes from its own place in the first, and nothing else comes from there.
_OTHER = bytes(byte ^ (1 + place) for place, byte in enumerate(STAND_IN))
_AT_ONCE = 128 << 10  # unpacks to some MB at most


class Blanks:
    """A part's bytes with a stand-in for every name, and what proves that it can be replaced."""

    def __init__(self, part: TarPart) -> None:
        self._size = part.size
        self._places = part.name_places()
        self._next = next(self._places)
        self._position = 0
        self._expected = self._found = 0
        self._unpacked = 0
        self._decoder = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()

    def blank(self, chunk: bytes) -> bytes:
        """Return the next bytes of the part, some blocks of the tar, without names."""
        places = list(self._places_in(len(chunk)))
        self._position += len(chunk)
        other = _filled(chunk, places, _OTHER)
        self._expected = zlib.crc32(other, self._expected)
        return _filled(other, places, STAND_IN)

    def compressed(self, data: bytes) -> None:
        """Take note of more of the frame; its beginning has the stand-in."""
        if not self._unpacked:
            data = data.replace(STAND_IN, _OTHER)
        view = memoryview(data)
        for begin in range(0, len(data), _AT_ONCE):
            found = self._decoder.decompress(view[begin : begin + _AT_ONCE])
            self._found = zlib.crc32(found, self._found)
            self._unpacked += len(found)

    def are_proven(self) -> bool:
        """Tell whether the frame, which is complete, has no trace of the stand-in but the one."""
        return (self._unpacked, self._found) == (self._size, self._expected)

    def _places_in(self, size: int) -> Iterator[int]:
        while self._next < self._position + size:
            yield self._next - self._position
            self._next = next(self._places, self._size)


def _filled(chunk: bytes, places: list[int], name_field: bytes) -> bytes:
    if not places:
        return chunk
    filled = bytearray(chunk)
    for place in places:
        filled[place : place + NAME_SIZE] = name_field
    return bytes(filled)


def place_in(begin: bytes) -> int:
    """Return where a frame that begins so has its stand-in, -1 if not at exactly one place."""
    return begin.find(STAND_IN) if begin.count(STAND_IN) == 1 else -1


def named(stored: StoredFrame, name_field: bytes) -> Iterator[bytes]:
    """Yield a stored frame in pieces, with what stands for the layer's name.

    Raises:
        OSError: It cannot be read any more.
    """
    chunks = stored.chunks()
    yield with_name(next(chunks, b""), stored.facts[NAME_AT], name_field)
    yield from chunks


def with_name(begin: bytes, place: int, name_field: bytes) -> bytes:
    """Return what a frame begins with, with a name."""
    return begin[:place] + name_field + begin[place + len(name_field) :]


def is_nameless(stored: StoredFrame) -> bool:
    """Tell whether a stored frame has its stand-in where it says."""
    place = stored.facts.get(NAME_AT)
    begin = next(stored.chunks(), b"")
    return isinstance(place, int) and begin[place : place + NAME_SIZE] == STAND_IN
