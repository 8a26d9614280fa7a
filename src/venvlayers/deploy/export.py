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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from venvlayers.build.chain import LAYER_CONFIG
from venvlayers.build.model import LayerEnvironment
from venvlayers.cloning import Copier
from venvlayers.errors import PublishError
from venvlayers.files import os_reason
from venvlayers.publish.contents import (
    Entry,
    EntryKind,
    LayerContents,
    altered,
    plan_contents,
)
from venvlayers.publish.format import EPOCH
from venvlayers.report import Progress, Reporter
from venvlayers.transaction import replacing_directories, staging_directory


@contextmanager
def exporting(
    environments: Sequence[LayerEnvironment],
    output_dir: Path,
    *,
    timestamp: int | None,
    reporter: Reporter,
) -> Iterator[None]:
    """Copy *environments* into *output_dir*: all of them, or none if one or what follows fails.

    They are in their places inside of the context, and those that were there before are gone
    after it.

    Args:
        environments: What to copy.
        output_dir: Receives a directory for each, called as it is deployed.
        timestamp: ``SOURCE_DATE_EPOCH``, in seconds since 1970; None for `EPOCH`.
        reporter: Where progress goes.

    Raises:
        PublishError: They cannot be written.
    """
    places = [output_dir / environment.deployed_name for environment in environments]
    for place in places:
        _require_export(place)
    try:
        with staging_directory(output_dir, purpose="export") as private:
            made = [private / f"layer-{number}" for number, _ in enumerate(environments)]
            for environment, copy in zip(environments, made, strict=True):
                _export_one(environment, copy, timestamp, reporter)
            with replacing_directories(private, zip(made, places, strict=True)):
                yield
    except OSError as error:
        raise PublishError(
            f"cannot export to {output_dir}: {os_reason(error)}",
            hint="the directory must be writable, and have space for all layers",
        ) from error


def _require_export(place: Path) -> None:
    if os.path.lexists(place) and not (place / LAYER_CONFIG).is_file():
        raise PublishError(
            f"{place} is there, and is not a layer",
            hint="exports replace earlier exports only; choose another directory",
        )


def _export_one(
    environment: LayerEnvironment, copy: Path, timestamp: int | None, reporter: Reporter
) -> None:
    contents = plan_contents(environment, EPOCH if timestamp is None else timestamp)
    label = f"exporting {environment.env_name}"
    with reporter.progress(label, contents.unpacked_size) as progress:
        _copy(contents, copy, progress)


def _copy(contents: LayerContents, target: Path, progress: Progress) -> None:
    # Directories come first in the first group, each after the one that it is in. One thread:
    # with more it takes longer, because most files are small and Python's lock is in the way.
    copier = Copier()
    for group in contents.groups:
        mtime = group.mtime
        for entry in group.entries:
            place = os.path.join(target, os.fsdecode(entry.path.encode()))  # noqa: PTH118 - hot
            if entry.kind is EntryKind.FILE:
                _copy_file(contents, entry, place, copier)
                os.utime(place, (mtime, mtime))
            else:
                _make(Path(place), entry)
            progress.advance(entry.size)


def _make(path: Path, entry: Entry) -> None:
    if entry.kind is EntryKind.DIRECTORY:
        path.mkdir()
        path.chmod(0o755)
    else:
        path.symlink_to(entry.target)


def _copy_file(contents: LayerContents, entry: Entry, place: str, copier: Copier) -> None:
    digest = hashlib.sha256() if entry.recorded else None
    copier.copy(contents.source(entry), place, digest.update if digest else None)
    if digest and digest.hexdigest() != entry.sha256:
        raise altered(contents.layer, contents.root, entry)
    os.chmod(place, 0o755 if entry.executable else 0o644)  # noqa: PTH101
