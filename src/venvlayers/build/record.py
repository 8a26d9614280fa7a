"""Installed distributions: making each `RECORD` true, and reading what it lists.

See "Recording installed projects" (PEP 376, PEP 627). A `RECORD` here lists what
is in the layer and nothing else, in one order, whatever installed it. Files that
tell how or from where something was installed are removed.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import os
import posixpath
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from venvlayers.build.model import Distribution
from venvlayers.build.scheme import Scheme

_ABOUT_THE_INSTALL = ("REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json")
_REWRITTEN = ("INSTALLER",)
_INSTALLER = "hatch-venvstacks\n"

Row = tuple[str, str, str]
"""One line of a `RECORD`: path, hash, size."""


def normalize_records(env: Path, scheme: Scheme) -> None:
    """Make every `RECORD` in *env* list exactly its distribution's files, sorted."""
    for info in info_directories(env, scheme):
        for name in _ABOUT_THE_INSTALL:
            (info / name).unlink(missing_ok=True)
        _replace(info / "INSTALLER", _INSTALLER)
        _write_rows(info / "RECORD", sorted(_true_rows(env, info, scheme)))


def _true_rows(env: Path, info: Path, scheme: Scheme) -> Iterator[Row]:
    seen = set()
    changed = (scheme.platform.bin_dir, *(f"{info.name}/{name}" for name in _REWRITTEN))
    for recorded, digest, size in _rows(info / "RECORD"):
        place = _place(recorded, scheme)
        if place in seen or place.startswith("../") or not os.path.isfile(f"{env}/{place}"):  # noqa: PTH113 - 50,000 times
            continue
        seen.add(place)
        name = scheme.recorded(place)
        if name == f"{info.name}/RECORD":
            yield name, "", ""
        elif digest and not (place.startswith(f"{changed[0]}/") or name in changed):
            yield name, digest, size
        else:
            yield name, *_measured(env / place)


def recorded_places(info: Path, scheme: Scheme) -> Iterator[str]:
    """Yield where the files of a distribution are, as uv recorded them, relative with ``/``."""
    for recorded, _digest, _size in _rows(info / "RECORD"):
        yield _place(recorded, scheme)


def record_more(info: Path, place: str) -> None:
    """Add a file to a `RECORD` that is still uv's, which `normalize_records` measures later.

    Args:
        info: The distribution.
        place: The file, relative to the environment, outside of site-packages.
    """
    _write_rows(info / "RECORD", [*_rows(info / "RECORD"), (f"../{place}", "", "")])


def _place(recorded: str, scheme: Scheme) -> str:
    """Return where a file is that uv recorded relative to the host's site-packages.

    Only the part that leads out of site-packages depends on the host's layout, by
    its depth, so what is left after the dots is relative to the environment.
    """
    name = recorded.replace("\\", "/")
    if not name.startswith("../"):
        return scheme.from_record(name)
    return posixpath.normpath(scheme.place(name.replace("../", "").lstrip("/")))


def _measured(path: Path, algorithm: str = "sha256") -> tuple[str, str]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, algorithm)
        return recorded_hash(digest), str(file.tell())


def recorded_hash(digest: hashlib._Hash) -> str:
    """Return *digest* as a `RECORD` has it: ``<algorithm>=<urlsafe base64 without padding>``."""
    encoded = base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()
    return f"{digest.name}={encoded}"


def altered_files(prefix: Path) -> list[str]:
    """Return the files below *prefix* that are not what their wheels recorded, relative to it.

    In the layout that uv made, before anything is moved.
    """
    return [
        os.path.relpath(path, prefix)
        for record in _records(prefix)
        for path, digest, _size in _recorded_files(record, prefix)
        if digest and _measured(path, digest.partition("=")[0])[0] != digest
    ]


def contested_files(prefix: Path) -> dict[Path, Path]:
    """Return the files that several distributions bring, and not all of them alike.

    Each with the `RECORD` of the distribution that it is to be of: the first by name. uv
    installs side by side, so which one's is there is chance.
    """
    owners: dict[Path, Path] = {}
    digests: dict[Path, set[str]] = {}
    for record in _records(prefix):
        for path, digest, _size in _recorded_files(record, prefix):
            owners.setdefault(path, record)
            digests.setdefault(path, set()).add(digest)
    return {path: owners[path] for path, found in digests.items() if len(found) > 1}


def record_owned(prefix: Path, owners: Mapping[Path, Path]) -> None:
    """Have the `RECORD`s that lost contested files to an owner tell of the owner's."""
    for record in _records(prefix):
        rows = list(_recorded_files(record, prefix))
        if any(owners.get(path, record) != record for path, _digest, _size in rows):
            lost = [owners.get(path, record) != record for path, _digest, _size in rows]
            _record(record, zip(rows, lost, strict=True))


def record_what_is_there(prefix: Path) -> None:
    """Make each `RECORD` below *prefix* tell the files' own hashes, for wheels that erred."""
    for record in _records(prefix):
        rows = list(_recorded_files(record, prefix))
        _record(record, ((row, bool(row[1])) for row in rows))


def _record(record: Path, rows: Iterable[tuple[tuple[Path, str, str], bool]]) -> None:
    """Write a `RECORD` of *rows*, measuring those of which that is said."""
    _write_rows(
        record,
        [
            (os.path.relpath(path, record.parents[1]), *(_measured(path) if again else told))
            for (path, *told), again in rows
        ],
    )


def _records(prefix: Path) -> list[Path]:
    return sorted(prefix.rglob("*.dist-info/RECORD"))


def _recorded_files(record: Path, prefix: Path) -> Iterator[tuple[Path, str, str]]:
    """Yield the files that a `RECORD` lists and that are there, with their hashes and sizes.

    It is a wheel's, and may name what is outside: that is nobody's to read.
    """
    site = record.parents[1].relative_to(prefix).as_posix()
    for name, digest, size in _rows(record):
        place = posixpath.normpath(f"{site}/{name}".replace("\\", "/"))
        path = prefix / place
        if not place.startswith("../") and path.is_file():
            yield path, digest, size


def _write_rows(record: Path, rows: Iterable[Row]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    _replace(record, text.getvalue())


def _rows(record: Path) -> Iterator[Row]:
    with record.open(encoding="utf-8", newline="") as file:
        for row in csv.reader(file):
            path, digest, size = (*row, "", "")[:3]
            yield path, digest, size


def _replace(path: Path, text: str) -> None:
    # A new file: the old one may share its content with uv's cache.
    path.unlink(missing_ok=True)
    path.write_bytes(text.encode())


def info_directories(env: Path, scheme: Scheme) -> list[Path]:
    """Return the directories that describe the distributions in *env*, sorted."""
    found = (env / scheme.site_packages).glob("*.dist-info")
    return sorted(path for path in found if (path / "RECORD").is_file())


def installed_distributions(env: Path, scheme: Scheme) -> tuple[Distribution, ...]:
    """Return the distributions in *env*, by name, each with its files."""
    distributions = []
    for info in info_directories(env, scheme):
        name, _, version = info.name.removesuffix(".dist-info").partition("-")
        rows = sorted(
            (scheme.from_record(path), digest, size)
            for path, digest, size in _rows(info / "RECORD")
        )
        distributions.append(
            Distribution(
                name=name,
                version=version,
                files=tuple(path for path, _, _ in rows),
                hashes={path: digest for path, digest, _ in rows if digest},
                sizes={path: int(size) for path, _, size in rows if size.isdecimal()},
            )
        )
    return tuple(distributions)
