"""What goes into a layer's archive: a list of entries, made before anything is packed.

The list is the same for equal environments on every file system and under every
umask and locale. What a distribution's `RECORD` tells of a file is not found out
again, so only the layer's own files are read. Bytecode never gets in. What an
archive cannot carry elsewhere is an error here.
"""

from __future__ import annotations

import base64
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property
from pathlib import Path

from venvlayers.build.model import Distribution, LayerEnvironment
from venvlayers.errors import PublishError
from venvlayers.files import walk_sorted
from venvlayers.publish.format import EPOCH
from venvlayers.publish.links import link_destination

OWN_GROUP = "."
"""Name of the group of what no distribution owns; no distribution can be called so."""

LARGE = 8 << 20
"""Files from this size on, unless their group has the same content twice, are packed so that what
they compress to is known by their content alone: another release that has them costs copying.
Smaller ones are not, because apart from their neighbours they compress to 4 to 12 % more."""

_DAY = 24 * 60 * 60
_BYTECODE = (".pyc", ".pyo")
_SHA256 = "sha256="


class EntryKind(Enum):
    """What an entry is; archives carry nothing else."""

    DIRECTORY = "directory"
    FILE = "file"
    SYMLINK = "symlink"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of an archive.

    Attributes:
        path: Relative to the environment, with ``/``; empty for the environment itself.
        kind: Directory, file or symlink.
        executable: Whether a file may be run by its owner.
        size: Of a file, in bytes.
        target: What a symlink says.
        sha256: The digest of a file's content in hexadecimal.
        recorded: Whether that is what the `RECORD` of its distribution says.
    """

    path: str
    kind: EntryKind
    executable: bool = False
    size: int = 0
    target: str = ""
    sha256: str = ""
    recorded: bool = False

    @property
    def mode(self) -> int:
        """Its permissions."""
        if self.kind is EntryKind.SYMLINK:
            return 0o777
        return 0o755 if self.executable or self.kind is EntryKind.DIRECTORY else 0o644


@dataclass(frozen=True, kw_only=True)
class Group:
    """Entries that are packed together.

    Attributes:
        name: The distribution that owns them; `OWN_GROUP` for directories and symlinks;
            ``./<directory>`` for files below one that no distribution owns, ``./`` for
            those directly in the layer.
        entries: Sorted: files that resemble each other stand together.
        epoch: The latest time that they may have, in seconds since 1970.
    """

    name: str
    entries: tuple[Entry, ...]
    epoch: int = EPOCH

    @cached_property
    def digest(self) -> str:
        """What identifies the entries and their order, in hexadecimal."""
        return _listing_digest(self.entries)

    @cached_property
    def mtime(self) -> int:
        """The time of every entry, in seconds since 1970.

        It depends on nothing but what is in the group, so that what did not change packs
        to the same bytes whatever happens around it. For files it is set back, by less
        than a day: Python takes bytecode as valid when its source has the same time and
        size, and must not go on running old code when a newer layer is unpacked over an
        older one. It is even, because a zip cannot tell odd seconds.
        """
        if not any(entry.kind is EntryKind.FILE for entry in self.entries):
            return self.epoch
        return max(0, self.epoch - int(self.digest[:8], 16) % (_DAY // 2) * 2)


@dataclass(frozen=True, kw_only=True)
class LayerContents:
    """Everything that a layer's archive has.

    Attributes:
        layer: The environment name, for messages.
        root: The directory that the entries are in.
        deployed_name: The directory that they are unpacked into.
        groups: Directories and symlinks, other files that no distribution owns, then a group
            for each distribution.
    """

    layer: str
    root: Path
    deployed_name: str
    groups: tuple[Group, ...]

    @property
    def unpacked_size(self) -> int:
        """The size of all files together."""
        return sum(entry.size for group in self.groups for entry in group.entries)

    @cached_property
    def digest(self) -> str:
        """The layer's identity: `sha256` in hexadecimal, whatever its name, times and format.

        Over all entries by path, each as path, kind, permissions in octal, and a file's
        `sha256` or a symlink's target, with a NUL byte after each of the four.
        """
        entries = (entry for group in self.groups for entry in group.entries)
        return _listing_digest(sorted(entries, key=lambda entry: entry.path))

    def member(self, entry: Entry) -> str:
        """Return the entry's name in an archive."""
        return f"{self.deployed_name}/{entry.path}" if entry.path else self.deployed_name

    def source(self, entry: Entry) -> str:
        """Return the path of the entry's file here, as this machine's locale spells it."""
        return _source(self.root, entry)


def plan_contents(environment: LayerEnvironment, epoch: int = EPOCH) -> LayerContents:
    """Return what the archive of *environment* has.

    Args:
        environment: What is to be packed.
        epoch: The latest time that an entry may have, in seconds since 1970.

    Raises:
        PublishError: It has what an archive cannot carry, or cannot be read.
    """
    try:
        entries = _measured(environment.path, _owned(environment, list(_entries(environment))))
    except OSError as error:
        raise PublishError(
            f"{environment.env_name}: cannot read {error.filename}: {error.strerror}",
            hint="build the layer again",
        ) from error
    return LayerContents(
        layer=environment.env_name,
        root=environment.path,
        deployed_name=environment.deployed_name,
        groups=tuple(_grouped(entries, epoch)),
    )


def altered(layer: str, root: Path, entry: Entry) -> PublishError:
    """Return the error that a file of *layer*, in *root*, is not what its `RECORD` says."""
    return PublishError(
        f"{layer}: {entry.path} is not what was installed",
        hint=f"something wrote to it; remove {root}, and it is made anew",
    )


def _require_whole(environment: LayerEnvironment, owned: set[str], entries: set[str]) -> None:
    """Refuse an environment in which what a distribution brought is not there any more."""
    root = environment.path
    for path in sorted(owned - entries):
        if not (_names_bytecode(path) or os.path.lexists(root / path)):
            raise PublishError(
                f"{environment.env_name}: {path} was installed, and is not there",
                hint=f"something removed it; remove {root}, and it is made anew",
            )


_Owned = tuple[str, Entry]
"""The name of a group, and an entry that belongs to it."""


def _owned(environment: LayerEnvironment, entries: list[Entry]) -> Iterator[_Owned]:
    owners: dict[str, Distribution] = {}
    for distribution in sorted(environment.distributions, key=lambda item: item.name):
        for path in distribution.files:
            owners.setdefault(path, distribution)
    _require_whole(environment, set(owners), {entry.path for entry in entries})
    for entry in entries:
        owner = owners.get(entry.path)
        if entry.kind is EntryKind.DIRECTORY:
            yield OWN_GROUP, entry
        elif owner:
            if entry.kind is EntryKind.FILE and not _has_recorded_size(entry, owner):
                raise altered(environment.env_name, environment.path, entry)
            yield owner.name, _with_recorded(entry, owner.hashes.get(entry.path, ""))
        elif entry.kind is EntryKind.SYMLINK:
            yield OWN_GROUP, entry
        else:
            # What a Python consists of stays apart from what is written for one layer.
            top, slash, _rest = entry.path.partition("/")
            yield f"{OWN_GROUP}/{top if slash else ''}", entry


def _has_recorded_size(entry: Entry, owner: Distribution) -> bool:
    return owner.sizes.get(entry.path, entry.size) == entry.size


def _with_recorded(entry: Entry, recorded: str) -> Entry:
    if not recorded.startswith(_SHA256) or entry.kind is not EntryKind.FILE:
        return entry
    digest = base64.urlsafe_b64decode(recorded.removeprefix(_SHA256) + "=").hex()
    # `replace` takes three times as long, and there are 10,000 of them.
    return Entry(
        path=entry.path,
        kind=entry.kind,
        executable=entry.executable,
        size=entry.size,
        sha256=digest,
        recorded=True,
    )


def _measured(root: Path, owned: Iterator[_Owned]) -> list[_Owned]:
    """Return *owned*, with the digests of files that no `RECORD` tells."""
    listed = list(owned)
    unknown = [
        number
        for number, (_name, entry) in enumerate(listed)
        if entry.kind is EntryKind.FILE and not entry.sha256
    ]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        digests = pool.map(lambda number: _digest(_source(root, listed[number][1])), unknown)
        for number, digest in zip(unknown, digests, strict=True):
            name, entry = listed[number]
            listed[number] = name, replace(entry, sha256=digest)
    return listed


def _digest(path: str) -> str:
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - 10,000 times
        return hashlib.file_digest(file, "sha256").hexdigest()


def _source(root: Path, entry: Entry) -> str:
    return os.path.join(root, os.fsdecode(entry.path.encode()))  # noqa: PTH118 - hot


def _grouped(owned: list[_Owned], epoch: int) -> Iterator[Group]:
    groups: dict[str, list[Entry]] = {}
    for name, entry in owned:
        groups.setdefault(name, []).append(entry)
    for name in sorted(groups, key=lambda name: (not name.startswith(OWN_GROUP), name)):
        yield Group(name=name, entries=tuple(sorted(groups[name], key=_order)), epoch=epoch)


def _order(entry: Entry) -> tuple[str, str]:
    # Neighbours that resemble each other compress better: 0.5 to 0.8 % on packages that are
    # mostly Python. Versioned libraries are libraries: `libx.so.1`.
    name = entry.path.rpartition("/")[2]
    kind = "so" if ".so." in name else name.rpartition(".")[2]
    return "" if entry.kind is EntryKind.DIRECTORY else kind, entry.path


def _listing_digest(entries: Iterable[Entry]) -> str:
    digest = hashlib.sha256()
    for entry in entries:
        fields = (entry.path, entry.kind.value, f"{entry.mode:o}", entry.sha256 or entry.target)
        digest.update("".join(f"{field}\0" for field in fields).encode())
    return digest.hexdigest()


def _entries(environment: LayerEnvironment) -> Iterator[Entry]:
    yield Entry(path="", kind=EntryKind.DIRECTORY)
    for found, listed in walk_sorted(environment.path):
        if not _is_bytecode(found, listed):
            path = _portable(environment, found)
            yield _entry(environment, path, listed)


def _is_bytecode(path: str, listed: os.DirEntry[str]) -> bool:
    # An application that was run from its build environment leaves these behind (X33).
    if not _names_bytecode(path):
        return False
    return "__pycache__" in path.split("/") or not listed.is_dir(follow_symlinks=False)


def _names_bytecode(path: str) -> bool:
    return path.endswith(_BYTECODE) or "__pycache__" in path.split("/")


def _portable(environment: LayerEnvironment, path: str) -> str:
    # Names are bytes on POSIX; what Python makes of them depends on the locale.
    try:
        return os.fsencode(path).decode()
    except UnicodeDecodeError as error:
        raise PublishError(
            f"{environment.env_name}: the name of {path!r} is not UTF-8",
            hint="rename the file in the package that brings it",
        ) from error


def _entry(environment: LayerEnvironment, path: str, listed: os.DirEntry[str]) -> Entry:
    status = listed.stat(follow_symlinks=False)
    if stat.S_ISDIR(status.st_mode):
        return Entry(path=path, kind=EntryKind.DIRECTORY)
    if stat.S_ISREG(status.st_mode):
        executable = bool(status.st_mode & stat.S_IXUSR)
        return Entry(path=path, kind=EntryKind.FILE, executable=executable, size=status.st_size)
    if stat.S_ISLNK(status.st_mode):
        return _symlink(environment, path, listed)
    raise PublishError(
        f"{environment.env_name}: {path} is neither a file, a directory nor a symlink",
        hint="remove it from the environment, or build the layer again",
    )


def _symlink(environment: LayerEnvironment, path: str, listed: os.DirEntry[str]) -> Entry:
    target = _portable(environment, os.readlink(listed.path))  # noqa: PTH115 - speaks strings
    place = link_destination(f"{environment.deployed_name}/{path}", target)
    # The way from bin/python to the runtime, which is unpacked beside this layer.
    siblings = (environment.deployed_name, environment.runtime_layer)
    if place != environment.deployed_name and not (place or "").startswith(
        tuple(f"{sibling}/" for sibling in siblings)
    ):
        raise PublishError(
            f"{environment.env_name}: the symlink {path} leads out of the layer, to {target}",
            hint="a layer's symlinks may lead to its own files and to those of its runtime",
        )
    return Entry(path=path, kind=EntryKind.SYMLINK, target=target)
