"""What an archive format is: the contract that ours and those of plugins keep.

A format packs a planned list of entries into one file. It does not decide what
goes in (`contents.py`), where the file ends up, or what is said about it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from venvlayers.errors import PublishError
from venvlayers.values import frozen

if TYPE_CHECKING:
    from venvlayers.publish.contents import LayerContents
    from venvlayers.publish.frames import KnownFrames

VERSION = 3
"""Of the canonical form of a tar: another one makes other bytes of the same contents."""

EPOCH = 1580601600
"""2020-02-02, the time of everything unless told otherwise: what hatchling gives to wheels."""

Codec = Mapping[str, str | int]
"""How an archive was compressed: all that decides about its bytes, besides what is in it."""


@frozen
class Frame:
    """A part of an archive that can be unpacked on its own.

    Attributes:
        name: The distribution in it, which has several if it brings very large files; ``.`` for
            directories and links, ``./<directory>`` for other files of the layer's own, and
            ``.end`` for the end-of-archive blocks.
        offset: Where it begins in the file.
        size: Its bytes in the file.
        tar_offset: Where its content begins in the uncompressed tar.
        tar_size: Its bytes there.
    """

    name: str
    offset: int
    size: int
    tar_offset: int
    tar_size: int


@frozen
class WrittenArchive:
    """An archive that is complete.

    Attributes:
        path: The file.
        size: Its bytes.
        sha256: Its digest in hexadecimal.
        frames: Its parts in order; empty if the format has none.
        codec: How it was compressed.
    """

    path: Path
    size: int
    sha256: str
    frames: tuple[Frame, ...]
    codec: Codec


def check_level(format_name: str, level: int, levels: range, default: int) -> None:
    """Make sure that a format has a level.

    Raises:
        PublishError: It has not.
    """
    if level not in levels:
        raise PublishError(
            f"{format_name} has levels {levels[0]} to {levels[-1]}, not {level}",
            hint=f"leave the level out for the usual one, {default}",
        )


def best_level(archive_format: ArchiveFormat) -> int:
    """Return how hard a format compresses at its best.

    Raises:
        PublishError: It does not say: formats of plugins may be older than the question.
    """
    try:
        return archive_format.best_level
    except AttributeError as error:
        raise PublishError(
            f"the archive format {archive_format.name} does not say which level is its best",
            hint="name one: --compression-level, or `compression-level` of the stack",
        ) from error


class ArchiveFormat(Protocol):
    """A way to pack layers. Equal arguments give equal bytes, on every machine."""

    name: str
    """What users call it, such as ``tar.zst``."""

    suffix: str
    """What its files end with, such as ``.tar.zst``."""

    default_level: int
    """How hard it compresses unless told otherwise."""

    best_level: int
    """How hard it compresses for a release, when only size and the speed of unpacking count."""

    def codec(self, level: int) -> Codec:
        """Return what `write` would record. Called before every decision to write.

        Raises:
            PublishError: There is no such level.
        """

    def write(
        self,
        contents: LayerContents,
        place: Path,
        *,
        level: int,
        advance: Callable[[int], None],
        frames: KnownFrames,
    ) -> WrittenArchive:
        """Pack *contents* into the new file *place*.

        `canonical_tar.tar_parts` gives the tar. Memory must not grow with the size of files.

        Args:
            contents: What to pack.
            place: The file; it does not exist. The caller removes it if this fails.
            level: How hard to compress.
            advance: To be called with the bytes of the canonical tar as they are done.
            frames: What parts of the tar compress to, where that is known. A format that
                compresses them one by one may take it from there, and should leave it there.

        Raises:
            PublishError: A file cannot be read, or changes while it is read.
            OSError: *place* cannot be written; the caller says what to do.
        """
