"""What uv has just installed, compared with what the wheels recorded of it.

In the layout that uv made, before anything is moved. What a `RECORD` is to list in the
end is `record.py`'s.
"""

from __future__ import annotations

import os
import posixpath
import stat
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from venvlayers.build.record import Row, is_plain, measured, rows_of, write_rows
from venvlayers.build.verified import Verified

_SITES = ("site-packages", "dist-packages")


class Arrived(NamedTuple):
    """A file that a `RECORD` lists and that is there."""

    name: str
    """As the `RECORD` has it, like the digest and the size."""
    digest: str
    size: str
    place: str
    """Relative to the prefix, with ``/``."""
    status: os.stat_result


Records = dict[Path, list[Arrived]]
"""What each `RECORD` lists, sorted by their paths."""


def read_records(prefix: Path) -> Records:
    """Read every `RECORD` below *prefix*, and look at the files that it lists."""
    infos = [info for site in _site_directories(prefix) for info in site.glob("*.dist-info")]
    records = (info / "RECORD" for info in sorted(infos))
    return {record: list(_listed(record, prefix)) for record in records if record.is_file()}


def _site_directories(directory: Path) -> Iterator[Path]:
    for path in directory.iterdir():
        if path.is_dir() and not path.is_symlink():
            if path.name in _SITES:
                yield path
            else:
                yield from _site_directories(path)


def _listed(record: Path, prefix: Path) -> Iterator[Arrived]:
    """Yield what a `RECORD` lists.

    It is a wheel's, and may name what is outside: that is nobody's to read.
    """
    site = record.parents[1].relative_to(prefix).as_posix()
    root = os.fspath(prefix)
    for name, digest, size in rows_of(record):
        place = f"{site}/{name}"
        if not is_plain(name):
            place = posixpath.normpath(place.replace("\\", "/"))
            if place.startswith(("../", "/")):
                continue
        try:
            status = os.stat(f"{root}/{place}")  # noqa: PTH116 - 10,000 times
        except OSError:
            continue
        if stat.S_ISREG(status.st_mode):
            yield Arrived(name, digest, size, place, status)


def rows_by_info(records: Records) -> dict[str, list[Row]]:
    """Return what each `RECORD` says of the files that are there, by its ``.dist-info``'s name."""
    return {record.parent.name: [file[:3] for file in found] for record, found in records.items()}


def altered_files(prefix: Path, records: Records, verified: Verified) -> list[str]:
    """Return the files that are not what their wheels recorded, relative to *prefix*.

    Args:
        prefix: Where uv installed.
        records: What is there.
        verified: What need not be read; it learns of what was.
    """
    found: list[str] = []
    others: dict[tuple[str, str], None] = {}
    several = _brought_by_several(records)
    for files in records.values():
        linked: list[Arrived] = []
        for file in files:
            # Of those that several bring, chance decides whose link is there.
            if file.digest and file.status.st_nlink > 1 and file.place not in several:
                linked.append(file)
            elif file.digest:
                others[file.place, file.digest] = None  # once, if they agree on it
        if linked:
            found += _newly_differing(prefix, linked, verified)
    return found + _differing(prefix, others)


def _brought_by_several(records: Records) -> frozenset[str]:
    """Return the places of files that several distributions bring; most have none."""
    places = [file.place for files in records.values() for file in files]
    if len(set(places)) == len(places):
        return frozenset()
    return frozenset(place for place, times in Counter(places).items() if times > 1)


def _newly_differing(prefix: Path, linked: Sequence[Arrived], verified: Verified) -> list[str]:
    """Return the files of a distribution that differ, reading them only if they are not known."""
    seal = verified.seal((file.digest, file.status) for file in linked)
    if verified.knows(seal):
        return []
    begun = time.time_ns()
    differing = _differing(prefix, ((file.place, file.digest) for file in linked))
    if not differing:
        verified.remember(seal, [file.status for file in linked], begun)
    return differing


def _differing(prefix: Path, files: Iterable[tuple[str, str]]) -> list[str]:
    """Return those of *files*, places with recorded hashes, that are something else."""
    return [place for place, digest in files if not _is_as_recorded(prefix, place, digest)]


def _is_as_recorded(prefix: Path, place: str, digest: str) -> bool:
    return measured(prefix / place, digest.partition("=")[0])[0] == digest


class Owner(NamedTuple):
    """Whose a file is that several distributions bring: the first by name."""

    record: Path
    digest: str


def contested_files(records: Records) -> dict[str, Owner]:
    """Return the files that several distributions bring, and not all of them alike.

    uv installs side by side, so which one's is there is chance.
    """
    several = _brought_by_several(records)
    owners: dict[str, Owner] = {}
    contested: dict[str, Owner] = {}
    for record, files in records.items() if several else ():
        for file in files:
            if file.place in several:
                owner = owners.setdefault(file.place, Owner(record, file.digest))
                if owner.digest != file.digest:
                    contested[file.place] = owner
    return contested


def of_others(prefix: Path, contested: Mapping[str, Owner]) -> set[Path]:
    """Return the `RECORD`s of those whose contested files are another distribution's."""
    return {
        owner.record
        for place, owner in contested.items()
        if not owner.digest or not _is_as_recorded(prefix, place, owner.digest)
    }


def record_owned(prefix: Path, records: Records, contested: Mapping[str, Owner]) -> None:
    """Have the `RECORD`s that lost contested files to an owner tell of the owner's."""
    for record, files in records.items():
        lost = {
            file.place
            for file in files
            if file.place in contested and contested[file.place].record != record
        }
        if lost:
            _rewrite(record, prefix, files, lost)


def record_what_is_there(prefix: Path) -> Records:
    """Make each `RECORD` below *prefix* tell the files' own hashes, for wheels that erred.

    Returns:
        What is recorded after that.
    """
    for record, files in read_records(prefix).items():
        _rewrite(record, prefix, files, {file.place for file in files if file.digest})
    return read_records(prefix)


def _rewrite(record: Path, prefix: Path, files: Iterable[Arrived], again: set[str]) -> None:
    """Write a `RECORD` of *files*, measuring those at the places *again*."""
    site = record.parents[1].relative_to(prefix).as_posix()
    rows = []
    for file in files:
        name = posixpath.relpath(file.place, site)
        told = measured(prefix / file.place) if file.place in again else (file.digest, file.size)
        rows.append((name, *told))
    write_rows(record, rows)
