"""What a layer's new lock has to do with the one before: pins, time and number.

A lock that comes out as it was keeps its time and its number, whatever asked for
it. The number of a layer goes up for as long as it is versioned, and is not given
twice, not even after a killed run, a merge, or a time in which it was not versioned.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from venvlayers.errors import LockError
from venvlayers.layout import Layout
from venvlayers.lock.inputs import LockInputs, requirements_digest
from venvlayers.lock.model import Upgrade
from venvlayers.lock.store import (
    SavedLock,
    damaged,
    declared_before,
    highest_version,
    pinned_text,
    read_lock,
)
from venvlayers.spec.model import LayerSpec
from venvlayers.values import frozen


@frozen
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
        packages = tomllib.loads(text or "").get("packages", [])
        # What a layer of venvstacks shares is listed in its lock too, without wheels (H6).
        return versions_of(package for package in packages if package.get("wheels"))
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


def next_version(layer: LayerSpec, before: Before, inputs: LockInputs, set_hash: str) -> int:
    """Return the number of a new lock: 1 where a layer is not versioned."""
    old = before.saved.record if before.saved else None
    if not layer.versioned:
        return 1
    unchanged = old is not None and (old.requirements_hash, dict(old.inputs.version)) == (
        set_hash,
        dict(inputs.version),
    )
    return before.highest_version if unchanged else before.highest_version + 1


def next_time(before: Before, set_hash: str, now: datetime, latest: datetime | None) -> datetime:
    """Return the time of a new lock, to the second: that of the last change of its set.

    Args:
        before: The lock until now.
        set_hash: Identifies the new locked set.
        now: The time for what changed.
        latest: The time that is not to be exceeded (``exclude-newer``).
    """
    old = before.saved.record if before.saved else None
    time = old.locked_at if old and old.requirements_hash == set_hash else now
    return min(time, latest or time).astimezone(UTC).replace(microsecond=0)
