"""Packing or exporting what was built, and what would be said of it.

Imported when something is to be packed: building alone does without what compresses.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator

from venvlayers.build.environment import Order, describe
from venvlayers.build.model import LayerEnvironment
from venvlayers.cache.store import user_frames
from venvlayers.deploy.export import exporting
from venvlayers.deploy.exported import (
    export_recipe,
    kept_entries,
    left_superseded,
    listed_targets,
    remember_exports,
    remember_superseding,
    remove_superseded,
)
from venvlayers.errors import LockError
from venvlayers.lock.model import LayerLock
from venvlayers.lock.state import lock_state
from venvlayers.plan import Goal, Plan
from venvlayers.planning import buildable
from venvlayers.publish.manifest import combined, left_behind, write_export_manifests
from venvlayers.publish.metadata import Metadata, layer_metadata
from venvlayers.publish.outputs import PublishedLayer, explained
from venvlayers.publish.publish import Kept, publish
from venvlayers.report import Kind
from venvlayers.selection import Extent
from venvlayers.transaction import staging_directory
from venvlayers.workflow.building import build_context, final_targets
from venvlayers.workflow.locking import loaded
from venvlayers.workflow.outputs import outputs, source_date_epoch
from venvlayers.workflow.run import Run
from venvlayers.workflow.steps import step


def require_output_dir(run: Run) -> None:
    """Refuse an output directory that cannot be written to, before anything is built for it.

    Raises:
        PublishError: It cannot.
    """
    place = run.output_dir
    while not os.path.lexists(place):
        place = place.parent
    with explained(run.output_dir):
        if not place.is_dir():
            code = errno.EEXIST if place == run.output_dir else errno.ENOTDIR
            raise OSError(code, os.strerror(code), str(place))
        with staging_directory(place, purpose="try"):
            pass


def _to_publish(run: Run, made: Iterable[LayerEnvironment]) -> Iterator[LayerEnvironment]:
    """Yield what is to be published; the others were only built because they are needed."""
    return (environment for environment in made if run.selection.of(environment.env_name).publish)


def publish_stage(run: Run, made: Iterable[LayerEnvironment]) -> tuple[PublishedLayer, ...]:
    """Pack what was made, as it is made, and return the layers in place then.

    Raises:
        PublishError: Something cannot be packed; earlier outputs are as they were.
    """

    def layers() -> Iterator[LayerEnvironment | Kept]:
        for one in run.each:
            yield from kept(one)
        yield from _to_publish(run, made)

    forced = {
        name
        for name, operations in run.selection.operations.items()
        if operations.publish is Extent.YES
    }
    everywhere = [outputs(one) for one in run.each]
    published = publish(
        layers(),
        *everywhere,
        reporter=run.reporter,
        order=run.order,
        anew=forced,
        store=user_frames(),
    )
    for one in run.each:
        _tell_of_left_behind(one, published)
    return published


def _tell_of_left_behind(run: Run, published: Iterable[PublishedLayer]) -> None:
    here = [layer.metadata for layer in published if layer.platform == run.platform]
    for name, below in left_behind(here):
        what = (
            f"{run.label(name)}, which was left as it is, stands on {below}, which is not"
            " published any more"
        )
        run.reporter.say(Kind.WARNING, f"{what}: publish both, as --publish-derived does")


def kept(run: Run) -> Iterator[Kept]:
    """Yield the layers of the stack that are not published now, and stay in the manifest."""
    for layer in buildable(run.spec.layers, run.platform):
        if not run.selection.of(layer.env_name).publish:
            yield Kept(kind=layer.kind, env_name=layer.env_name, platform=run.platform)


def export_stage(run: Run, made: Iterable[LayerEnvironment]) -> None:
    """Export what was made for the run's platform, as far as it is not there already.

    Raises:
        PublishError: Something cannot be exported.
    """
    environments = list(_to_publish(run, made))
    timestamp = source_date_epoch()
    recipes = {layer.env_name: export_recipe(layer, timestamp) for layer in environments}
    in_place = run.exported_before
    new = [
        layer
        for layer in environments
        if run.selection.of(layer.env_name).publish is Extent.YES
        or in_place.get(layer.env_name) != recipes[layer.env_name]
    ]
    for layer in new:
        run.note("local-export", layer.env_name)
    others = [layer.env_name for layer in kept(run)]
    state_file = run.layout.exported_record(run.platform)
    with step(run, f"exporting to {run.output_dir}"), explained(run.output_dir):
        with exporting(new, run.output_dir, timestamp=timestamp, reporter=run.reporter):
            before = _describe_exports(run, environments, others)
        for place in remove_superseded(run.output_dir, before):
            run.reporter.say(Kind.STEP, f"removed the export {place.name}")
        remembered = {name: recipe for name, recipe in in_place.items() if name in others}
        remember_exports(state_file, run.output_dir, {**remembered, **recipes})


def _describe_exports(
    run: Run, environments: Iterable[LayerEnvironment], others: Iterable[str]
) -> frozenset[str]:
    """Write the manifest of what is exported; return the directories that the one before listed."""
    entries = kept_entries(run.output_dir, others)
    entries += [(layer.kind, layer_metadata(layer)) for layer in environments]
    entries.sort(key=lambda entry: run.order.index(entry[1]["layer_name"]))
    state_file = run.layout.exported_record(run.platform)
    before = listed_targets(run.output_dir) | left_superseded(state_file, run.output_dir)
    remember_superseding(state_file, run.output_dir, before)
    write_export_manifests(entries, run.output_dir)
    return before


def requested_manifest(run: Run, plan: Plan) -> Metadata:
    """Return what would be said of the layers that would be published; nothing is written.

    Args:
        run: For the platform in question.
        plan: What there is to do, for this and perhaps other platforms.

    Raises:
        LockError: A lock was changed since the plan was made.
    """
    locks = _saved_locks(run, plan)
    context = build_context(run)
    targets = [
        target
        for target in final_targets(run, plan, run.wheel, complete=False)
        if run.selection.of(target.layer.env_name).publish
    ]
    archives = outputs(run) if run.request.goal is Goal.PUBLISH else None
    entries = []
    for target in targets:
        described = describe(Order(target=target, lock=locks[target.layer.env_name]), context)
        metadata = layer_metadata(described)
        if archives:
            metadata["target_platform"] = run.platform.name
            metadata["archive_name"] = archives.archive_name(described.deployed_name)
        entries.append((described.kind, metadata))
    return combined(entries)


def _saved_locks(run: Run, plan: Plan) -> dict[str, LayerLock]:
    """Return the lock of every layer of the plan; nothing is locked.

    Raises:
        LockError: One is not valid, as it was when the plan was made.
    """
    locks: dict[str, LayerLock] = {}
    for layer in plan.layers:
        lower = [locks[name] for name in layer.lower]
        state = lock_state(run.spec, layer, run.layout, lower)
        if state.saved is None or state.outdated:
            raise LockError(
                f"the lock of {layer.env_name} is not valid any more: {state.outdated}",
                hint="something else changes this project now; try again when it is done",
            )
        locks[layer.env_name] = loaded(state.saved, layer, lower)
    return locks
