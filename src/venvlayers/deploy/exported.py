"""What we remember about exports, so that they need not be made again.

An export may have been changed by hand, so a record is a claim only: each has a
seal over the names, modes, sizes and times of everything in it, and an export that
does not fit its seal does not count. Bytecode does: programs that run leave it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from venvlayers.build.chain import LAYER_CONFIG
from venvlayers.files import json_text, read_record, remove_tree, sealed, write_text
from venvlayers.publish.format import EPOCH
from venvlayers.publish.manifest import file_name, listed_entries, manifest_path, metadata_path
from venvlayers.publish.metadata import Metadata
from venvlayers.publish.outputs import Packable
from venvlayers.spec.kinds import LayerKind
from venvlayers.values import frozen

_VERSION = 2


@frozen
class ExportRecipe:
    """All that decides about an export.

    Attributes:
        key: The environment's.
        deployed_name: The directory's name.
        epoch: The latest time of a file.
    """

    key: str
    deployed_name: str
    epoch: int


def export_recipe(environment: Packable, timestamp: int | None) -> ExportRecipe:
    """Return all that decides about the export of an environment, built or only planned."""
    return ExportRecipe(
        key=environment.key,
        deployed_name=environment.deployed_name,
        epoch=EPOCH if timestamp is None else timestamp,
    )


def exported_before(state_file: Path, output_dir: Path) -> dict[str, ExportRecipe]:
    """Return the layers whose exports are in place as we left them, by environment name.

    Raises:
        OSError: Something there cannot be read.
    """
    listed = {
        entry.get("layer_name"): entry for _, entry in listed_entries(manifest_path(output_dir))
    }
    found = {}
    for name, (recipe, seal) in _read(state_file, output_dir).items():
        described = listed.get(name)
        own = metadata_path(output_dir, name)
        if (
            described is not None
            and own.is_file()
            and own.read_bytes() == json_text(described).encode()
            and sealed(output_dir / recipe.deployed_name) == seal
        ):
            found[name] = recipe
    return found


def remember_exports(
    state_file: Path, output_dir: Path, recipes: Mapping[str, ExportRecipe]
) -> None:
    """Record exports in *output_dir* as they are now, and forget all others.

    Raises:
        OSError: The file cannot be written.
    """
    layers = {
        name: {"recipe": asdict(recipe), "seal": sealed(output_dir / recipe.deployed_name)}
        for name, recipe in recipes.items()
    }
    document = {"version": _VERSION, "directory": str(output_dir), "layers": layers}
    write_text(state_file, json_text(document))


def remember_superseding(state_file: Path, output_dir: Path, names: Iterable[str]) -> None:
    """Record, before the manifest changes, which exports may not be listed any more.

    `remember_exports` ends that. After a kill before it nothing else is known, and
    everything is exported again.

    Raises:
        OSError: The file cannot be written.
    """
    document = {
        "version": _VERSION,
        "directory": str(output_dir),
        "layers": {},
        "superseding": sorted(names),
    }
    write_text(state_file, json_text(document))


def left_superseded(state_file: Path, output_dir: Path) -> frozenset[str]:
    """Return the names that `remember_superseding` recorded for a run that was killed.

    Raises:
        OSError: The file cannot be read.
    """
    names = _document(state_file, output_dir).get("superseding", [])
    found = map(file_name, names if isinstance(names, list) else [])
    return frozenset(name for name in found if name)


def kept_entries(output_dir: Path, names: Iterable[str]) -> list[tuple[LayerKind, Metadata]]:
    """Return what the manifest says of *names*, as far as their exports are still there.

    Raises:
        OSError: The manifest cannot be read.
    """
    wanted = set(names)
    return [
        (kind, entry)
        for kind, entry in listed_entries(manifest_path(output_dir))
        if entry.get("layer_name") in wanted and _is_there(output_dir, entry)
    ]


def listed_targets(output_dir: Path) -> frozenset[str]:
    """Return the names of the directories that the manifest lists.

    Raises:
        OSError: The manifest cannot be read.
    """
    entries = listed_entries(manifest_path(output_dir))
    names = (file_name(entry.get("install_target")) for _, entry in entries)
    return frozenset(name for name in names if name)


def remove_superseded(output_dir: Path, before: Iterable[str]) -> tuple[Path, ...]:
    """Remove exports that were listed, are not any more, and that no listed layer refers to.

    Args:
        output_dir: Where the manifest is that lists the exports of now.
        before: What `listed_targets` returned before it was written.

    Raises:
        OSError: They cannot be removed.
    """
    wanted: set[object] = set(listed_targets(output_dir))
    for _kind, entry in listed_entries(manifest_path(output_dir)):
        wanted |= {entry.get("runtime_layer"), *entry.get("required_layers", ())}
    places = [output_dir / name for name in before if name not in wanted]
    found = tuple(
        place
        for place in places
        if not place.is_symlink() and (place / LAYER_CONFIG).is_file()  # whatever else is not ours
    )
    for place in found:
        remove_tree(place)
    return found


def _is_there(output_dir: Path, entry: Metadata) -> bool:
    name = file_name(entry.get("install_target"))
    return name is not None and (output_dir / name).is_dir()


def _read(state_file: Path, output_dir: Path) -> dict[str, tuple[ExportRecipe, str]]:
    """Return what was recorded; what another version of us wrote, or half a file, is nothing."""
    try:
        return {
            name: (ExportRecipe(**raw["recipe"]), raw["seal"])
            for name, raw in _document(state_file, output_dir).get("layers", {}).items()
        }
    except (ValueError, TypeError, KeyError, AttributeError):
        return {}


def _document(state_file: Path, output_dir: Path) -> dict[str, Any]:
    document = read_record(state_file, _VERSION)
    return document if document.get("directory") == str(output_dir) else {}
