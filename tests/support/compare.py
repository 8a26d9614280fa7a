"""Comparing archives that ought to be equal, and saying where they are not."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import zstandard

from venvlayers.files import sha256_file

_CHUNK = 1 << 20
_AROUND = 16


def assert_same_archives(first: Path, second: Path) -> None:
    """Assert that two archives are equal to the byte.

    The failure names the first member that differs, the byte in it, and what is
    around that byte in both. Reads ``.tar.zst`` and ``.tar``.
    """
    if sha256_file(first) == sha256_file(second):
        return
    place = _first_difference(_tar_chunks(first), _tar_chunks(second))
    if place is None:
        at = _first_difference(_file_chunks(first), _file_chunks(second))
        raise AssertionError(f"{first} and {second} hold the same tar, and differ at byte {at}")
    raise AssertionError(f"archives differ\n{_place(first, place)}\n{_place(second, place)}")


def tar_bytes(archive: Path) -> bytes:
    """Return the uncompressed tar."""
    return b"".join(_tar_chunks(archive))


def _open_tar(archive: Path, file: IO[bytes]) -> IO[bytes]:
    if archive.suffix != ".zst":
        return file
    return zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)


def _tar_chunks(archive: Path) -> Iterator[bytes]:
    with archive.open("rb") as file, _open_tar(archive, file) as stream:
        while chunk := stream.read(_CHUNK):
            yield chunk


def _file_chunks(archive: Path) -> Iterator[bytes]:
    with archive.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _first_difference(first: Iterator[bytes], second: Iterator[bytes]) -> int | None:
    offset = 0
    left, right = b"", b""
    while True:
        left, right = left or next(first, b""), right or next(second, b"")
        common = min(len(left), len(right))
        if left[:common] != right[:common]:
            pairs = zip(left, right, strict=False)
            return offset + next(at for at, (a, b) in enumerate(pairs) if a != b)
        if not common:
            return offset if left or right else None
        offset += common
        left, right = left[common:], right[common:]


def _place(archive: Path, offset: int) -> str:
    data = tar_bytes(archive)
    around = data[max(0, offset - _AROUND) : offset + _AROUND]
    return f"  {archive}: byte {offset}, {_member_at(archive, offset)}: {around!r}"


def _member_at(archive: Path, offset: int) -> str:
    found = "before the first member"
    with (
        archive.open("rb") as file,
        _open_tar(archive, file) as stream,
        tarfile.open(fileobj=stream, mode="r|") as tar,
    ):
        for member in tar:
            if member.offset > offset:
                break
            part = "header" if offset < member.offset_data else "content"
            start = member.offset if part == "header" else member.offset_data
            found = f"{part} of {member.name!r} at {offset - start}"
    return found
