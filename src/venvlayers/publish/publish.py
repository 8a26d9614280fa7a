"""Publishing: archives, metadata and a manifest, or nothing at all.

Everything new is written into a private directory beside the outputs and put in
place when all of it is complete, the manifest last. What is in place already,
byte for byte, is not written again. Nothing in here knows how to compress.
"""

from __future__ import annotations

import time
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from venvlayers.build.model import LayerEnvironment
from venvlayers.files import json_text
from venvlayers.platforms import Platform
from venvlayers.publish.canonical_tar import tar_parts
from venvlayers.publish.contents import plan_contents
from venvlayers.publish.frames import KnownFrames
from venvlayers.publish.manifest import (
    checksums,
    checksums_path,
    combined,
    index_path,
    listed_entries,
    listed_files,
    metadata_path,
)
from venvlayers.publish.metadata import archive_metadata
from venvlayers.publish.outputs import (
    Outputs,
    PublishedLayer,
    explained,
    index_text,
    kept_layer,
    listed_digest,
)
from venvlayers.publish.packing import Packing
from venvlayers.publish.seen import Seen, look_at, read_seen, remember_new
from venvlayers.publish.state import Recipe, Record, read_records, write_records
from venvlayers.report import Kind, Reporter, human_size
from venvlayers.spec.kinds import LayerKind
from venvlayers.transaction import put_in_place, staging_directory

if TYPE_CHECKING:
    from venvlayers.cache.store import FrameStore
    from venvlayers.publish.contents import LayerContents


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A layer that is not published now, and stays in the manifest if it is there.

    Attributes:
        kind: Runtime, framework or application.
        env_name: Its environment name.
        platform: What it was built for.
    """

    kind: LayerKind
    env_name: str
    platform: Platform


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """What is being published for one platform.

    Attributes:
        outputs: Where and how.
        staging: Where new files are put first.
        frames: What is known of compressed frames.
        reporter: Where progress goes.
        packing: Packs layers, those for other platforms too.
        remembered: What was recorded about archives before.
        records: What will be, by file name.
        published: What the manifest is to list.
        seen: Archives of before whose digests are known, by file name; renewed when one
            is looked at.
        suffix: What is added to a layer's name in messages.
    """

    outputs: Outputs
    staging: Path
    frames: KnownFrames
    reporter: Reporter
    packing: Packing
    remembered: Mapping[str, Record]
    seen: dict[str, Seen]
    suffix: str
    records: dict[str, Record] = field(default_factory=dict)
    published: list[PublishedLayer] = field(default_factory=list)

    def look_at(self, archive: Path) -> Seen | None:
        """Return an archive as it is now, if it is there."""
        seen = look_at(archive, self.seen.pop(archive.name, None))
        if seen:
            self.seen[archive.name] = seen
        return seen


def publish(
    layers: Iterable[LayerEnvironment | Kept],
    *outputs: Outputs,
    reporter: Reporter,
    order: Sequence[str] = (),
    anew: Container[str] = (),
    store: FrameStore | None = None,
) -> tuple[PublishedLayer, ...]:
    """Pack *layers* and describe them; return what the manifests list.

    Files that a manifest listed before and does not list now are removed (X19).

    Args:
        layers: What to publish. Each is planned when it comes, and packed after those before,
            so that others may be built meanwhile.
        outputs: Where and how, for each platform; all in one directory.
        reporter: Where progress goes.
        order: The environment names in the order that manifests have; that of *layers* if empty.
        anew: The environment names of layers that are packed although their archive is in place.
        store: What was compressed before, on this machine; None to do without.

    Raises:
        PublishError: It cannot be done; earlier outputs, for all platforms, are as they were.
    """
    directory = outputs[0].directory
    with explained(directory), staging_directory(directory, purpose="publish") as staging:
        came: list[str] = []
        with Packing() as packing:
            work = _work(outputs, staging, KnownFrames(store, reporter), reporter, packing)
            for layer in layers:
                came.append(layer.env_name)
                _add(layer, work[layer.platform], anew)
            packing.finish()
        order = order or came
        for each in work.values():
            each.published.sort(key=lambda layer: order.index(layer.env_name))
            # Before the outputs: a record without its archive is harmless, and failing here too.
            write_records(each.outputs.state_file, each.records)
        _put_in_place(list(work.values()), directory, staging)
        for each in work.values():
            _remember_digests(each)
    return tuple(layer for each in work.values() for layer in each.published)


def _work(
    outputs: Sequence[Outputs],
    staging: Path,
    frames: KnownFrames,
    reporter: Reporter,
    packing: Packing,
) -> dict[Platform, _Work]:
    return {
        one.platform: _Work(
            outputs=one,
            staging=staging,
            frames=frames,
            reporter=reporter,
            packing=packing,
            remembered=read_records(one.state_file, one.directory),
            seen=read_seen(one.seen_file),
            suffix=f" for {one.platform}" if len(outputs) > 1 else "",
        )
        for one in outputs
    }


def _add(layer: LayerEnvironment | Kept, work: _Work, anew: Container[str]) -> None:
    """Have a layer packed, or find that it is packed, and note what there is to say of it."""
    if isinstance(layer, Kept):
        work.published.extend(_kept(layer, work))
        return
    outputs, before = work.outputs, None
    if layer.env_name not in anew:
        before = work.remembered.get(outputs.archive_name(layer.deployed_name))
    if reused := _reusable(before, outputs.recipe(layer), work):
        _note(layer, reused, work, reused=True)
        what = f"keeping {layer.env_name}{work.suffix}"
        work.reporter.say(Kind.STEP, f"{what}: its archive is in place")
        return
    work.packing.wait_for_room()
    contents = plan_contents(layer, outputs.recipe(layer).epoch)

    def pack() -> None:
        _note(layer, _pack(layer, contents, work), work, reused=False)

    work.packing.add(pack)


def _reusable(remembered: Record | None, recipe: Recipe, work: _Work) -> Record | None:
    """Return the record of an archive that would come out as it is, and is in place."""
    if remembered is None or remembered.recipe != recipe:
        return None
    seen = work.look_at(remembered.archive.path)
    return remembered if seen and seen.sha256 == remembered.archive.sha256 else None


def _pack(environment: LayerEnvironment, contents: LayerContents, work: _Work) -> Record:
    """Write a new archive into the staging directory, and return what its record will be."""
    outputs, reporter, frames = work.outputs, work.reporter, work.frames
    name = outputs.archive_name(environment.deployed_name)
    total = sum(part.size for part in tar_parts(contents))
    label = f"publishing {environment.env_name}{work.suffix}"
    reporter.say(Kind.STEP, f"{label}: {human_size(contents.unpacked_size)}")
    start, known = time.perf_counter(), frames.taken
    with reporter.progress(label, total) as progress:
        archive = outputs.format.write(
            contents,
            work.staging / name,
            level=outputs.used_level,
            advance=work.packing.heeding(progress.advance),
            frames=frames,
        )
    size, seconds = human_size(archive.size), time.perf_counter() - start
    share = (frames.taken - known) / total
    copied = f", {share:.0%} from the cache" if share else ""
    reporter.say(Kind.INFO, f"{label}: {size}{copied}, done in {seconds:.1f} s")
    return Record(
        recipe=outputs.recipe(environment),
        archive=replace(archive, path=outputs.directory / name),
        content_sha256=contents.digest,
        unpacked_size=contents.unpacked_size,
    )


def _note(environment: LayerEnvironment, record: Record, work: _Work, *, reused: bool) -> None:
    """Note what there is to say of a layer whose archive is there."""
    work.records[record.archive.path.name] = record
    work.published.append(
        PublishedLayer(
            platform=environment.platform,
            kind=environment.kind,
            env_name=environment.env_name,
            archive=record.archive.path,
            metadata=archive_metadata(environment, record),
            reused=reused,
        )
    )


def _kept(layer: Kept, work: _Work) -> list[PublishedLayer]:
    """Return what the manifest says of *layer*, and carry its record over."""
    outputs, remembered = work.outputs, work.remembered
    for kind, entry in listed_entries(outputs.manifest):
        found = kept_layer(kind, entry, outputs)
        if found and (found.kind, found.env_name) == (layer.kind, layer.env_name):
            why = _why_not_kept(found, work)
            if why is None:
                if found.archive.name in remembered:
                    work.records[found.archive.name] = remembered[found.archive.name]
                return [found]
            text = f"{layer.env_name} leaves the manifest: {found.archive.name} {why}"
            work.reporter.say(Kind.WARNING, text)
    return []


def _why_not_kept(found: PublishedLayer, work: _Work) -> str | None:
    """Return what is against a layer that the manifest lists; None if nothing is."""
    platform = work.outputs.platform
    made_for = found.metadata.get("target_platform", platform.name)
    if made_for != platform.name:  # untagged outputs of two platforms have the same names
        return f"is for {made_for}"
    seen = work.look_at(found.archive)
    return None if seen and seen.sha256 == listed_digest(found) else "is missing or damaged"


def _put_in_place(work: Sequence[_Work], directory: Path, staging: Path) -> None:
    """Put archives in place, then what is said of them, the index last."""
    moves = [
        (staging / layer.archive.name, layer.archive)
        for each in work
        for layer in each.published
        if not layer.reused
    ]
    texts: dict[Path, str] = {}
    for each in work:
        texts |= _texts(each)
    before = {
        file
        for each in work
        for file in listed_files(directory, each.outputs.manifest, each.outputs.tag)
    }
    if (listing := index_text(directory, texts)) is not None:
        texts[index_path(directory)] = listing
    elif index_path(directory).is_file():
        before.add(index_path(directory))
    for number, (place, text) in enumerate(texts.items()):
        if not place.is_file() or place.read_bytes() != text.encode():
            new = staging / f"{number}.text"
            new.write_bytes(text.encode())
            moves.append((new, place))
    archives = {layer.archive for each in work for layer in each.published}
    put_in_place(staging, moves, sorted(before - texts.keys() - archives))


def _remember_digests(work: _Work) -> None:
    new = {layer.archive: listed_digest(layer) for layer in work.published if not layer.reused}
    names = {layer.archive.name for layer in work.published if layer.reused}
    kept = {name: seen for name, seen in work.seen.items() if name in names}
    remember_new(work.outputs.seen_file, new, kept)


def _texts(work: _Work) -> dict[Path, str]:
    """Return what is said of the archives for one platform, by place, the manifest last."""
    directory, tag = work.outputs.directory, work.outputs.tag
    texts = {
        metadata_path(directory, layer.env_name, tag): json_text(layer.metadata)
        for layer in work.published
    }
    if sums := checksums(layer.metadata for layer in work.published):
        texts[checksums_path(directory, tag)] = sums
    manifest = combined((layer.kind, layer.metadata) for layer in work.published)
    texts[work.outputs.manifest] = json_text(manifest)
    return texts
