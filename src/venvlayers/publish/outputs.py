"""Where outputs go, what they are called, and what is there already.

Here outputs are looked at and removed; `publish.py` makes them. Nothing that a
manifest says is believed before the files were compared with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from errno import EACCES, EDQUOT, EFBIG, ENOSPC, EPERM, EROFS
from pathlib import Path
from typing import Protocol

from venvlayers.errors import PublishError
from venvlayers.files import json_text
from venvlayers.platforms import PLATFORMS, Platform
from venvlayers.publish.format import EPOCH, VERSION, ArchiveFormat
from venvlayers.publish.manifest import (
    METADATA_DIR,
    checksum,
    file_name,
    index,
    index_path,
    listed_checksums,
    listed_entries,
    listed_files,
    manifest_path,
    manifests,
    metadata_path,
    tagged,
)
from venvlayers.publish.metadata import Metadata
from venvlayers.publish.seen import Seen, look_at_all, read_seen, write_seen
from venvlayers.publish.state import Recipe, read_records
from venvlayers.spec.kinds import LayerKind
from venvlayers.values import frozen

_FULL = "make room there, or choose another output directory"
_FORBIDDEN = "choose an output directory that you may write to"
_HINTS = {ENOSPC: _FULL, EDQUOT: _FULL, EFBIG: _FULL}
_HINTS |= {EACCES: _FORBIDDEN, EPERM: _FORBIDDEN, EROFS: _FORBIDDEN}


class Packable(Protocol):
    """What decides about an archive: of an environment, or of one that is only planned."""

    @property
    def key(self) -> str:
        """Identifies everything that is in it."""

    @property
    def deployed_name(self) -> str:
        """The directory that it is unpacked into."""


@frozen
class Outputs:
    """Where archives go and how they are made.

    Attributes:
        directory: Where archives go.
        platform: What all the layers are built for.
        tagged: Whether names have the platform in them.
        format: How archives are packed.
        state_file: Where to remember what was made of what; not among the outputs.
        level: How hard archives are compressed; None for the format's default.
        timestamp: The latest time of an entry (``SOURCE_DATE_EPOCH``); None for `EPOCH`.
    """

    directory: Path
    platform: Platform
    tagged: bool
    format: ArchiveFormat
    state_file: Path
    level: int | None = None
    timestamp: int | None = None

    @property
    def tag(self) -> Platform | None:
        """The platform, if names have it in them."""
        return self.platform if self.tagged else None

    @property
    def manifest(self) -> Path:
        """The combined manifest."""
        return manifest_path(self.directory, self.tag)

    @property
    def seen_file(self) -> Path:
        """Where to remember the digests of archives that are not touched."""
        return self.state_file.with_name(f"{self.state_file.stem}-seen.json")

    @property
    def used_level(self) -> int:
        """The level that archives are compressed with."""
        return self.format.default_level if self.level is None else self.level

    def archive_name(self, deployed_name: str) -> str:
        """Return the file name of a layer's archive."""
        return f"{tagged(deployed_name, self.tag)}{self.format.suffix}"

    def recipe(self, environment: Packable) -> Recipe:
        """Return all that decides about the bytes of a layer's archive."""
        return Recipe(
            key=environment.key,
            deployed_name=environment.deployed_name,
            format=self.format.name,
            codec=dict(self.format.codec(self.used_level)),
            canonical=VERSION,
            epoch=EPOCH if self.timestamp is None else self.timestamp,
        )


@frozen
class PublishedLayer:
    """A layer whose archive is in place.

    Attributes:
        platform: What it is built for.
        kind: Runtime, framework or application.
        env_name: Its environment name.
        archive: The file.
        metadata: What is said about it.
        reused: Whether the archive was in place already.
    """

    platform: Platform
    kind: LayerKind
    env_name: str
    archive: Path
    metadata: Metadata
    reused: bool


@frozen
class InPlace:
    """A layer whose archive is in place, and is known not to need another one.

    Attributes:
        recipe: What it was made of.
        layer: The layer.
        seen: The archive, as it is now.
    """

    recipe: Recipe
    layer: PublishedLayer
    seen: Seen


@contextmanager
def explained(directory: Path) -> Iterator[None]:
    """Turn failures to use *directory* into errors that name the place and say what to do."""
    try:
        yield
    except OSError as error:
        place = error.filename or directory
        raise PublishError(
            f"cannot publish to {directory}: {error.strerror}",
            hint=_HINTS.get(error.errno or 0, "see whether it is a directory that you may use"),
            details=None if str(place) == str(directory) else f"{place}",
        ) from error


def published_before(outputs: Outputs) -> dict[str, InPlace]:
    """Return the layers that the manifest lists and we remember, if not a byte is amiss.

    By environment name. The caller compares the recipe's key, codec and time with those of
    today. Every archive is read that somebody may have touched since its digest was computed.

    Raises:
        PublishError: The outputs cannot be read.
    """
    with explained(outputs.directory):
        records = read_records(outputs.state_file, outputs.directory)
        known = {layer.archive.name: layer for layer in _described(outputs)}
        listed = [layer.archive for name, layer in known.items() if name in records]
        there = look_at_all(listed, read_seen(outputs.seen_file))
    return {
        known[name].env_name: InPlace(recipe=records[name].recipe, layer=known[name], seen=seen)
        for name, seen in there.items()
        if seen.sha256 == records[name].archive.sha256 == listed_digest(known[name])
    }


def remember_read(outputs: Outputs, found: Iterable[InPlace]) -> None:
    """Record the digests of archives that had to be read, so that they need not be again.

    Raises:
        OSError: The record cannot be written.
    """
    seen = {one.layer.archive.name: one.seen for one in found}
    if any(one.was_read for one in seen.values()):
        write_seen(outputs.seen_file, seen)


def _described(outputs: Outputs) -> Iterator[PublishedLayer]:
    """Yield what the manifest lists, if metadata, checksums and the index say the same."""
    if not _is_indexed(outputs):
        return
    sums = listed_checksums(outputs.directory, outputs.tag)
    for kind, entry in listed_entries(outputs.manifest):
        layer = kept_layer(kind, entry, outputs)
        if layer and checksum(entry) in sums:
            own = metadata_path(outputs.directory, layer.env_name, outputs.tag)
            if own.is_file() and own.read_bytes() == json_text(entry).encode():
                yield layer


def _is_indexed(outputs: Outputs) -> bool:
    """Tell whether there is an index if there has to be one, and it is right."""
    place, text = index_path(outputs.directory), index_text(outputs.directory, {})
    return (place.read_text("utf-8", "replace") if place.is_file() else None) == text


def index_text(directory: Path, new: Mapping[Path, str]) -> str | None:
    """Return the index of the manifests in *directory*; None if there are not several.

    Args:
        directory: Where outputs are.
        new: What is going to be in place of manifests, or beside them.

    Raises:
        OSError: A manifest cannot be read.
    """
    contents = {platform: path.read_bytes() for path, platform in manifests(directory) if platform}
    contents |= {
        platform: new[path].encode()
        for platform in PLATFORMS.values()
        if (path := manifest_path(directory, platform)) in new
    }
    ordered = [
        (platform, contents[platform]) for platform in PLATFORMS.values() if platform in contents
    ]
    return json_text(index(ordered)) if len(ordered) > 1 else None


def kept_layer(kind: LayerKind, entry: Metadata, outputs: Outputs) -> PublishedLayer | None:
    """Return the layer that a manifest's *entry* describes, None if it is not one of ours."""
    name, target, archive = (
        file_name(entry.get(field)) for field in ("layer_name", "install_target", "archive_name")
    )
    if name is None or target is None or archive is None:
        return None
    if not archive.startswith(f"{tagged(target, outputs.tag)}."):  # in whichever format
        return None
    path = outputs.directory / archive
    return PublishedLayer(
        platform=outputs.platform,
        kind=kind,
        env_name=name,
        archive=path,
        metadata=entry,
        reused=True,
    )


def listed_digest(layer: PublishedLayer) -> str:
    """Return the SHA-256 that the metadata has of the archive; empty if it has none."""
    hashes = layer.metadata.get("archive_hashes")
    return str(hashes.get("sha256", "")) if isinstance(hashes, dict) else ""


def published_outputs(directory: Path) -> tuple[Path, ...]:
    """Return every file that manifests in *directory* list, then the manifests.

    Raises:
        PublishError: A manifest cannot be read.
    """
    with explained(directory):
        found = list(manifests(directory))
        files = [
            file for path, platform in found for file in listed_files(directory, path, platform)
        ]
        indexes = [index_path(directory)] if found and index_path(directory).is_file() else []
    return tuple(dict.fromkeys([*files, *(path for path, _platform in found), *indexes]))


def clean(directory: Path) -> tuple[Path, ...]:
    """Remove what was published in *directory*, and nothing else; return what it was.

    Raises:
        PublishError: Something cannot be removed.
    """
    outputs = published_outputs(directory)
    with explained(directory):
        for path in outputs:
            path.unlink(missing_ok=True)
        for emptied in (directory / METADATA_DIR / "env_metadata", directory / METADATA_DIR):
            with suppress(OSError):  # somebody else's files are in it, or it was never there
                emptied.rmdir()
    return outputs
