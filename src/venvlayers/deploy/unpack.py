"""Unpacking a layer's archive, whoever made it, without leaving the destination.

Every member is checked before anything is written for it, and written by us:
nothing that `tarfile` would do on extraction happens. A layer appears whole, by
one rename. What an archive of ours never has is refused.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Self

import zstandard

from venvlayers.errors import UnpackError
from venvlayers.files import private_directory, replace_directory, sha256_file
from venvlayers.publish.links import link_destination

_LARGEST_WINDOW = 1 << 27
_CHUNK = 1 << 20
_END_OF_ARCHIVE = 2 * tarfile.BLOCKSIZE
_EXTENDED = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
_LONGEST_EXTENSION = 1 << 16  # ours hold a name and a link
_SPECIAL_BITS = 0o7000
_LATEST = 1 << 33  # what an ordinary header can hold
_SENTINEL = b"end of file, and no frame was cut short"


def unpack(
    archive: Path, destination: Path, *, expected_sha256: str | None = None, replace: bool = False
) -> Path:
    """Unpack a layer into the directory *destination*, beside other layers; return its directory.

    Args:
        archive: A ``.tar.zst`` file.
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
        with private_directory(destination) as private:
            name = _Unpacking(archive, private).run()
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
    except (tarfile.TarError, zstandard.ZstdError, ValueError, RecursionError) as error:
        # tarfile goes one level deeper for each extended header, and decodes as it goes.
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


class _BoundedInfo(tarfile.TarInfo):
    """A member's header; extended ones, which `tarfile` reads into memory, are bounded."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Parse a header block."""
        info = super().frombuf(buf, encoding, errors)
        if info.type in _EXTENDED and info.size > _LONGEST_EXTENSION:
            raise tarfile.ReadError("an extended header is too long")
        return info


class _Unpacking:
    """One archive on its way into a private directory."""

    def __init__(self, archive: Path, private: Path) -> None:
        self._archive = archive
        self._private = private
        self._kinds: dict[str, bytes] = {}  # the type of every member so far
        self._times: list[tuple[Path, int]] = []

    def run(self) -> str:
        """Unpack everything; return the name of the one directory that it is in."""
        with self._archive.open("rb") as file:
            stream = _Stream(file)
            with tarfile.open(
                fileobj=stream, mode="r|", encoding="utf-8", errors="strict", tarinfo=_BoundedInfo
            ) as tar:
                while member := tar.next():
                    self._check(member)
                    self._write(tar, member)
                    tar.members.clear()  # type: ignore[attr-defined] # it would keep every one
                stream.check_end(tar.offset)
        if not self._kinds:
            raise UnpackError(f"{self._archive.name} is empty")
        # Backwards: a directory's time changes when something is put into it.
        for path, mtime in reversed(self._times):
            os.utime(path, (mtime, mtime))
        return next(iter(self._kinds))

    def _check(self, member: tarfile.TarInfo) -> None:
        if member.type not in (tarfile.DIRTYPE, tarfile.REGTYPE, tarfile.SYMTYPE):
            self._refuse(member, "is neither a file, a directory nor a symlink")
        if member.issparse() or member.mode & _SPECIAL_BITS:
            self._refuse(member, "is sparse, or has special permissions")
        if not 0 <= member.mtime < _LATEST:
            self._refuse(member, "has an impossible time")
        if not _is_plain(member.name):
            self._refuse(member, "has a name that may leave the destination")
        if member.name in self._kinds:
            self._refuse(member, "occurs twice")
        parent, separator, _name = member.name.rpartition("/")
        if not separator and (self._kinds or not member.isdir()):
            self._refuse(member, "is not in the layer's directory")
        if separator and self._kinds.get(parent) != tarfile.DIRTYPE:
            self._refuse(member, "is below something that is no directory of the archive")
        if member.issym() and link_destination(member.name, member.linkname) is None:
            self._refuse(member, f"is a symlink out of the destination, to {member.linkname!r}")
        self._kinds[member.name] = member.type

    def _refuse(self, member: tarfile.TarInfo, why: str) -> None:
        raise UnpackError(
            f"{self._archive.name}: {member.name!r} {why}",
            hint="do not use this archive: no layer that was published here contains such a thing",
        )

    def _write(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        path = self._private / member.name
        if member.isdir():
            path.mkdir()
            self._times.append((path, int(member.mtime)))
        elif member.issym():
            path.symlink_to(member.linkname)
            if os.utime in os.supports_follow_symlinks:
                os.utime(path, (int(member.mtime), int(member.mtime)), follow_symlinks=False)
        else:
            _write_file(path, tar.extractfile(member), executable=bool(member.mode & 0o100))
            os.utime(path, (int(member.mtime), int(member.mtime)))


def _write_file(path: Path, content: IO[bytes] | None, *, executable: bool) -> None:
    # The user's umask decides about others, as it does with tar.
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o777 if executable else 0o666)
    with open(handle, "wb") as file:  # noqa: PTH123 - a descriptor has no path
        if content:
            shutil.copyfileobj(content, file, _CHUNK)


def _is_plain(name: str) -> bool:
    if name.startswith("/") or set(name) & set("\\\0") or (sys.platform == "win32" and ":" in name):
        return False
    return all(part not in ("", ".", "..") for part in name.split("/"))


class _Stream(io.RawIOBase):
    """The uncompressed tar, as a file object for `tarfile`.

    libzstd's reader takes the end of the file for the end of the stream, also in
    the middle of a frame. So we put a frame of our own behind the file: it comes
    out only if every frame before it is complete.
    """

    def __init__(self, file: IO[bytes]) -> None:
        decompressor = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW)
        sentinel = zstandard.ZstdCompressor().compress(_SENTINEL)
        source = _Chained(file, sentinel)
        self._reader = decompressor.stream_reader(source, read_across_frames=True)  # type: ignore[arg-type]
        self._size = 0
        self._tail = b""

    def read(self, size: int = -1) -> bytes:
        """Return up to *size* bytes, and remember the last ones."""
        data = self._reader.read(size)
        self._size += len(data)
        self._tail = (self._tail + data)[-_END_OF_ARCHIVE - len(_SENTINEL) :]
        return data

    def check_end(self, end: int) -> None:
        """Raise `tarfile.ReadError` unless the tar ends at *end*, and nothing follows."""
        while self.read(_CHUNK):
            pass
        expected = bytes(_END_OF_ARCHIVE) + _SENTINEL
        if self._size != end + len(expected) or self._tail != expected:
            raise tarfile.ReadError("it does not end as it should")


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
