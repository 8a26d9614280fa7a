"""Telling the CI job that we run in what was published, where it offers a file for that."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from venvlayers.files import os_reason
from venvlayers.plan import Goal
from venvlayers.report import Kind
from venvlayers.workflow.outputs import outputs
from venvlayers.workflow.run import Run

if TYPE_CHECKING:
    from venvlayers.publish.metadata import Metadata
    from venvlayers.publish.outputs import PublishedLayer

_VARIABLE = "GITHUB_STEP_SUMMARY"


def _summary_file(run: Run) -> Path | None:
    name = os.environ.get(_VARIABLE)
    return Path(name) if name and run.request.goal is Goal.PUBLISH else None


def listed_before(run: Run) -> Sequence[Metadata]:
    """Return what the manifest lists before it changes, if it is to be compared afterwards.

    Raises:
        PublishError: It cannot be read.
    """
    if not _summary_file(run):
        return ()
    from venvlayers.publish.manifest import listed_entries  # noqa: PLC0415
    from venvlayers.publish.outputs import explained  # noqa: PLC0415

    with explained(run.output_dir):
        return [entry for _kind, entry in listed_entries(outputs(run).manifest)]


def append_summary(
    run: Run, published: Iterable[PublishedLayer], before: Sequence[Metadata]
) -> None:
    """Append a table and a graph to the job's summary; where that fails, warn."""
    place = _summary_file(run)
    if not place:
        return
    from venvlayers.publish.summary import markdown  # noqa: PLC0415

    text = markdown([layer.metadata for layer in published], before, f"Layers for {run.platform}")
    try:
        with place.open("a", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except OSError as error:
        what = f"{_VARIABLE} cannot be written to: {os_reason(error)}"
        run.reporter.say(Kind.WARNING, what)
