"""What a run did, as a value, as lines for people, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from venvlayers.plan import Goal, Plan
from venvlayers.report import human_size
from venvlayers.values import frozen

if TYPE_CHECKING:
    from venvlayers.lock.model import Change
    from venvlayers.platforms import Platform
    from venvlayers.publish.outputs import PublishedLayer
    from venvlayers.workflow.run import Done
    from venvlayers.workflow.trust import Trusted


@frozen
class Outcome:
    """What a run did.

    Attributes:
        plan: What there was to do.
        artifact: The manifest, or the directory, that stands for the result.
        done: What was cleaned, locked, built and exported.
        changes: What changed in locks, by environment name.
        published: The layers that manifests list, also those that were in place.
        checks: What checking the environments found, as JSON, a report for each of them.
        trusted: What was taken as given, as nothing tells that it changed.
    """

    plan: Plan
    artifact: Path
    done: tuple[Done, ...] = ()
    changes: Mapping[str, tuple[Change, ...]] = field(default_factory=dict)
    published: tuple[PublishedLayer, ...] = ()
    checks: tuple[Mapping[str, Any], ...] = ()
    trusted: tuple[Trusted, ...] = ()

    def published_for(self, platform: Platform) -> tuple[PublishedLayer, ...]:
        """Return the layers that the manifest of one platform lists."""
        return tuple(layer for layer in self.published if layer.platform == platform)

    def as_json(self) -> dict[str, Any]:
        """Return the outcome as a JSON value."""
        return {
            "artifact": str(self.artifact),
            "done": [
                {
                    "action": done.action,
                    "layer": done.env_name,
                    "platform": done.platform.name if done.platform else None,
                }
                for done in self.done
            ],
            "lock_changes": {
                name: [asdict(change) for change in changes]
                for name, changes in self.changes.items()
            },
            "checks": list(self.checks),
            "published": [{**layer.metadata, "reused": layer.reused} for layer in self.published],
            "trusted": [asdict(one) for one in self.trusted],
        }


def summary(outcome: Outcome) -> list[str]:
    """Return what was made, a line each, for people."""
    if outcome.plan.goal is not Goal.PUBLISH:
        several = len(outcome.plan.platforms) > 1
        return [_line(done, several=several) for done in outcome.done] or ["nothing to do"]
    rows = [
        (
            layer.archive.name,
            human_size(layer.metadata["archive_size"]),
            f"sha256:{layer.metadata['archive_hashes']['sha256'][:12]}",
            "unchanged" if layer.reused else "new",
        )
        for layer in outcome.published
    ]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    return [
        f"{name:<{widths[0]}}  {size:>{widths[1]}}  {digest}  {state}"
        for name, size, digest, state in rows
    ] or ["nothing to do"]


def _line(done: Done, *, several: bool) -> str:
    line = f"{done.action}: {done.env_name}"
    return f"{line} for {done.platform}" if several and done.platform else line


def change_table(changes: Sequence[Change]) -> Iterator[str]:
    """Yield the lines of a table: package, from, to, because of."""
    rows = [("package", "from", "to", "because of")]
    rows += [
        (change.package, change.before or "-", change.after or "-", change.because)
        for change in changes
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        cells = [f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)]
        yield "  " + "  ".join([*cells, row[3]]).rstrip()
