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
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from venvlayers.build.model import Distribution
from venvlayers.build.scheme import Scheme

_ABOUT_THE_INSTALL = ("REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json")
_REWRITTEN = ("INSTALLER",)
_INSTALLER = "hatch-venvstacks\n"
_USUAL = re.compile(r"sha256=[A-Za-z0-9_-]{43}")

Row = tuple[str, str, str]
"""One line of a `RECORD`: path, hash, size."""


def normalize_records(
    env: Path,
    scheme: Scheme,
    added: Mapping[str, Iterable[str]] | None = None,
    present: Mapping[str, Iterable[Row]] | None = None,
) -> tuple[Distribution, ...]:
    """Make every `RECORD` in *env* list exactly its distribution's files, sorted.

    Args:
        env: The environment.
        scheme: Its layout.
        added: What was written for distributions besides, by the names of their
            ``.dist-info``: places relative to the environment, outside of site-packages.
        present: What of the `RECORD`s was found to be there, by the same names; they are
            read, and it is looked for, where that is not given.

    Returns:
        The distributions, as `installed_distributions` does.
    """
    distributions = []
    for info in info_directories(env, scheme):
        for name in _ABOUT_THE_INSTALL:
            (info / name).unlink(missing_ok=True)
        _replace(info / "INSTALLER", _INSTALLER)
        more = [(f"../{place}", "", "") for place in (added or {}).get(info.name, ())]
        known = None if present is None else present.get(info.name)
        recorded = rows_of(info / "RECORD") if known is None else known
        rows = sorted(_true_rows([*recorded, *more], env, info, scheme, look=known is None))
        write_rows(info / "RECORD", rows)
        distributions.append(_distribution(info, rows, scheme))
    return tuple(distributions)


def _true_rows(
    rows: Iterable[Row], env: Path, info: Path, scheme: Scheme, *, look: bool
) -> Iterator[Row]:
    """Yield the rows of what is there; *look* tells whether to, below site-packages."""
    itself, *rewritten = (f"{info.name}/{name}" for name in ("RECORD", *_REWRITTEN))
    seen = {f"{info.name}/{name}" for name in _ABOUT_THE_INSTALL}
    site, programs = scheme.site_packages, f"{scheme.platform.bin_dir}/"
    for recorded, digest, size in rows:
        plain = is_plain(recorded)
        place = f"{site}/{recorded}" if plain else _place(recorded, scheme)
        name = recorded if plain else scheme.recorded(place)
        if name in seen or place.startswith("../"):
            continue
        seen.add(name)
        if (look or not plain) and not (env / place).is_file():
            continue
        if name == itself:
            yield name, "", ""
        elif _is_usual(digest) and not (place.startswith(programs) or name in rewritten):
            yield name, digest, size
        else:
            yield name, *measured(env / place)


def recorded_outside(info: Path, scheme: Scheme) -> Iterator[str]:
    """Yield where a distribution has files outside of site-packages, relative with ``/``."""
    with (info / "RECORD").open(encoding="utf-8", newline="") as file:
        # Of thousands of lines few are worth taking apart.
        for recorded, *_digest_and_size in csv.reader(line for line in file if ".." in line):
            if not is_plain(recorded):
                yield _place(recorded, scheme)


def _is_usual(digest: str) -> bool:
    """Tell whether a `RECORD` says SHA-256, as ours always do: later stages rely on that."""
    return _USUAL.fullmatch(digest) is not None


def is_plain(recorded: str) -> bool:
    """Tell whether a path in a `RECORD` is below site-packages for certain, and as it is kept."""
    return not (
        recorded.startswith((".", "/")) or "/." in recorded or "\\" in recorded or "//" in recorded
    )


def _place(recorded: str, scheme: Scheme) -> str:
    """Return where a file is that uv recorded relative to the host's site-packages.

    Only the part that leads out of site-packages depends on the host's layout, by
    its depth, so what is left after the dots is relative to the environment.
    """
    name = recorded.replace("\\", "/")
    if not name.startswith("../"):
        return scheme.from_record(name)
    return posixpath.normpath(scheme.place(name.replace("../", "").lstrip("/")))


def measured(path: Path, algorithm: str = "sha256") -> tuple[str, str]:
    """Return the hash and the size of a file as a `RECORD` has them."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, algorithm)
        return recorded_hash(digest), str(file.tell())


def recorded_hash(digest: hashlib._Hash) -> str:
    """Return *digest* as a `RECORD` has it: ``<algorithm>=<urlsafe base64 without padding>``."""
    encoded = base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()
    return f"{digest.name}={encoded}"


def write_rows(record: Path, rows: Iterable[Row]) -> None:
    """Write a `RECORD` anew."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    _replace(record, text.getvalue())


def rows_of(record: Path) -> Iterator[Row]:
    """Yield what a `RECORD` says, line by line."""
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
    return tuple(
        _distribution(info, rows_of(info / "RECORD"), scheme)
        for info in info_directories(env, scheme)
    )


def _distribution(info: Path, recorded: Iterable[Row], scheme: Scheme) -> Distribution:
    name, _, version = info.name.removesuffix(".dist-info").partition("-")
    site = scheme.site_packages
    rows = sorted(
        (f"{site}/{path}" if is_plain(path) else scheme.from_record(path), digest, size)
        for path, digest, size in recorded
    )
    return Distribution(
        name=name,
        version=version,
        files=tuple(path for path, _, _ in rows),
        hashes={path: digest for path, digest, _ in rows if digest},
        sizes={path: int(size) for path, _, size in rows if size.isdecimal()},
    )
