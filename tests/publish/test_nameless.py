"""Frames with a place for a name: what is proven of them, and what they end with."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import zstandard

from venvlayers.cache.entry import StoredFrame
from venvlayers.cache.store import FrameStore
from venvlayers.publish.canonical_tar import NAME_SIZE
from venvlayers.publish.nameless import NAME_AT, Checksum, checksum_of, is_right
from venvlayers.publish.stand_ins import STAND_IN

NAME = b"app-one/".ljust(NAME_SIZE, b"\1")
SIZES = [NAME_SIZE, 1 << 20, (1 << 20) + 100, (1 << 20) + 441, 3 << 20]
"""Also such that little is left behind the last piece that is unpacked at once."""


def content(size: int, name: bytes) -> bytes:
    """Return bytes of which some are repeated."""
    text = random.Random(0).randbytes(1000)
    return (name + text * (size // len(text) + 1))[:size]


def packed(data: bytes) -> bytes:
    parameters = zstandard.ZstdCompressionParameters.from_level(3, write_checksum=1)
    return zstandard.ZstdCompressor(compression_params=parameters).compress(data)


def stored(store: FrameStore, size: int, tar_size: int | None = None) -> StoredFrame:
    frame = packed(content(size, STAND_IN))
    with store.new("0" * 64) as new:
        new.write(frame)
        return new.commit({"tar_size": tar_size or size, NAME_AT: frame.index(STAND_IN)})


@pytest.mark.parametrize("size", SIZES)
def test_the_checksum_is_that_of_the_content_with_the_name(tmp_path: Path, size: int) -> None:
    plain = Checksum()
    plain.update(content(size, NAME))
    assert packed(content(size, NAME)).endswith(digest := plain.digest())
    with stored(FrameStore(tmp_path), size) as frame:
        assert checksum_of(frame, NAME) == digest


def test_what_unpacks_to_less_than_was_noted_has_none(tmp_path: Path) -> None:
    with (
        stored(FrameStore(tmp_path), 1 << 20, 2 << 20) as frame,
        pytest.raises(zstandard.ZstdError, match="unpacks to 1048576 bytes"),
    ):
        checksum_of(frame, NAME)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("missing", [1, 4, 5, 50])
def test_a_frame_is_right_as_a_whole(size: int, missing: int) -> None:
    frame = packed(content(size, NAME))
    assert is_right([frame], size)
    assert is_right([frame[:7], frame[7:]], size)
    assert not is_right([frame], size - 1)
    assert not is_right([frame[:-missing]], size)
    assert not is_right([frame[:-missing], b"\xff" * missing], size)
