"""What is remembered about the environments in place: where they are, and their keys.

Planning reads it, so nothing is imported here that costs time. Who makes an
environment, and writes the record, is `environment.py`.
"""

from __future__ import annotations

import json
from collections.abc import Container
from pathlib import Path

from venvlayers.errors import BuildError
from venvlayers.files import os_reason, remove_tree
from venvlayers.layout import Layout
from venvlayers.platforms import Platform


def recorded_key(layout: Layout, env_name: str, platform: Platform) -> str | None:
    """Return the key of the environment that is in place; None if there is none to rely on."""
    recorded = _recorded(layout, env_name, platform)
    if recorded is None or not recorded[0].is_dir():
        return None
    return recorded[1] or None


def _recorded(layout: Layout, env_name: str, platform: Platform) -> tuple[Path, str] | None:
    """Return the directory and the key of the environment that was built last.

    There is no key yet while one is put in its place.
    """
    try:
        record = json.loads(layout.environment_record(env_name, platform).read_text("utf-8"))
        directory, key = record["directory"], record["key"]
    except (OSError, ValueError, KeyError, TypeError):
        return None  # no record, or half of one: the environment is made anew
    # What is recorded is removed one day, so it has to be a name that we would give.
    version = directory.removeprefix(f"{env_name}@") if isinstance(directory, str) else ""
    if not isinstance(key, str) or not (directory == env_name or version.isdecimal()):
        return None
    return layout.environment(directory, platform), key


def remove_older(
    layout: Layout, env_name: str, platform: Platform, place: Path, *, others: Container[str]
) -> None:
    """Remove the environment of a versioned layer's version before.

    Args:
        layout: Where environments are.
        env_name: The layer.
        platform: What the environment was built for.
        place: Where the layer's environment is to be now.
        others: The environment names of the stack: since then, another layer may have got
            the name that the environment had, as this one is not versioned any more.
    """
    recorded = _recorded(layout, env_name, platform)
    if recorded and recorded[0] != place and _is_its(recorded[0], env_name, others):
        remove_tree(recorded[0])


def _is_its(place: Path, env_name: str, others: Container[str]) -> bool:
    return place.name == env_name or place.name not in others


def remove_environment(
    layout: Layout, env_name: str, platform: Platform, *, others: Container[str]
) -> bool:
    """Remove the environment of a layer, and what is known about it; tell if there was one.

    Takes what `remove_older` takes.

    Raises:
        BuildError: It cannot be removed.
    """
    recorded = _recorded(layout, env_name, platform)
    usual = layout.environment(env_name, platform)
    place = recorded[0] if recorded and _is_its(recorded[0], env_name, others) else usual
    found = place.is_dir()
    try:
        layout.environment_record(env_name, platform).unlink(missing_ok=True)
        layout.check_report(env_name, platform).unlink(missing_ok=True)
        remove_tree(place)
    except OSError as error:
        raise BuildError(f"{place} cannot be removed: {os_reason(error)}") from error
    return found
