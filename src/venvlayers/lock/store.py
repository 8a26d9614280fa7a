"""Lock files on disk: reading, checking and writing them.

A layer's lock is two files that belong together (the PEP 751 lock and the
record of its inputs) and two that are for people. They are written by us alone:
a lock whose text is not the one recorded was edited or merged by hand, and is
refused rather than guessed about.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from venvlayers.errors import LockError
from venvlayers.files import json_text, sha256_text, write_text
from venvlayers.layout import Layout
from venvlayers.lock.inputs import LockInputs
from venvlayers.lock.model import PythonPin
from venvlayers.platforms import PythonVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class LockRecord:
    """What is recorded beside a lock.

    Attributes:
        inputs: The hashes of what it was made from.
        requirements_hash: Identifies the locked set.
        lock_hash: Of the lock file's text.
        lock_version: Counts changes of a versioned layer.
        locked_at: When the locked set last changed, in UTC, to the second.
        python: The Python of a runtime layer.
    """

    inputs: LockInputs
    requirements_hash: str
    lock_hash: str
    lock_version: int
    locked_at: datetime
    python: PythonPin | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedLock:
    """A lock as found on disk: its record, and its text with LF."""

    record: LockRecord
    text: str


def read_lock(layout: Layout, env_name: str) -> SavedLock | None:
    """Return a layer's saved lock; None if there is none.

    Raises:
        LockError: The files are damaged, or do not belong together.
    """
    lock_file, record_file = layout.pylock(env_name), layout.lock_record(env_name)
    try:
        text = lock_file.read_text("utf-8")  # universal newlines: a checkout may have CRLF
        recorded = record_file.read_text("utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise _damaged(layout, env_name, str(error)) from error
    except OSError as error:
        raise LockError(f"the lock of {env_name} cannot be read: {error}") from error
    try:
        record = _parse(json.loads(recorded))
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(layout, env_name, f"{record_file.name}: {error!r}") from error
    if sha256_text(text) != record.lock_hash:
        raise _damaged(layout, env_name, f"{lock_file.name} is not what was written")
    return SavedLock(record=record, text=text)


def pinned_text(layout: Layout, env_name: str) -> str | None:
    """Return a lock file's text for the versions in it, whether or not its record is there.

    A run that was killed while it wrote a lock leaves it without its record: it has
    to be made anew, and should come out with the same versions.
    """
    try:
        return layout.pylock(env_name).read_text("utf-8")
    except (FileNotFoundError, UnicodeDecodeError):
        return None


def _damaged(layout: Layout, env_name: str, why: str) -> LockError:
    return LockError(
        f"the lock of {env_name} was edited by hand, or is damaged: {why}",
        hint=f"restore {layout.pylock(env_name).parent}, or delete it to lock {env_name} anew; "
        "what it should contain is declared in the specification",
    )


def write_lock(
    layout: Layout, env_name: str, saved: SavedLock, *, declared: str, summary: str
) -> None:
    """Write a layer's four files, the record last: without it the others do not count.

    Raises:
        LockError: They cannot be written.
    """
    try:
        layout.lock_record(env_name).unlink(missing_ok=True)
        write_text(layout.declared(env_name), declared)
        write_text(layout.summary(env_name), summary)
        write_text(layout.pylock(env_name), saved.text)
        write_text(layout.lock_record(env_name), json_text(_as_json(saved.record)))
    except OSError as error:
        where = layout.pylock(env_name).parent
        raise LockError(f"the lock of {env_name} cannot be written to {where}: {error}") from error


def _as_json(record: LockRecord) -> dict[str, Any]:
    document: dict[str, Any] = {
        "lock_hash": record.lock_hash,
        "lock_input_hash": record.inputs.lock_input_hash,
        "lock_version": record.lock_version,
        "locked_at": record.locked_at.isoformat(),
        "other_inputs_hash": record.inputs.other_inputs_hash,
        "requirements_hash": record.requirements_hash,
        "version_inputs_hash": record.inputs.version_inputs_hash,
    }
    if record.python:
        document["python"] = {
            "build": record.python.build,
            "implementation": record.python.implementation,
            "source": record.python.source,
            "version": str(record.python.version),
        }
    return document


def _parse(document: Any) -> LockRecord:
    if not isinstance(document, dict):
        raise TypeError("must be an object")
    python = document.get("python")
    return LockRecord(
        inputs=LockInputs(
            lock_input_hash=_text(document, "lock_input_hash"),
            other_inputs_hash=_text(document, "other_inputs_hash"),
            version_inputs_hash=_text(document, "version_inputs_hash"),
        ),
        requirements_hash=_text(document, "requirements_hash"),
        lock_hash=_text(document, "lock_hash"),
        lock_version=int(document["lock_version"]),
        locked_at=datetime.fromisoformat(_text(document, "locked_at")).astimezone(UTC),
        python=None if python is None else _parse_python(python),
    )


def _parse_python(document: dict[str, Any]) -> PythonPin:
    build = document["build"]
    return PythonPin(
        implementation=_text(document, "implementation"),
        version=PythonVersion.parse(_text(document, "version")),
        source=_text(document, "source"),
        build=None if build is None else str(build),
    )


def _text(document: dict[str, Any], key: str) -> str:
    value = document[key]
    if not isinstance(value, str):
        raise TypeError(f"{key} must be a string")
    return value
