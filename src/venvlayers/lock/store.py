"""Lock files on disk: reading, checking and writing them.

A layer's lock is two files that belong together (the PEP 751 lock and the
record of its inputs) and two that are for people. They are written by us alone:
a lock whose text is not the one recorded was edited or merged by hand, and is
refused rather than guessed about.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from venvlayers.errors import LockError
from venvlayers.files import json_text, os_reason, sha256_json, sha256_text, write_text
from venvlayers.layout import Layout
from venvlayers.lock.inputs import LockInputs
from venvlayers.lock.model import PythonPin
from venvlayers.platforms import PythonVersion
from venvlayers.transaction import put_in_place, staging_directory
from venvlayers.values import frozen

_FIELDS_OF_VENVSTACKS = frozenset(
    {
        *("lock_input_hash", "lock_version", "locked_at"),
        *("other_inputs_hash", "requirements_hash", "version_inputs_hash"),
    }
)
"""What venvstacks 0.8 records beside a lock, in a file of the same name."""


@frozen
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


@frozen
class SavedLock:
    """A lock as found on disk: its record, and its text with LF."""

    record: LockRecord
    text: str


def read_lock(layout: Layout, env_name: str) -> SavedLock | None:
    """Return a layer's saved lock; None if there is none, or one that venvstacks made.

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
        raise damaged(layout, env_name, str(error)) from error
    except OSError as error:
        raise LockError(f"the lock of {env_name} cannot be read: {error}") from error
    try:
        document = json.loads(recorded)
        if _is_of_venvstacks(document):
            return None
        record = _parse(document)
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(layout, env_name, f"{record_file.name}: {error!r}") from error
    if sha256_text(text) != record.lock_hash:
        raise damaged(layout, env_name, f"{lock_file.name} is not what was written")
    return SavedLock(record=record, text=text)


def is_of_venvstacks(layout: Layout, env_name: str) -> bool:
    """Tell whether a layer's lock is one that venvstacks made, which only gives us its pins."""
    try:
        return _is_of_venvstacks(json.loads(layout.lock_record(env_name).read_text("utf-8")))
    except (OSError, ValueError):
        return False


def _is_of_venvstacks(document: Any) -> bool:
    return isinstance(document, dict) and frozenset(document) == _FIELDS_OF_VENVSTACKS


def pinned_text(layout: Layout, env_name: str) -> str | None:
    """Return a lock file's text for the versions in it, whether or not its record is there.

    A run that was killed while it wrote a lock leaves it without its record: it has
    to be made anew, and should come out with the same versions.
    """
    try:
        return layout.pylock(env_name).read_text("utf-8")
    except (FileNotFoundError, UnicodeDecodeError):
        return None


def declared_before(layout: Layout, env_name: str) -> tuple[str, ...]:
    """Return the requirements that a layer's lock was made from, as its ``.in`` file says."""
    try:
        return tuple(layout.declared(env_name).read_text("utf-8").splitlines())
    except (OSError, UnicodeDecodeError):
        return ()  # it is for people, and may be missing or edited: the caller compares it


def highest_version(layout: Layout, env_name: str) -> int:
    """Return the highest lock version in a layer's files, damaged or not; 0 if there is none.

    Files in which two branches were merged have two: no number is given twice. A killed run
    leaves no record, but a lock, which says under which name the layer is deployed, or was
    until it was not versioned any more.
    """
    found: list[str] = []
    for file, pattern in (
        (layout.lock_record(env_name), r'"lock_version": (\d{1,9})\b'),
        (layout.pylock(env_name), r"(?m)^# It (?:is|was) deployed as .*@(\d{1,9})\b"),
    ):
        with suppress(OSError):
            found += re.findall(pattern, file.read_text("utf-8", errors="replace"))
    return max(map(int, found), default=0)


def damaged(layout: Layout, env_name: str, why: str) -> LockError:
    """Return the error for a lock that cannot be relied on."""
    return LockError(
        f"the lock of {env_name} was edited by hand, or is damaged: {why}",
        hint=f"restore {layout.pylock(env_name).parent}, or make it anew with "
        f"`venvstacks lock --reset-lock {env_name}`; "
        "what it should contain is declared in the specification",
    )


def lock_files(
    layout: Layout, env_name: str, saved: SavedLock, *, declared: str, summary: str
) -> dict[Path, str]:
    """Return a layer's four files, the record last: without it the others do not count."""
    return {
        layout.declared(env_name): declared,
        layout.summary(env_name): summary,
        layout.pylock(env_name): saved.text,
        layout.lock_record(env_name): json_text(_as_json(saved.record)),
    }


def write_files(layout: Layout, files: Mapping[Path, str]) -> None:
    """Put lock files in place: all of them, or, after a failure, none.

    They are written in private first. Old records go before the locks that they
    describe are replaced, so that a kill leaves locks without records, which are
    made anew with the same versions, and never a lock with somebody else's record.

    Raises:
        LockError: They cannot be written.
    """
    changed = {path: text for path, text in files.items() if not _holds(path, text)}
    try:
        with staging_directory(layout.lock_dir, purpose="lock") as staging:
            moves = []
            for number, (path, text) in enumerate(changed.items()):
                moves.append((staging / str(number), path))
                write_text(staging / str(number), text)
            with _set_aside(path for path in changed if path.suffix == ".json"):
                put_in_place(staging, moves, ())
    except OSError as error:
        raise LockError(
            f"locks cannot be written to {layout.lock_dir}: {os_reason(error)}",
            hint="they belong beside the specification, in a directory that you may write to",
        ) from error


@contextmanager
def _set_aside(records: Iterable[Path]) -> Iterator[None]:
    """Remove *records*, and put them back if what is done meanwhile fails."""
    before = {path: path.read_bytes() for path in records if path.exists()}
    for path in before:
        path.unlink()
    try:
        yield
    except BaseException:
        for path, content in before.items():
            path.write_bytes(content)
        raise


def _holds(path: Path, text: str) -> bool:
    try:
        return path.read_bytes() == text.encode()
    except OSError:
        return False  # it is written, and if that cannot be done, that is the failure to report


def _as_json(record: LockRecord) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "lock_hash": record.lock_hash,
        "lock_input_hash": record.inputs.lock_input_hash,
        "lock_version": record.lock_version,
        "locked_at": record.locked_at.isoformat(),
        "inputs": dict(record.inputs.others),
        "other_inputs_hash": record.inputs.other_inputs_hash,
        "requirements_hash": record.requirements_hash,
        "version_inputs": dict(record.inputs.version),
        "version_inputs_hash": record.inputs.version_inputs_hash,
    }
    if record.python:
        fields["python"] = {
            "build": record.python.build,
            "implementation": record.python.implementation,
            "source": record.python.source,
            "version": str(record.python.version),
        }
    return {**fields, "record_hash": sha256_json(fields)}


def _parse(recorded: Any) -> LockRecord:
    if not isinstance(recorded, dict):
        raise TypeError("must be an object")
    document = {key: value for key, value in recorded.items() if key != "record_hash"}
    if recorded["record_hash"] != sha256_json(document):
        raise ValueError("it is not what was written")
    python = document.get("python")
    return LockRecord(
        inputs=LockInputs(
            lock_input_hash=_text(document, "lock_input_hash"),
            # The first release recorded hashes alone; without a format they are outdated.
            others=_texts(document.get("inputs", {})),
            version=_texts(document.get("version_inputs", {})),
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


def _texts(table: Any) -> dict[str, str]:
    return {key: _text(table, key) for key in dict(table)}
