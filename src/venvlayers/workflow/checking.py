"""Checking what was built: before it is put in its place, and once more with what is below it.

What was made of the same before is not looked at again (`venvlayers.check.remembered`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from venvlayers.build.environment import Order
from venvlayers.build.model import LayerEnvironment
from venvlayers.cache.place import known_headers, known_reports
from venvlayers.cache.size import cache_limit
from venvlayers.check.model import CheckedLayer, Report, Severity, require_sound
from venvlayers.check.remembered import Remembered, identity, identity_together
from venvlayers.check.reports import is_about, recorded_report
from venvlayers.files import json_text, write_text
from venvlayers.report import Kind
from venvlayers.values import frozen
from venvlayers.workflow.run import Run

if TYPE_CHECKING:
    from venvlayers.check.check import Looked


@frozen
class Seen:
    """What is known of a layer by itself when it is put in its place.

    Attributes:
        identity: A digest of all that the report on it follows from.
        looked: What was seen in it; None where nobody had to look.
        seconds: How long that took.
    """

    identity: str
    looked: Looked | None
    seconds: float


def approve(run: Run, order: Order, environment: LayerEnvironment) -> None:
    """See that an environment that is about to be put in its place can work.

    Raises:
        BuildError: It cannot.
        OSError: Something in it cannot be read.
    """
    begun = time.perf_counter()
    layer = _checked(run, order, environment)
    remembered, looked = Remembered(_kept(known_reports())), None
    its_identity = identity(layer)
    report = remembered.report(its_identity)
    if report is None:
        looked = _look(layer)
        report = looked.report
        remembered.remember(its_identity, report)
    run.seen[run.platform, layer.name] = Seen(
        identity=its_identity, looked=looked, seconds=time.perf_counter() - begun
    )
    require_sound(report)


def check_chains(
    run: Run, orders: Sequence[Order], environments: Mapping[str, LayerEnvironment]
) -> None:
    """Look at layers with what is below them, where one of them is new, and say what was found.

    Raises:
        OSError: Something in them cannot be read.
    """
    places = {
        order.layer.env_name: _Place(run, order, environments[order.layer.env_name])
        for order in orders
    }
    for name, place in places.items():
        chain = [below for below in (name, *place.order.layer.lower) if below in environments]
        keys = {below: environments[below].key for below in chain}
        if is_about(recorded_report(run.layout, name, run.platform), keys):
            continue
        begun = time.perf_counter()
        report, is_remembered = _together([places[below] for below in chain])
        text = json_text({**report.as_json(), "environments": keys})
        write_text(run.layout.check_report(name, run.platform), text)
        seconds = place.seconds + time.perf_counter() - begun
        _say(run, report, seconds, is_remembered=is_remembered)


class _Place:
    """An environment in its place, listed and looked at only if it has to be, and once."""

    def __init__(self, run: Run, order: Order, environment: LayerEnvironment) -> None:
        self.order = order
        self._layer = _checked(run, order, environment)
        self._seen = run.seen.get((run.platform, order.layer.env_name))

    @property
    def seconds(self) -> float:
        """How long it took to look at it before it was in its place; 0 if it has been there."""
        return self._seen.seconds if self._seen else 0.0

    @cached_property
    def identity(self) -> str:
        """What stands for it, and for what is asked of it."""
        return self._seen.identity if self._seen else identity(self._layer)

    @cached_property
    def looked(self) -> Looked:
        """What there is to see in it."""
        if self._seen and self._seen.looked:
            return self._seen.looked.moved(self._layer.environment)
        return _look(self._layer)


def _together(chain: Sequence[_Place]) -> tuple[Report, bool]:
    """Return the report on the first with the others, and whether it was made before."""
    remembered = Remembered(_kept(known_reports()))
    key = identity_together([place.identity for place in chain])
    if (known := remembered.report(key)) is not None:
        return known, True
    from venvlayers.check.check import check_together  # noqa: PLC0415 - as in `_look`

    itself, *lower = [place.looked for place in chain]
    report = check_together(itself, lower)
    remembered.remember(key, report)
    return report, False


def _look(layer: CheckedLayer) -> Looked:
    from venvlayers.check.check import look  # noqa: PLC0415 - 10 ms, where nobody has to look
    from venvlayers.check.headers import Headers  # noqa: PLC0415

    return look(layer, Headers(_kept(known_headers())))


def _kept(place: Path) -> Path | None:
    return place if cache_limit() else None


def _checked(run: Run, order: Order, environment: LayerEnvironment) -> CheckedLayer:
    places = (run.layout.build_dir, run.layout.build_dir.resolve())
    traces = tuple(dict.fromkeys(map(os.fspath, places)))
    return CheckedLayer.of(environment, order.layer, traces)


def _say(run: Run, report: Report, seconds: float, *, is_remembered: bool) -> None:
    label = run.label(report.layer)
    for finding in report.of(Severity.WARNING):
        run.reporter.say(Kind.WARNING, finding.said_of(label))
    for finding in report.of(Severity.NOTE):
        run.reporter.say(Kind.DETAIL, finding.said_of(label))
    about = f"checked {label}: {report.files} files, {report.binaries} binaries"
    how = ", as when it was looked at before" if is_remembered else ""
    unknown = "".join(f"\n  not known: {what}" for what in report.unknown)
    run.reporter.say(Kind.DETAIL, f"{about} in {seconds:.2f} s{how}{unknown}")
