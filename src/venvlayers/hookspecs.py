"""What a third party can add to the engine, in the manner of Hatch's own plugins.

A distribution adds an entry point in the group ``venvlayers`` that names a
module with functions marked `hookimpl`; each returns an object that keeps the
contract named here. Our own sources and formats are registered in the same way
(`plugins.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from venvlayers.build.runtime.source import RuntimeSource
    from venvlayers.publish.format import ArchiveFormat

PROJECT = "venvlayers"
"""The entry point group, and pluggy's project name."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def venvlayers_register_runtime_source() -> RuntimeSource:  # type: ignore[empty-body]
    """Return a place that interpreters come from."""


@hookspec
def venvlayers_register_archive_format() -> ArchiveFormat:  # type: ignore[empty-body]
    """Return a way to pack layers."""
