"""What a layer's new lock has to do with the one before: pins, time and number.

A lock that comes out as it was keeps its time and its number, whatever asked for
it. The number of a versioned layer goes up and is never given twice.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from venvlayers.errors import LockError
from venvlayers.files import sha256_text
from venvlayers.layout import Layout
from venvlayers.lock.inputs import LockInputs, requirements_digest
from venvlayers.lock.model import PythonPin, Upgrade
from venvlayers.lock.store import (
    LockRecord,
    SavedLock,
    damaged,
    declared_before,
    highest_version,
    pinned_text,
    read_lock,
)
from venvlayers.spec.model import LayerSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What is known about a layer's lock until now.

    Attributes:
        saved: The lock, if there is one that can be read.
        text: The lock file's text, also where its record is gone or damaged.
        forgotten: Whether nothing of it is to be kept.
        highest_version: The highest number that it was given; 0 if none.
        requirements: What the layer required then; None if that is not known for sure.
    """

    saved: SavedLock | None
    text: str | None
    forgotten: bool
    highest_version: int
    requirements: tuple[str, ...] | None

    @property
    def pins(self) -> str | None:
        """The text whose versions are to be kept."""
        return None if self.forgotten else self.text

    @property
    def versions(self) -> dict[str, str]:
        """The versions in it, by package; several where platforms differ."""
        return _versions_in(self.text) or {}


def _versions_in(text: str | None) -> dict[str, str] | None:
    """Return the versions in a lock's text; None if it is damaged."""
    try:
        return versions_of(tomllib.loads(text or "").get("packages", []))
    except (tomllib.TOMLDecodeError, KeyError, TypeError, AttributeError):
        return None


def versions_of(packages: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return the versions of packages in a lock, by name; several where platforms differ."""
    found: dict[str, list[str]] = {}
    for package in packages:
        found.setdefault(package["name"], []).append(package.get("version", "?"))
    return {name: ", ".join(sorted(set(versions))) for name, versions in found.items()}


def look_back(layout: Layout, layer: LayerSpec, upgrade: Upgrade) -> Before:
    """Return what is known about *layer*'s lock until now.

    Raises:
        LockError: It is damaged, and not to be forgotten.
    """
    name, forgotten = layer.env_name, layer.env_name in upgrade.reset
    try:
        saved = read_lock(layout, name)
    except LockError:
        if not forgotten:
            raise
        saved = None
    text = pinned_text(layout, name)
    if not forgotten and _versions_in(text) is None:
        raise damaged(layout, name, f"{layout.pylock(name).name} is not a lock")
    declared = declared_before(layout, name)
    is_that = saved and requirements_digest(declared) == saved.record.inputs.lock_input_hash
    return Before(
        saved=saved,
        text=text,
        forgotten=forgotten,
        highest_version=highest_version(layout, name),
        requirements=declared if is_that else None,
    )


def next_record(
    layer: LayerSpec,
    before: Before,
    *,
    inputs: LockInputs,
    set_hash: str,
    text: str,
    python: PythonPin | None,
    now: datetime,
    latest: datetime | None,
) -> LockRecord:
    """Return the record of a new lock.

    Args:
        layer: The layer.
        before: Its lock until now.
        inputs: What the new one was made from.
        set_hash: Identifies the new locked set.
        text: The new lock file's text.
        python: The Python of a runtime layer.
        now: The time for what changed.
        latest: The time that is not to be exceeded (``exclude-newer``).
    """
    old = before.saved.record if before.saved else None
    same_set = old is not None and old.requirements_hash == set_hash
    same_version = same_set and old is not None and dict(old.inputs.version) == dict(inputs.version)
    time = old.locked_at if old and same_set else now
    version = before.highest_version if same_version else before.highest_version + 1
    return LockRecord(
        inputs=inputs,
        requirements_hash=set_hash,
        lock_hash=sha256_text(text),
        lock_version=version if layer.versioned else 1,
        locked_at=min(time, latest or time).astimezone(UTC).replace(microsecond=0),
        python=python,
    )
