"""Reports that were made before: a layer that is made once more need not be looked at again.

A report follows from the environment's key, from what is installed there, and from what is
asked of it. Its files are listed for that, and not read: their contents were compared with
the hashes in each `RECORD` when they were installed, and the rest (an interpreter, what is
written for a layer) follows from the key. How a layer goes with others follows from the
same of each. Only a memory: it may be deleted at any time, and then everything is looked at.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from venvlayers import __version__
from venvlayers.cache.memory import Memory
from venvlayers.check.listing import listed
from venvlayers.check.model import CheckedLayer, Finding, Report, Severity
from venvlayers.files import sha256_file, sha256_json
from venvlayers.spec.model import FindingKind

_FORMAT = 1
"""Raised when something else is found in the same environment within one release."""
_MOST = 1_000
"""So many reports are remembered; a machine with more than that forgets them all."""
_LONGEST = 1_000_000
"""Characters of one report; most take some hundred."""


class Remembered:
    """A directory with reports on layers.

    Args:
        directory: Where; made when there is something to remember. None remembers nothing.
    """

    def __init__(self, directory: Path | None) -> None:
        self._memory = Memory(directory=directory, most=_MOST, longest=_LONGEST)

    def report(self, identity: str) -> Report | None:
        """Return the report on what has this identity; None if it is not remembered."""
        text = self._memory.recall(identity)
        return None if text is None else _loaded(text)

    def remember(self, identity: str, report: Report) -> None:
        """Keep a report, unless it has errors: who is refused has had the layer looked at."""
        if not report.of(Severity.ERROR):
            self._memory.remember(identity, json.dumps(asdict(report), default=_plain))


def identity(layer: CheckedLayer) -> str:
    """Return a digest of all that the report on a layer by itself follows from.

    Raises:
        OSError: Its environment cannot be listed.
    """
    environment = layer.environment
    files, links = listed(os.fspath(environment.path))
    return _digest(
        {
            "release": [__version__, _FORMAT],
            "key": environment.key,
            "layer": [layer.name, *layer.lower],
            "files": files,
            "links": links,
            "records": [sha256_file(environment.path / path) for path in files if _is_record(path)],
            "targets": asdict(layer.targets),
            "accepted": sorted(map(str, layer.accepted)),
            "hidden_libraries": layer.hidden_libraries,
            "traces": layer.traces,
        }
    )


def identity_together(identities: Sequence[str]) -> str:
    """Return the same of a layer with those below it, each by its identity, in path order."""
    return _digest(["together", *identities])


def _is_record(path: str) -> bool:
    return path.endswith(".dist-info/RECORD")


def _digest(value: Any) -> str:
    return sha256_json(value).removeprefix("sha256:")


def _plain(value: Any) -> Any:
    if isinstance(value, FindingKind):
        return value.value
    raise TypeError


def _loaded(text: str) -> Report | None:
    try:
        values = json.loads(text)
        findings = tuple(_finding(one) for one in values.pop("findings"))
        unknown = tuple(values.pop("unknown"))
        return Report(**values, findings=findings, unknown=unknown)
    except (ValueError, TypeError, LookupError, AttributeError):
        return None  # sealed, so another program's


def _finding(values: dict[str, Any]) -> Finding:
    read = {"kind": FindingKind, "severity": Severity, "files": tuple, "about": tuple}
    return Finding(**{name: read.get(name, _same)(value) for name, value in values.items()})


def _same(value: Any) -> Any:
    return value
