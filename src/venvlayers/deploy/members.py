"""What an archive has, checked member by member and written by us.

A member is checked against those before it, and only then is anything written
for it: nothing that an archive library would do on extraction happens. What an
archive of ours never has is refused, in whichever format it came.
"""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Never

from venvlayers.errors import UnpackError
from venvlayers.publish.contents import EntryKind
from venvlayers.publish.links import link_destination

LONGEST_TARGET = 1 << 12
"""No system has longer paths."""

_CHUNK = 1 << 20
_LATEST = 1 << 33  # what an ordinary header of a tar can hold


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One thing in an archive, as the archive says.

    Attributes:
        name: Relative to the destination, with ``/`` and without one at the end.
        kind: What it is; None if it is nothing that a layer has.
        executable: Whether its owner may run it.
        mtime: In seconds since 1970.
        target: What a symlink says.
        oddity: What else is against it.
    """

    name: str
    kind: EntryKind | None
    executable: bool
    mtime: float
    target: str = ""
    oddity: str | None = None


class Writer:
    """A private directory that an archive's members are written into.

    Args:
        archive: The archive's name, for messages.
        private: The directory; it is empty, and nobody else's.
    """

    def __init__(self, archive: str, private: Path) -> None:
        self._archive = archive
        self._private = private
        self._kinds: dict[str, EntryKind] = {}
        self._times: list[tuple[Path, int]] = []

    def write(self, member: Member, content: IO[bytes] | None) -> None:
        """Check *member*, and write it; *content* is that of a file.

        Raises:
            UnpackError: It is dangerous, or nothing that a layer has.
        """
        kind = self._checked(member)
        path = self._private / member.name
        if kind is EntryKind.DIRECTORY:
            path.mkdir()
            self._times.append((path, int(member.mtime)))
        elif kind is EntryKind.SYMLINK:
            path.symlink_to(member.target)
            if os.utime in os.supports_follow_symlinks:
                os.utime(path, (int(member.mtime), int(member.mtime)), follow_symlinks=False)
        else:
            _write_file(path, content, executable=member.executable)
            os.utime(path, (int(member.mtime), int(member.mtime)))

    def finish(self) -> str:
        """Set the times of directories; return the name of the one that everything is in.

        Raises:
            UnpackError: There was no member.
        """
        if not self._kinds:
            raise UnpackError(f"{self._archive} is empty", hint="fetch or publish it again")
        # Backwards: a directory's time changes when something is put into it.
        for path, mtime in reversed(self._times):
            os.utime(path, (mtime, mtime))
        return next(iter(self._kinds))

    def _checked(self, member: Member) -> EntryKind:
        if member.oddity:
            self._refuse(member, member.oddity)
        if member.kind is None:
            self._refuse(member, "is neither a file, a directory nor a symlink")
        if not 0 <= member.mtime < _LATEST:
            self._refuse(member, "has an impossible time")
        if not _is_plain(member.name):
            self._refuse(member, "has a name that may leave the destination")
        if member.name in self._kinds:
            self._refuse(member, "occurs twice")
        parent, separator, _name = member.name.rpartition("/")
        if not separator and (self._kinds or member.kind is not EntryKind.DIRECTORY):
            self._refuse(member, "is not in the layer's directory")
        if separator and self._kinds.get(parent) is not EntryKind.DIRECTORY:
            self._refuse(member, "is below something that is no directory of the archive")
        if member.kind is EntryKind.SYMLINK and not link_destination(member.name, member.target):
            self._refuse(member, f"is a symlink out of the destination, to {member.target!r}")
        self._kinds[member.name] = member.kind
        return member.kind

    def _refuse(self, member: Member, why: str) -> Never:
        raise UnpackError(
            f"{self._archive}: {member.name!r} {why}",
            hint="do not use this archive: no layer that was published here contains such a thing",
        )


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
