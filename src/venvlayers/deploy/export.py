"""Local export: environments copied to where they could run, without packing.

An export has exactly the files that an archive would have. They are copies, so
an edit in an export reaches neither the build nor uv's cache, and a later build
does not change an export (X9).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from venvlayers.build.chain import LAYER_CONFIG
from venvlayers.build.model import LayerEnvironment
from venvlayers.errors import PublishError
from venvlayers.files import os_reason, replace_directory
from venvlayers.publish.canonical_tar import archive_time
from venvlayers.publish.contents import Entry, EntryKind, LayerContents, plan_contents
from venvlayers.report import Progress, Reporter
from venvlayers.transaction import staging_directory


def export(
    environments: Sequence[LayerEnvironment],
    output_dir: Path,
    *,
    timestamp: int | None,
    reporter: Reporter,
) -> None:
    """Copy *environments* into *output_dir*, each whole or not at all.

    Args:
        environments: What to copy.
        output_dir: Receives a directory for each, called as it is deployed.
        timestamp: ``SOURCE_DATE_EPOCH``, in seconds since 1970; None for the locks' times.
        reporter: Where progress goes.

    Raises:
        PublishError: They cannot be written.
    """
    try:
        for environment in environments:
            _export_one(environment, output_dir, timestamp, reporter)
    except OSError as error:
        raise PublishError(
            f"cannot export to {output_dir}: {os_reason(error)}",
            hint="the directory must be writable, and have space for all layers",
        ) from error


def _export_one(
    environment: LayerEnvironment, output_dir: Path, timestamp: int | None, reporter: Reporter
) -> None:
    contents = plan_contents(environment)
    place = output_dir / environment.deployed_name
    if os.path.lexists(place) and not (place / LAYER_CONFIG).is_file():
        raise PublishError(
            f"{place} is there, and is not a layer",
            hint="exports replace earlier exports only; choose another directory",
        )
    mtime = archive_time(environment.locked_at, timestamp, environment.modules)
    label = f"exporting {environment.env_name}"
    with (
        staging_directory(output_dir, purpose="export") as private,
        reporter.progress(label, contents.unpacked_size) as progress,
    ):
        _copy(contents, private / "layer", mtime, progress)
        replace_directory(private / "layer", place)


def _copy(contents: LayerContents, target: Path, mtime: int, progress: Progress) -> None:
    # Directories come first in the first group, each after the one that it is in.
    for group in contents.groups:
        for entry in group.entries:
            _copy_entry(contents.source(entry), target / entry.path, entry, mtime)
            progress.advance(entry.size)


def _copy_entry(source: str, target: Path, entry: Entry, mtime: int) -> None:
    if entry.kind is EntryKind.DIRECTORY:
        target.mkdir()
        target.chmod(0o755)
    elif entry.kind is EntryKind.SYMLINK:
        target.symlink_to(entry.target)
    else:
        shutil.copyfile(source, target)
        target.chmod(0o755 if entry.executable else 0o644)
        os.utime(target, (mtime, mtime))
