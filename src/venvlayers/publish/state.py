"""What we remember about archives that we wrote, so that they need not be written again.

It lies with the builds, not with the outputs: it has build keys, which are
nobody else's business. A record is a claim about a file; whoever relies on it
compares the file first (X24).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from venvlayers.files import json_text, read_record, write_text
from venvlayers.publish.format import Frame, WrittenArchive
from venvlayers.values import frozen

_VERSION = 2


@frozen
class Recipe:
    """All that decides about an archive's bytes.

    Attributes:
        key: The environment's.
        deployed_name: The directory in the archive.
        format: The format's name.
        codec: What the format says of itself.
        canonical: Which canonical form the archive has.
        epoch: The latest time of an entry.
    """

    key: str
    deployed_name: str
    format: str
    codec: Mapping[str, str | int]
    canonical: int
    epoch: int


@frozen
class Record:
    """An archive that we wrote.

    Attributes:
        recipe: What it was made of.
        archive: What came out; `path` is where it was put.
        content_sha256: The layer's identity (`LayerContents.digest`).
        unpacked_size: The size of all files in it together.
    """

    recipe: Recipe
    archive: WrittenArchive
    content_sha256: str
    unpacked_size: int


def read_records(state_file: Path, output_dir: Path) -> dict[str, Record]:
    """Return what was recorded about archives in *output_dir*, by file name.

    What another version of us recorded, and a damaged file, count as nothing.

    Raises:
        OSError: The file is there and cannot be read.
    """
    try:
        archives = read_record(state_file, _VERSION).get("archives", {})
        return {name: _record(output_dir / name, raw) for name, raw in archives.items()}
    except (ValueError, TypeError, KeyError, AttributeError):
        return {}


def write_records(state_file: Path, records: Mapping[str, Record]) -> None:
    """Record *records*, and forget all others.

    Raises:
        OSError: The file cannot be written; it is as it was.
    """
    archives = {name: _raw(record) for name, record in records.items()}
    text = json_text({"version": _VERSION, "archives": archives})
    write_text(state_file, text)


def _raw(record: Record) -> dict[str, Any]:
    archive = asdict(record.archive)
    del archive["path"], archive["codec"]  # the file's name is the key; the recipe has the codec
    return {
        "recipe": asdict(record.recipe),
        "archive": archive,
        "content_sha256": record.content_sha256,
        "unpacked_size": record.unpacked_size,
    }


def _record(path: Path, raw: Any) -> Record:
    recipe = Recipe(**raw["recipe"])
    fields = dict(raw["archive"])
    frames = tuple(Frame(**frame) for frame in fields.pop("frames"))
    archive = WrittenArchive(path=path, codec=recipe.codec, frames=frames, **fields)
    return Record(
        recipe=recipe,
        archive=archive,
        content_sha256=raw["content_sha256"],
        unpacked_size=raw["unpacked_size"],
    )
