"""Local export: environments copied to where they could run, without packing.

An export has exactly the files that an archive would have, checked against their
`RECORD`s as there. They are copies (`cloning.py`), so an edit in an export
reaches neither the build nor uv's cache, and a later build does not change an
export (X9). Nothing in it runs, so there is no bytecode in it (X10): Python
writes its own at the first start, for the Python that it is.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from venvlayers.build.chain import LAYER_CONFIG
from venvlayers.build.model import LayerEnvironment
from venvlayers.build.record import recorded_hash
from venvlayers.deploy.cloning import Copier
from venvlayers.errors import PublishError
from venvlayers.files import os_reason, replace_directory
from venvlayers.publish.canonical_tar import archive_time
from venvlayers.publish.contents import (
    Entry,
    EntryKind,
    LayerContents,
    altered,
    plan_contents,
)
from venvlayers.report import Progress, Reporter
from venvlayers.transaction import staging_directory

_THREADS = 4
_BATCH = 64  # files: handing them over one by one costs more than copying them


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
    entries = [entry for group in contents.groups for entry in group.entries]
    files = [entry for entry in entries if entry.kind is EntryKind.FILE]
    for entry in entries:
        if entry.kind is not EntryKind.FILE:
            _make(target / entry.path, entry)
    copying = _Copying(contents, target, mtime)
    with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as pool:
        batches = (files[start : start + _BATCH] for start in range(0, len(files), _BATCH))
        for done in pool.map(copying.copy_files, batches):
            progress.advance(done)


def _make(path: Path, entry: Entry) -> None:
    if entry.kind is EntryKind.DIRECTORY:
        path.mkdir()
        path.chmod(0o755)
    else:
        path.symlink_to(entry.target)


@dataclass(frozen=True, slots=True)
class _Copying:
    """Copies files of a layer, on any thread."""

    contents: LayerContents
    target: Path
    mtime: int
    copier: Copier = field(default_factory=Copier)

    def copy_files(self, entries: Sequence[Entry]) -> int:
        """Copy files; return how many bytes they have."""
        for entry in entries:
            self._copy_file(entry)
        return sum(entry.size for entry in entries)

    def _copy_file(self, entry: Entry) -> None:
        copied = os.path.join(self.target, os.fsdecode(entry.path.encode()))  # noqa: PTH118 - hot
        self.copier.copy(self.contents.source(entry), copied)
        if entry.recorded and _recorded(copied, entry) != entry.recorded:
            raise altered(self.contents, entry)
        os.chmod(copied, 0o755 if entry.executable else 0o644)  # noqa: PTH101
        os.utime(copied, (self.mtime, self.mtime))


def _recorded(path: str, entry: Entry) -> str:
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123
        return recorded_hash(hashlib.file_digest(file, entry.recorded.partition("=")[0]))
