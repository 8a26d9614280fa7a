"""What this machine's interpreters were when last looked for.

A build with nothing to do must not start every Python on the machine to learn
that. The record is a cache: what is not in it, or not true any more, is looked
for again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from venvlayers.build.runtime.found import LocalPython
from venvlayers.cache.place import local_record
from venvlayers.files import json_text, write_text
from venvlayers.lock.model import PythonPin
from venvlayers.platforms import Interpreter

_FORMAT = 2


def remember(pythons: Iterable[LocalPython]) -> None:
    """Write down *pythons*, in place of what was known."""
    known = {str(python.pin("local")): _as_json(python) for python in pythons}
    write_text(local_record(), json_text({"format": _FORMAT, "pythons": known}))


def recall(pin: PythonPin) -> LocalPython | None:
    """Return the interpreter of the pinned version, if it is still what it was."""
    try:
        entry = _read()[str(pin)]
        python = _from_json(pin, entry)
        unchanged = python.stamp() == entry["stamp"]
    except (FileNotFoundError, KeyError, TypeError):
        return None
    return python if unchanged and python.stdlib.is_dir() else None


def _read() -> dict[str, dict[str, Any]]:
    try:
        record = json.loads(local_record().read_text("utf-8"))
        known = record["format"] == _FORMAT
        pythons: dict[str, dict[str, Any]] = record["pythons"] if known else {}
    except (OSError, ValueError, KeyError, TypeError):  # damaged: worth as much as none
        return {}
    return pythons


def _as_json(python: LocalPython) -> dict[str, Any]:
    return {
        "release": python.interpreter.release,
        "executable": str(python.executable),
        "prefix": str(python.prefix),
        "stdlib": str(python.stdlib),
        "multiarch": python.multiarch,
        "debian": python.debian,
        "stamp": python.stamp(),
    }


def _from_json(pin: PythonPin, entry: dict[str, Any]) -> LocalPython:
    return LocalPython(
        interpreter=Interpreter(pin.implementation, pin.version, entry["release"]),
        executable=Path(entry["executable"]),
        prefix=Path(entry["prefix"]),
        stdlib=Path(entry["stdlib"]),
        multiarch=entry["multiarch"],
        debian=entry["debian"],
    )
