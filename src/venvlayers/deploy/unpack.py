"""Unpacking a layer's archive, whoever made it, without leaving the destination.

A layer appears whole, by one rename, or not at all. `tar_members.py` and
`zip_members.py` read archives; `members.py` decides what may be in one.
"""

from __future__ import annotations

import lzma
import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import zstandard

from venvlayers.deploy.members import Writer
from venvlayers.deploy.streams import ZIP_MAGIC, magic_of
from venvlayers.deploy.tar_members import write_tar_members
from venvlayers.deploy.zip_members import write_zip_members
from venvlayers.errors import UnpackError
from venvlayers.files import replace_directory, sha256_file
from venvlayers.transaction import staging_directory

_DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zstandard.ZstdError,
    lzma.LZMAError,
    zlib.error,
    ValueError,
    EOFError,
    NotImplementedError,  # a zip that needs a newer reader
    RecursionError,  # tarfile goes one level deeper for each extended header
)
"""How libraries say that an archive is not what they expected."""


def unpack(
    archive: Path, destination: Path, *, expected_sha256: str | None = None, replace: bool = False
) -> Path:
    """Unpack a layer into the directory *destination*, beside other layers; return its directory.

    Args:
        archive: A file in any of our formats, which its first bytes tell.
        destination: Where layers lie side by side; created if need be.
        expected_sha256: The archive's digest, from its metadata, with or without ``sha256:``.
        replace: Whether the layer may be there already, and is then replaced.

    Raises:
        UnpackError: The archive is damaged or dangerous, or the layer cannot be written;
            what was there before is as it was.
    """
    with _explained(archive, destination):
        if expected_sha256 is not None:
            _verify(archive, expected_sha256)
        with staging_directory(destination, purpose="unpack") as staging:
            private = staging / "unpacked"
            private.mkdir()
            name = _write_members(archive, private)
            place = destination / name
            if replace:
                replace_directory(private / name, place)
            elif os.path.lexists(place):
                raise UnpackError(
                    f"{place} is there already", hint="remove it first, or ask for a replacement"
                )
            else:
                (private / name).rename(place)
    return place


@contextmanager
def _explained(archive: Path, destination: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UnpackError(
            f"cannot unpack {archive} into {destination}: {error.strerror or error}",
            hint="the archive must be readable, and the destination writable with room to spare",
        ) from error
    except _DAMAGE as error:
        raise UnpackError(
            f"{archive.name} is damaged, or not a layer's archive: {error}",
            hint="fetch or publish it again",
        ) from error


def _verify(archive: Path, expected: str) -> None:
    found = sha256_file(archive).removeprefix("sha256:")
    if found != expected.removeprefix("sha256:").lower():
        raise UnpackError(
            f"{archive.name} is not what was published: its sha256 is {found}",
            hint="fetch it again, or take the manifest that belongs to it",
        )


def _write_members(archive: Path, private: Path) -> str:
    """Unpack everything into *private*; return the name of the one directory that it is in."""
    writer = Writer(archive.name, private)
    with archive.open("rb") as file:
        if magic_of(file).startswith(ZIP_MAGIC):
            write_zip_members(file, writer)
        else:
            write_tar_members(file, writer)
    return writer.finish()
