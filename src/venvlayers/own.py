"""Our own runtime sources and archive formats, one at a time, by name.

Each is imported when it is asked for. Those of other distributions are in `plugins.py`, which
looks through everything that is installed: 30 ms, for names that are not here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from venvlayers.build.runtime.source import RuntimeSource
    from venvlayers.publish.format import ArchiveFormat

SOURCES = ("managed", "local")
FORMATS = ("tar.zst", "tar.xz", "tar.gz", "tar", "zip")


def own_source(name: str) -> RuntimeSource | None:
    """Return the runtime source of ours that is called *name*, if there is one."""
    if name == "managed":
        from venvlayers.build.runtime.managed import ManagedSource  # noqa: PLC0415 - see above

        return ManagedSource()
    if name == "local":
        from venvlayers.build.runtime.local import LocalSource  # noqa: PLC0415

        return LocalSource()
    return None


def own_format(name: str) -> ArchiveFormat | None:
    """Return the archive format of ours that is called *name*, if there is one."""
    if name == "tar.zst":
        from venvlayers.publish.zstd import ZstdTar  # noqa: PLC0415 - see above

        return ZstdTar()
    if name == "zip":
        from venvlayers.publish.zips import Zip  # noqa: PLC0415

        return Zip()
    if name in FORMATS:
        from venvlayers.publish.tars import GzipTar, PlainTar, XzTar  # noqa: PLC0415

        return {one.name: one for one in (XzTar(), GzipTar(), PlainTar())}[name]
    return None
