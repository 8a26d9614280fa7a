"""Frames that are the same whatever the layer is called, and are given its name when written.

A part of the tar is compressed with a stand-in at every place where the layer's name
belongs. The stand-in is nowhere else, so all of its places but the first become
references to that one, which is in the frame as it is: written over it, the name is
everywhere. The checksum at the end of the frame depends on the name, and is replaced too.

This holds because of how compressors work, not by any promise of theirs, so it is proven
for each frame: with the layer's name as well as with `STAND_IN` it has to unpack to what its
checksum says. No byte of `STAND_IN` is there twice, and none is in a name. So a byte of a file
that came out of the name would be wrong with one of the two, as would a byte of a name that came
out of a file, or from another place in the name; and the frame is right with every name. Where it
is not, one is made for the one name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import IO, TYPE_CHECKING, cast

import zstandard

from venvlayers.publish.canonical_tar import NAME_SIZE
from venvlayers.publish.stand_ins import STAND_IN

if TYPE_CHECKING:
    from venvlayers.cache.entry import StoredFrame
    from venvlayers.publish.canonical_tar import TarPart

NAME_AT = "name_at"
"""The fact about a stored frame that says where `STAND_IN` is in it."""

_CHECKSUM_SIZE = 4  # RFC 8878, 3.1.1
_BLOCK_HEADER_SIZE = 3  # RFC 8878, 3.1.1.2
# A frame to be skipped (RFC 8878, 3.1.2): something is left when the one before it was read, and if
# that lacks its end, this is taken for it.
_BEHIND = b"\x50\x2a\x4d\x18" + bytes(4)
_AT_ONCE = 1 << 20
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
    """Puts a stand-in in the place of every name in a part."""

    def __init__(self, part: TarPart, stand_in: bytes) -> None:
        self._stand_in = stand_in
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
            blank[place : place + NAME_SIZE] = self._stand_in
            self._next = next(self._places, self._end)
        self._position = end
        return bytes(blank)


def begin_with_name(
    stream: zstandard.ZstdCompressionObj, blank: bytes, place: int
) -> tuple[bytes, int]:
    """Begin a frame with the first bytes of a part, so that the name in them is there as it is.

    If the frame is compressed by threads, its pieces of work do not depend on how earlier ones
    were compressed, so the one that is the stand-in can be replaced. A small frame is compressed
    by none: there it has to be one that does not compress, which libzstd writes like that itself.

    Args:
        stream: What compresses, to which nothing was given.
        blank: The bytes; the name is among them.
        place: Where it is.

    Returns:
        What the frame begins with, and where the stand-in is in that.
    """
    behind = place + NAME_SIZE
    before, stand_in = blank[:place], blank[place:behind]
    begin = stream.compress(before) + stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    stream.compress(stand_in)
    stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    raw_block = (NAME_SIZE << 3).to_bytes(_BLOCK_HEADER_SIZE, "little") + stand_in
    rest = stream.compress(blank[behind:])
    return begin + raw_block + rest, len(begin) + _BLOCK_HEADER_SIZE


def is_right(frame: Iterable[bytes], size: int) -> bool:
    """Tell whether a frame unpacks to *size* bytes with its checksum."""
    try:
        return sum(map(len, _unpacked(chain(frame, [_BEHIND])))) == size
    except zstandard.ZstdError:
        return False


def is_nameless(stored: StoredFrame) -> bool:
    """Tell whether a stored frame has `STAND_IN` where it says."""
    place = stored.facts.get(NAME_AT)
    begin = next(stored.chunks(), b"")
    return isinstance(place, int) and begin[place : place + NAME_SIZE] == STAND_IN


def checksum_of(stored: StoredFrame, name_field: bytes) -> bytes:
    """Return the checksum of what a stored frame unpacks to, with a name.

    Raises:
        OSError: It cannot be read any more.
        zstandard.ZstdError: It is no frame, or not of as much as was noted.
    """
    checksum, size = Checksum(), 0
    # Its own is that of the stand-in; the decoder does not get to see all of it.
    for content in _unpacked(_first(with_name(stored, name_field, b""), stored.size - 1)):
        checksum.update(content)
        size += len(content)
    if size != stored.facts.get("tar_size"):
        raise zstandard.ZstdError(f"unpacks to {size} bytes")
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


def _unpacked(frame: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what a frame unpacks to, in pieces that are small, as 1 GB of zeros is not.

    There has to be something behind the last block, or a part of that may be missing: when its
    input is used up, the reader takes no more out of the decoder.

    Raises:
        zstandard.ZstdError: It is no frame, or its checksum is wrong.
    """
    decoder = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
    chunks = cast("IO[bytes]", _Chunks(frame))  # of a file nothing but `read` is called
    with decoder.stream_reader(chunks) as reader:
        while content := reader.read(_AT_ONCE):
            yield content


class _Chunks:
    """Bytes that come in pieces, to be read like a file."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)

    def read(self, _size: int) -> bytes:
        """Return the next piece, whatever its size; none at the end."""
        return next(self._chunks, b"")


def _first(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    for chunk in chunks:
        yield chunk[: max(size, 0)]
        size -= len(chunk)
