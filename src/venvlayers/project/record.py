"""What we remember of the project's wheel: what it was made from, and what is in it.

Planning reads it, so nothing is imported here that costs time. A record is a claim about a
file; who relies on it compares the file first.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from venvlayers.files import json_text, sha256_file, sha256_json, write_text
from venvlayers.project.model import ProjectPlace, ProjectWheel
from venvlayers.project.sources import SourceFile, Sources, read_sources
from venvlayers.values import frozen

_VERSION = 1
_FILE = "record.json"


@frozen
class Record:
    """A wheel that was made.

    Attributes:
        digest: Of the sources that it was made from, as they were afterwards.
        python: The Python that ran the build backend; decides for wheels that are not pure.
        files: The hashes of those sources.
        generated: Ignored files that got into it.
        roots: The directories that its modules came from, relative to the project, with ``/``.
        wheel: The wheel.
    """

    digest: str
    python: str
    files: Mapping[str, SourceFile]
    generated: tuple[str, ...]
    roots: tuple[str, ...]
    wheel: ProjectWheel


def running_python() -> str:
    """Return what distinguishes the Python that runs this from others, for a build backend."""
    return str(sys.implementation.cache_tag)


def current_wheel(place: ProjectPlace) -> ProjectWheel | None:
    """Return the wheel that is there, if building it now would give it again; else None.

    Raises:
        OSError: A source file cannot be read.
    """
    record = read_record(place)
    if record is None or not (record.wheel.is_pure or record.python == running_python()):
        return None
    sources = read_sources(place, known=record.files, generated=record.generated)
    return record.wheel if sources.digest == record.digest else None


def read_record(place: ProjectPlace) -> Record | None:
    """Return what is recorded of the wheel in place; None if there is none to rely on."""
    try:
        document = json.loads((place.store / _FILE).read_bytes())
        content = {key: value for key, value in document.items() if key != "record_hash"}
        if document["version"] != _VERSION or document["record_hash"] != sha256_json(content):
            return None
        record = _parsed(document, place.store)
        is_that = sha256_file(record.wheel.path) == f"sha256:{record.wheel.sha256}"
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return record if is_that else None


def _parsed(document: Mapping[str, Any], store: Path) -> Record:
    fields = dict(document["wheel"])
    lists = {key: tuple(fields.pop(key)) for key in ("requires", "extras")}
    wheel = ProjectWheel(**{**fields, **lists, "path": store / fields["path"]})
    files = {
        path: SourceFile(digest, executable, tuple(status) if status else None)
        for path, (digest, executable, status) in document["files"].items()
    }
    return Record(
        digest=document["digest"],
        python=document["python"],
        files=files,
        generated=tuple(document["generated"]),
        roots=tuple(document["roots"]),
        wheel=wheel,
    )


def write_record(
    place: ProjectPlace, sources: Sources, wheel: ProjectWheel, roots: Sequence[str]
) -> None:
    """Record *wheel*, which is in place, the sources that it was made from, and where they are.

    Raises:
        OSError: It cannot be written.
    """
    files = {
        path: [file.hash, file.executable, file.status] for path, file in sources.known.items()
    }
    document = {
        "version": _VERSION,
        "digest": sources.digest,
        "python": running_python(),
        "files": files,
        "generated": sorted(sources.generated),
        "roots": list(roots),
        "wheel": {**asdict(wheel), "path": wheel.path.name},
    }
    write_text(place.store / _FILE, json_text({**document, "record_hash": sha256_json(document)}))


def forget(place: ProjectPlace) -> None:
    """Forget the wheel, so that it is built anew."""
    (place.store / _FILE).unlink(missing_ok=True)
