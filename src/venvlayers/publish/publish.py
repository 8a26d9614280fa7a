"""Publishing: archives, metadata and a manifest, or nothing at all.

Everything new is written into a private directory beside the outputs and put in
place when all of it is complete, the manifest last. What is in place already,
byte for byte, is not written again. Nothing in here knows how to compress.
"""

from __future__ import annotations

import time
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from venvlayers.build.model import LayerEnvironment
from venvlayers.files import json_text
from venvlayers.platforms import Platform
from venvlayers.publish.canonical_tar import tar_parts
from venvlayers.publish.contents import plan_contents
from venvlayers.publish.manifest import (
    checksums,
    checksums_path,
    combined,
    listed_entries,
    listed_files,
    metadata_path,
)
from venvlayers.publish.metadata import archive_metadata
from venvlayers.publish.outputs import (
    Outputs,
    PublishedLayer,
    explained,
    is_as_listed,
    kept_layer,
)
from venvlayers.publish.state import Recipe, Record, read_records, write_records
from venvlayers.report import Kind, Reporter, human_size
from venvlayers.spec.model import LayerKind
from venvlayers.transaction import put_in_place, staging_directory


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A layer that is not published now, and stays in the manifest if it is there.

    Attributes:
        kind: Runtime, framework or application.
        env_name: Its environment name.
    """

    kind: LayerKind
    env_name: str


def publish(
    layers: Iterable[LayerEnvironment | Kept],
    outputs: Outputs,
    reporter: Reporter,
    *,
    order: Sequence[str] = (),
    anew: Container[str] = (),
) -> tuple[PublishedLayer, ...]:
    """Pack *layers* and describe them; return what the manifest lists.

    Files that the manifest listed before and does not list now are removed (X19).

    Args:
        layers: What to publish. Each is packed when it comes, so that others may be built
            meanwhile.
        outputs: Where and how.
        reporter: Where progress goes.
        order: The environment names in the order that the manifest has; that of *layers* if empty.
        anew: The environment names of layers that are packed although their archive is in place.

    Raises:
        PublishError: It cannot be done; earlier outputs are as they were.
    """
    with (
        explained(outputs.directory),
        staging_directory(outputs.directory, purpose="publish") as staging,
    ):
        remembered = read_records(outputs.state_file, outputs.directory)
        records: dict[str, Record] = {}
        published: list[PublishedLayer] = []
        for layer in layers:
            if isinstance(layer, Kept):
                published += _kept(layer, outputs, remembered, records, reporter)
                continue
            name = outputs.archive_name(layer.deployed_name)
            before = None if layer.env_name in anew else remembered.get(name)
            reused = _reusable(before, outputs.recipe(layer))
            records[name] = reused or _pack(layer, outputs, staging, reporter)
            published.append(_published(layer, records[name], reused=bool(reused)))
            if reused:
                reporter.say(Kind.STEP, f"keeping {layer.env_name}: its archive is in place")
        published.sort(key=lambda layer: order.index(layer.env_name) if order else 0)
        # Before the outputs: a record without its archive is harmless, and failing here too.
        write_records(outputs.state_file, records)
        _put_in_place(published, outputs, staging)
    return tuple(published)


def _reusable(remembered: Record | None, recipe: Recipe) -> Record | None:
    """Return the record of an archive that would come out as it is, and is in place."""
    same = remembered is not None and remembered.recipe == recipe and remembered.is_intact()
    return remembered if same else None


def _pack(
    environment: LayerEnvironment, outputs: Outputs, staging: Path, reporter: Reporter
) -> Record:
    """Write a new archive into *staging*, and return what its record will be."""
    contents = plan_contents(environment)
    recipe = outputs.recipe(environment)
    name = outputs.archive_name(environment.deployed_name)
    total = sum(part.size for part in tar_parts(contents, recipe.mtime))
    label = f"publishing {environment.env_name}"
    reporter.say(Kind.STEP, f"{label}: {human_size(contents.unpacked_size)}")
    start = time.perf_counter()
    with reporter.progress(label, total) as progress:
        archive = outputs.format.write(
            contents,
            staging / name,
            mtime=recipe.mtime,
            level=outputs.used_level,
            advance=progress.advance,
        )
    size, seconds = human_size(archive.size), time.perf_counter() - start
    reporter.say(Kind.INFO, f"{label}: {size}, done in {seconds:.1f} s")
    placed = replace(archive, path=outputs.directory / name)
    return Record(recipe=recipe, archive=placed, unpacked_size=contents.unpacked_size)


def _published(environment: LayerEnvironment, record: Record, *, reused: bool) -> PublishedLayer:
    return PublishedLayer(
        kind=environment.kind,
        env_name=environment.env_name,
        archive=record.archive.path,
        metadata=archive_metadata(environment, record.archive, record.unpacked_size),
        reused=reused,
    )


def _kept(
    layer: Kept,
    outputs: Outputs,
    remembered: Mapping[str, Record],
    records: dict[str, Record],
    reporter: Reporter,
) -> list[PublishedLayer]:
    """Return what the manifest says of *layer*, and carry its record over."""
    for kind, entry in listed_entries(outputs.manifest):
        found = kept_layer(kind, entry, outputs)
        if found and (found.kind, found.env_name) == (layer.kind, layer.env_name):
            why = _why_not_kept(found, outputs.platform)
            if why is None:
                if found.archive.name in remembered:
                    records[found.archive.name] = remembered[found.archive.name]
                return [found]
            text = f"{layer.env_name} leaves the manifest: {found.archive.name} {why}"
            reporter.say(Kind.WARNING, text)
    return []


def _why_not_kept(found: PublishedLayer, platform: Platform) -> str | None:
    """Return what is against a layer that the manifest lists; None if nothing is."""
    made_for = found.metadata.get("target_platform", platform.name)
    if made_for != platform.name:  # untagged outputs of two platforms have the same names
        return f"is for {made_for}"
    return None if is_as_listed(found) else "is missing or damaged"


def _put_in_place(published: Sequence[PublishedLayer], outputs: Outputs, staging: Path) -> None:
    before = set(listed_files(outputs.directory, outputs.manifest, outputs.tag))
    texts = {
        metadata_path(outputs.directory, layer.env_name, outputs.tag): json_text(layer.metadata)
        for layer in published
    }
    if sums := checksums(layer.metadata for layer in published):
        texts[checksums_path(outputs.directory, outputs.tag)] = sums
    manifest = combined((layer.kind, layer.metadata) for layer in published)
    texts[outputs.manifest] = json_text(manifest)
    moves = [
        (staging / layer.archive.name, layer.archive) for layer in published if not layer.reused
    ]
    for number, (place, text) in enumerate(texts.items()):
        if not place.is_file() or place.read_bytes() != text.encode():
            new = staging / f"{number}.text"
            new.write_bytes(text.encode())
            moves.append((new, place))
    superseded = before - texts.keys() - {layer.archive for layer in published}
    put_in_place(staging, moves, sorted(superseded))
