"""Where manifests lie, what they list, and how they are read again.

A manifest that is read may come from anywhere. Only what could be ours is taken
from it, and a name in it never leads out of the output directory.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from venvlayers.files import json_text, write_text
from venvlayers.platforms import PLATFORMS, Platform
from venvlayers.publish.metadata import Metadata
from venvlayers.spec.kinds import LayerKind
from venvlayers.transaction import put_in_place, staging_directory

METADATA_DIR = "__venvstacks__"
"""The directory beside the archives that holds everything said about them."""

_LAYERS_DIR = "env_metadata"
_CHECKSUMS = "SHA256SUMS"
_INDEX = "index.json"


def tagged(name: str, platform: Platform | None) -> str:
    """Return *name* with the platform's behind it, unless outputs are not tagged."""
    return f"{name}-{platform}" if platform else name


def manifest_path(output_dir: Path, platform: Platform | None = None) -> Path:
    """Return the combined manifest's place; *platform* only when outputs are tagged."""
    return output_dir / METADATA_DIR / f"{tagged('venvstacks', platform)}.json"


def index_path(output_dir: Path) -> Path:
    """Return the place of the index of all manifests."""
    return output_dir / METADATA_DIR / _INDEX


def index(manifests: Iterable[tuple[Platform, bytes]]) -> Metadata:
    """Return the index of the manifests of several platforms, with their contents.

    It says where each manifest is, relative to the index, and what identifies it.
    """
    entries = [
        {
            "target_platform": platform.name,
            "manifest": manifest_path(Path(), platform).name,
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        for platform, content in manifests
    ]
    return {"manifests": entries}


def metadata_path(output_dir: Path, env_name: str, platform: Platform | None = None) -> Path:
    """Return the place of one layer's metadata; *platform* only when outputs are tagged."""
    return output_dir / METADATA_DIR / _LAYERS_DIR / f"{tagged(env_name, platform)}.json"


def checksums_path(output_dir: Path, platform: Platform | None = None) -> Path:
    """Return the place of the archives' checksums; *platform* only when outputs are tagged."""
    return output_dir / tagged(_CHECKSUMS, platform)


def checksum(entry: Metadata) -> str | None:
    """Return the line of an archive in a file of checksums, None if it cannot have one."""
    name = file_name(entry.get("archive_name"))
    digest = _mapping(entry.get("archive_hashes")).get("sha256")
    return f"{digest}  {name}\n" if name and isinstance(digest, str) else None


def checksums(entries: Iterable[Metadata]) -> str:
    """Return what ``sha256sum -c`` reads, of the archives that *entries* describe, by name."""
    lines = {line for line in map(checksum, entries) if line}
    return "".join(sorted(lines, key=lambda line: line.partition("  ")[2]))


def listed_checksums(output_dir: Path, platform: Platform | None) -> frozenset[str]:
    """Return the lines of the checksums that are there.

    Raises:
        OSError: They cannot be read.
    """
    place = checksums_path(output_dir, platform)
    if place.is_symlink() or not place.is_file():
        return frozenset()
    return frozenset(place.read_text("utf-8", errors="replace").splitlines(keepends=True))


def combined(entries: Iterable[tuple[LayerKind, Metadata]]) -> Metadata:
    """Return the combined manifest of *entries*, which keep their order."""
    layers: dict[str, list[Metadata]] = {kind.value: [] for kind in LayerKind}
    for kind, metadata in entries:
        layers[kind.value].append(metadata)
    return {"layers": layers}


def write_export_manifests(entries: Sequence[tuple[LayerKind, Metadata]], output_dir: Path) -> Path:
    """Describe layers that lie in *output_dir* unpacked; return the manifest.

    What the manifest before said of layers that are not among *entries* is removed.

    Raises:
        OSError: They cannot be written; what was said is as it was.
    """
    manifest = manifest_path(output_dir)
    before = set(listed_files(output_dir, manifest, None))
    texts = {metadata_path(output_dir, entry["layer_name"]): entry for _kind, entry in entries}
    # Archives in the same place stay.
    old = [path for path in before - texts.keys() if path.parent == manifest.parent / _LAYERS_DIR]
    with staging_directory(output_dir, purpose="describe") as staging:
        moves = []
        for number, (place, metadata) in enumerate({**texts, manifest: combined(entries)}.items()):
            write_text(staging / str(number), json_text(metadata))
            moves.append((staging / str(number), place))
        put_in_place(staging, moves, sorted(old))
    return manifest


def left_behind(entries: Iterable[Metadata]) -> Iterator[tuple[str, str]]:
    """Yield each layer with the deployed name of one below it that has another number now.

    That happens where a layer stays as it was published while one below it does not.
    """
    described = list(entries)
    targets = {str(entry.get("install_target")) for entry in described}
    names = {str(entry.get("layer_name")) for entry in described}
    for entry in described:
        for below in map(str, (*entry.get("required_layers", ()), entry.get("runtime_layer"))):
            if below not in targets and below.rpartition("@")[0] in names:
                yield str(entry.get("layer_name")), below


def listed_entries(manifest: Path) -> list[tuple[LayerKind, Metadata]]:
    """Return what *manifest* lists; nothing when it is absent, damaged, or not ours.

    Raises:
        OSError: It is there and cannot be read.
    """
    try:
        document = json.loads(manifest.read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return []
    layers = _mapping(_mapping(document).get("layers"))
    listed = [(kind, layers.get(kind.value)) for kind in LayerKind]
    return [
        (kind, entry)
        for kind, entries in listed
        if isinstance(entries, list)
        for entry in entries
        if _is_entry(entry)
    ]


def _is_entry(value: Any) -> bool:
    """Tell whether what a manifest lists has the types that readers take for granted."""
    if not isinstance(value, dict):
        return False
    required = value.get("required_layers", [])
    texts = (value.get(key, "") for key in ("layer_name", "install_target", "runtime_layer"))
    return isinstance(required, list) and all(isinstance(text, str) for text in [*texts, *required])


def manifests(output_dir: Path) -> Iterator[tuple[Path, Platform | None]]:
    """Yield every combined manifest in *output_dir*, with its platform when it has one."""
    if (output_dir / METADATA_DIR).is_symlink():
        return
    for platform in (None, *PLATFORMS.values()):
        path = manifest_path(output_dir, platform)
        if path.is_file() and not path.is_symlink():
            yield path, platform


def listed_files(output_dir: Path, manifest: Path, platform: Platform | None) -> Iterator[Path]:
    """Yield the files that *manifest* says were published with it, as far as they are there."""
    for _kind, entry in listed_entries(manifest):
        layer, target, archive = (
            file_name(entry.get(field))
            for field in ("layer_name", "install_target", "archive_name")
        )
        places = [output_dir / archive] if archive and target and archive.startswith(target) else []
        if layer:
            places.append(metadata_path(output_dir, layer, platform))
        yield from (place for place in places if place.is_file() and not place.is_symlink())
    lines = {checksum(entry) for _kind, entry in listed_entries(manifest)}
    if (sums := listed_checksums(output_dir, platform)) and sums <= lines:  # nobody else's
        yield checksums_path(output_dir, platform)


def _mapping(value: Any) -> Metadata:
    return value if isinstance(value, dict) else {}


def file_name(value: Any) -> str | None:
    """Return *value* if it names a file in the very directory that it is looked up in."""
    if not isinstance(value, str) or value in ("", ".", "..") or not value.isprintable():
        return None
    return None if set(value) & set("/\\:") else value
