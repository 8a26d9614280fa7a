"""What goes into a layer's archive: a list of entries, made by looking, before anything is packed.

The list depends on names, kinds, executable bits and sizes only. It is the same
for equal environments on every file system and under every umask and locale.
Bytecode never gets in. What an archive cannot carry elsewhere is an error here.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from venvlayers.build.model import Distribution, LayerEnvironment
from venvlayers.errors import PublishError
from venvlayers.files import walk_sorted
from venvlayers.publish.links import link_destination

OWN_GROUP = "."
"""Name of the group of what no distribution owns; no distribution can be called so."""

_BYTECODE = (".pyc", ".pyo")


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
        recorded: What the `RECORD` of a file's distribution says of it; empty where none does.
    """

    path: str
    kind: EntryKind
    executable: bool = False
    size: int = 0
    target: str = ""
    recorded: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Entries that are packed together, by path.

    Attributes:
        name: The distribution that owns them, or `OWN_GROUP`.
        entries: Sorted by the code points of their paths.
    """

    name: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerContents:
    """Everything that a layer's archive has.

    Attributes:
        layer: The environment name, for messages.
        root: The directory that the entries are in.
        deployed_name: The directory that they are unpacked into.
        groups: What no distribution owns and all directories, then a group for each distribution.
    """

    layer: str
    root: Path
    deployed_name: str
    groups: tuple[Group, ...]

    @property
    def unpacked_size(self) -> int:
        """The size of all files together."""
        return sum(entry.size for group in self.groups for entry in group.entries)

    def member(self, entry: Entry) -> str:
        """Return the entry's name in an archive."""
        return f"{self.deployed_name}/{entry.path}" if entry.path else self.deployed_name

    def source(self, entry: Entry) -> str:
        """Return the path of the entry's file here, as this machine's locale spells it."""
        return os.path.join(self.root, os.fsdecode(entry.path.encode()))  # noqa: PTH118 - hot


def plan_contents(environment: LayerEnvironment) -> LayerContents:
    """Return what the archive of *environment* has.

    Raises:
        PublishError: It has what an archive cannot carry, or cannot be read.
    """
    try:
        entries = sorted(_entries(environment), key=lambda entry: entry.path)
    except OSError as error:
        raise PublishError(
            f"{environment.env_name}: cannot read {error.filename}: {error.strerror}",
            hint="build the layer again",
        ) from error
    return LayerContents(
        layer=environment.env_name,
        root=environment.path,
        deployed_name=environment.deployed_name,
        groups=tuple(_grouped(environment, entries)),
    )


def altered(contents: LayerContents, entry: Entry) -> PublishError:
    """Return the error that a file is not what its `RECORD` says."""
    return PublishError(
        f"{contents.layer}: {entry.path} is not what was installed",
        hint=f"something wrote to it; remove {contents.root}, and it is made anew",
    )


def _grouped(environment: LayerEnvironment, entries: list[Entry]) -> Iterator[Group]:
    owners: dict[str, Distribution] = {}
    for distribution in sorted(environment.distributions, key=lambda item: item.name):
        for path in distribution.files:
            owners.setdefault(path, distribution)
    groups: dict[str, list[Entry]] = {OWN_GROUP: []}
    for entry in entries:
        owner = None if entry.kind is EntryKind.DIRECTORY else owners.get(entry.path)
        recorded = owner.hashes.get(entry.path, "") if owner else ""
        owned = replace(entry, recorded=recorded) if recorded else entry
        groups.setdefault(owner.name if owner else OWN_GROUP, []).append(owned)
    for name in (OWN_GROUP, *sorted(groups.keys() - {OWN_GROUP})):
        yield Group(name=name, entries=tuple(groups[name]))


def _entries(environment: LayerEnvironment) -> Iterator[Entry]:
    yield Entry(path="", kind=EntryKind.DIRECTORY)
    for found, listed in walk_sorted(environment.path):
        if not _is_bytecode(found, listed):
            path = _portable(environment, found)
            yield _entry(environment, path, listed)


def _is_bytecode(path: str, listed: os.DirEntry[str]) -> bool:
    # An application that was run from its build environment leaves these behind (X33).
    if "__pycache__" in path.split("/"):
        return True
    return path.endswith(_BYTECODE) and not listed.is_dir(follow_symlinks=False)


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
