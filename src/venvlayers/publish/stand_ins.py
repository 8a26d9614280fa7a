"""What is compressed in place of a layer's name, so that no file has anything to do with it.

For most levels it is the same for all parts of a tar. Where three equal bytes are a match
(libzstd from level 18 on), a large package has somewhere three of nearly any 96; so one is chosen
for each part of which no three are near a name, in large parts with few different threes.
Why a frame that was made so fits all names is told in `nameless.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import TYPE_CHECKING

from venvlayers.publish.canonical_tar import BEFORE_NAME, BEHIND_NAME, NAME_SIZE

if TYPE_CHECKING:
    from venvlayers.publish.canonical_tar import TarPart

# No byte of it is there twice, and none is in any name.
STAND_IN = bytes(sorted(range(128, 256), key=lambda n: sha256(bytes([n])).digest())[:NAME_SIZE])
"""What stands for a name in a frame that is kept, and is compressed at most levels."""

_SMALL = 512 << 10
"""What libzstd 1.5 has compressed by no thread (`ZSTDMT_JOBSIZE_MIN`): see `begin_with_name`."""
# After so many bytes a stand-in repeats itself in large parts. With fewer that would be cheaper to
# write than a reference to the first one; more have more different threes.
_PERIOD = 4
_CANDIDATES = 64
_NEAR = 1 << 18
"""How far back libzstd 1.5 looks for as few as three bytes (`ZSTD_insertBtAndGetAllMatches`), but
where the last references went, which is left to the proof."""


def stand_in_for(part: TarPart) -> bytes:
    """Return a stand-in for a part whose names are to be blanked; empty if none was found.

    The same for the same part, whatever the layer is called. Reads the part, more than once if
    need be.

    Raises:
        PublishError: As for `TarPart.chunks`.
    """
    period = NAME_SIZE if part.size <= _SMALL else _PERIOD
    return next(
        (one for one in _candidates(period) if not _is_near_a_name(_threes(one), part)), b""
    )


def _candidates(period: int) -> Iterator[bytes]:
    for number in range(_CANDIDATES):
        shuffled = sorted(range(128, 256), key=lambda n: sha256(bytes([number, n])).digest())
        yield bytes(shuffled[:period]) * (NAME_SIZE // period)


def _threes(stand_in: bytes) -> list[bytes]:
    """Return every three bytes that a header has of a stand-in, with what is beside it."""
    text = BEFORE_NAME[-2:] + stand_in + BEHIND_NAME[:2]
    return sorted({text[begin : begin + 3] for begin in range(len(text) - 2)})


def _is_near_a_name(threes: list[bytes], part: TarPart) -> bool:
    # Three bytes of which two chunks have a share are missed: the proof would find them.
    return any(three in near for near in _near_names(part) for three in threes)


def _near_names(part: TarPart) -> Iterator[bytes]:
    """Yield what of a part is so near behind a name that libzstd could refer to that, or more."""
    places = part.name_places()
    place, near_until, end = next(places, part.size), 0, 0
    for chunk in part.chunks():  # the same ones whatever a file system gives at a time
        begin, end = end, end + len(chunk)
        while place < end:
            near_until = place + NAME_SIZE + _NEAR
            place = next(places, part.size)
        yield chunk[: max(near_until - begin, 0)]
