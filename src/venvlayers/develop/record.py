"""What is known about an environment for development: what it was made from, and where that is.

Shells ask for `digest` before every command, so it only reads the files that it was told
to watch, and nothing that costs time is imported here. Whether a change in those files
means anything is decided by `state.py`. An edit of the sources is no change: they are
used in place.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from venvlayers.files import json_text, sha256_file, sha256_json, write_text

FORMAT = 3
"""Grows when environments are filled in another way; those of before are made anew."""

_FILE = ".venvstacks.json"

BYTECODE = "bytecode"
"""Where bytecode goes, relative to the environment, so that layers stay as they were built.

The environment says so itself; but Python imports ``encodings`` before it listens, so who
starts it names the directory in ``PYTHONPYCACHEPREFIX`` too.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A layer to work with.

    Attributes:
        project: The specification, or a directory that has one.
        env_name: The layer's environment name.
    """

    project: Path
    env_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What an environment for development was, or would be, made from.

    Attributes:
        state: ``sha256:<hex>`` of everything that it depends on.
        files: Where that is written, absolute; there may be none at a place.
        directories: The environments that it uses, absolute.
    """

    state: str
    files: tuple[str, ...]
    directories: tuple[str, ...]


def read_record(place: Path) -> Record | None:
    """Return the record of the environment in *place*; None if there is none to rely on."""
    try:
        value = json.loads((place / _FILE).read_text("utf-8"))
        lists = {key: tuple(map(str, value[key])) for key in ("files", "directories")}
        return Record(state=str(value["state"]), **lists)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_record(place: Path, record: Record) -> None:
    """Write the record of the environment in *place*."""
    write_text(place / _FILE, json_text(asdict(record)))


def digest(place: Path, wanted: Wanted) -> str:
    """Return ``sha256:<hex>`` that changes whenever the environment in *place* may be outdated."""
    found: list[object] = [FORMAT, str(wanted.project), wanted.env_name]
    if record := read_record(place):
        found += [record.state, record.files, record.directories]
        found += [_digest_of(Path(file)) for file in record.files]
        found += [Path(directory).is_dir() for directory in record.directories]
    return sha256_json(found)


def _digest_of(file: Path) -> str | None:
    try:
        return sha256_file(file)
    except OSError:
        return None
