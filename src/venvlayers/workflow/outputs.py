"""What a request and a stack say of archives: where they go, and how they are made."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from venvlayers.errors import PublishError, SelectionError
from venvlayers.own import own_format
from venvlayers.spec.model import BEST
from venvlayers.spec.table import did_you_mean
from venvlayers.workflow.run import Run, is_tagged

if TYPE_CHECKING:
    from venvlayers.publish.format import ArchiveFormat
    from venvlayers.publish.outputs import Outputs

_LATEST = 8**11 - 1
"""The latest time, in the year 2242, that the header of a tar's member has room for."""


def outputs(run: Run) -> Outputs:
    """Return where archives go, and how they are made.

    Raises:
        SpecError: There is no such format as the stack names.
        SelectionError: There is none as the request names, or that names a level and the best.
        PublishError: It has no such level, or does not say which is its best, or
            ``SOURCE_DATE_EPOCH`` is no time.
    """
    from venvlayers.publish.outputs import Outputs  # noqa: PLC0415

    chosen = _archive_format(run)
    found = Outputs(
        directory=run.output_dir,
        platform=run.platform,
        tagged=is_tagged(run),
        format=chosen,
        state_file=run.layout.published_record(run.platform, tagged=is_tagged(run)),
        level=_level(run, chosen),
        timestamp=source_date_epoch(),
    )
    found.format.codec(found.used_level)  # refuses a level that there is not, before any work
    return found


def _archive_format(run: Run) -> ArchiveFormat:
    name = run.request.archive_format
    if found := own_format(run.spec.options.archive_format if name is None else name):
        return found
    from venvlayers.plugins import archive_format, archive_formats, plugin_manager  # noqa: PLC0415

    if name is None:
        return archive_format(run.spec)
    formats = archive_formats(plugin_manager())
    if name not in formats:
        meant = did_you_mean(name, formats) or f"the formats are {', '.join(sorted(formats))}"
        raise SelectionError(f"there is no archive format {name!r}", hint=meant)
    return formats[name]


def _level(run: Run, chosen: ArchiveFormat) -> int | None:
    """Return how hard archives are compressed; None for the format's default."""
    said, request = run.spec.options, run.request
    if request.compression_level is not None:
        if request.best:
            message = "--best and --compression-level are two answers to one question"
            raise SelectionError(message, hint="leave out one of the two")
        return request.compression_level
    by_default = _is_best_by_variable() or said.compression_level == BEST
    if by_default if request.best is None else request.best:
        from venvlayers.publish.format import best_level  # noqa: PLC0415

        return best_level(chosen)
    # A level means something else to another format than the one that the stack names.
    same = chosen.name == said.archive_format
    return said.compression_level if same and said.compression_level != BEST else None


def _is_best_by_variable() -> bool:
    return os.environ.get("VENVSTACKS_BEST", "") not in ("", "0")


def source_date_epoch() -> int | None:
    """Return ``SOURCE_DATE_EPOCH`` (reproducible-builds.org): seconds since 1970.

    Raises:
        PublishError: It is no time, or one that an archive cannot hold.
    """
    text = os.environ.get("SOURCE_DATE_EPOCH")
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        raise PublishError(f"SOURCE_DATE_EPOCH must be a number of seconds, not {text!r}")
    if (seconds := int(text)) > _LATEST:
        raise PublishError(f"SOURCE_DATE_EPOCH must be at most {_LATEST}, not {text}")
    return seconds
