"""What a run took as given, instead of looking at it again: said with ``-v``, and in the JSON.

What each of these is worth is in docs/explanation/design.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from venvlayers.plan import OUTPUT_ACTIONS, Need, Plan
from venvlayers.report import Kind
from venvlayers.values import frozen
from venvlayers.workflow.run import Run

_LOCKS = "the recorded hashes of their inputs and texts"
_WHEEL = "its digest, and size, times and inode of its sources since they were hashed"
_ENVIRONMENTS = "their recorded keys; their files were not looked at"
_PACKED = "their recorded keys, and what packages brought by their RECORDs, when it was packed"
_SEEN = "size, times and inode since their digests were computed"
_READ = "their digests; every byte was read"
_EXPORTS = "names, modes, sizes and times of all their files"


@frozen(kw_only=False)
class Trusted:
    """Things of one kind that were taken as given.

    Attributes:
        what: ``locks``, ``wheels``, ``environments``, ``archives`` or ``exports``.
        count: How many.
        by: What was believed.
    """

    what: str
    count: int
    by: str


def trusted(run: Run, plan: Plan) -> tuple[Trusted, ...]:
    """Return what is not done again in a run, and why that can be known."""
    return tuple(one for one in _trusted(run, plan) if one.count)


def _trusted(run: Run, plan: Plan) -> Iterator[Trusted]:
    kept = [step for step in plan.steps if step.need is Need.NO]
    counted = [step.action for step in kept]
    yield Trusted("locks", counted.count("lock"), _LOCKS)
    with_wheel = {layer.env_name for layer in plan.layers if layer.has_wheel}
    has_wheel = any(step.action == "build" and step.env_name in with_wheel for step in kept)
    yield Trusted("wheels", int(has_wheel), _WHEEL)
    used = {
        (step.platform, step.env_name)
        for step in plan.steps
        if step.action in OUTPUT_ACTIONS.values() and step.need is not Need.NO
    }
    built = [(step.platform, step.env_name) in used for step in kept if step.action == "build"]
    yield Trusted("environments", built.count(False), _ENVIRONMENTS)
    yield Trusted("environments", built.count(True), _PACKED)
    if "publish" in counted:
        names = {(step.platform, step.env_name) for step in kept if step.action == "publish"}
        were_read = [
            found.seen.was_read
            for one in run.each
            for name, found in one.published_before.items()
            if (one.platform, name) in names
        ]
        yield Trusted("archives", were_read.count(False), _SEEN)
        yield Trusted("archives", were_read.count(True), _READ)
    yield Trusted("exports", counted.count("local-export"), _EXPORTS)


def tell_trusted(run: Run, found: tuple[Trusted, ...]) -> None:
    """Say what was taken as given, to who asked for more than the result."""
    for one in found:
        run.reporter.say(Kind.DETAIL, f"trusted: {one.count} {one.what}, by {one.by}")


def remember_what_was_read(run: Run) -> None:
    """Record the digests of archives that had to be read, where that is possible."""
    from venvlayers.publish.outputs import remember_read  # noqa: PLC0415
    from venvlayers.workflow.outputs import outputs  # noqa: PLC0415

    with suppress(OSError):
        for one in run.each:
            if one.published_before:
                remember_read(outputs(one), one.published_before.values())
