"""Checking what was built: before it is put in its place, and once more with what is below it."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence

from venvlayers.build.environment import Order
from venvlayers.build.model import LayerEnvironment
from venvlayers.cache.place import known_headers
from venvlayers.check.check import Looked, check_together, look, require_sound
from venvlayers.check.headers import Headers
from venvlayers.check.model import CheckedLayer, Report, Severity
from venvlayers.check.reports import is_about, recorded_report
from venvlayers.files import json_text, write_text
from venvlayers.report import Kind
from venvlayers.workflow.run import Run


def approve(run: Run, order: Order, environment: LayerEnvironment) -> None:
    """Look at an environment that is about to be put in its place, and keep what was seen.

    Raises:
        BuildError: It cannot work.
        OSError: Something in it cannot be read.
    """
    begun = time.perf_counter()
    looked = _look(run, order, environment)
    run.looked[run.platform, order.layer.env_name] = looked, time.perf_counter() - begun
    require_sound(looked.report)


def check_chains(
    run: Run, orders: Sequence[Order], environments: Mapping[str, LayerEnvironment]
) -> None:
    """Look at layers with what is below them, where one of them is new, and say what was found.

    Raises:
        OSError: Something in them cannot be read.
    """
    by_name = {order.layer.env_name: order for order in orders}

    looked = {
        # They were not in their place yet.
        name: (one.moved(environments[name]), seconds)
        for (platform, name), (one, seconds) in run.looked.items()
        if platform == run.platform
    }

    def seen(name: str) -> Looked:
        if name not in looked:
            looked[name] = _look(run, by_name[name], environments[name]), 0.0
        return looked[name][0]

    for name, order in by_name.items():
        chain = [below for below in (name, *order.layer.lower) if below in environments]
        keys = {below: environments[below].key for below in chain}
        if is_about(recorded_report(run.layout, name, run.platform), keys):
            continue
        begun = time.perf_counter()
        itself, *lower = [seen(below) for below in chain]
        report = check_together(itself, lower)
        text = json_text({**report.as_json(), "environments": keys})
        write_text(run.layout.check_report(name, run.platform), text)
        _say(run, report, looked[name][1] + time.perf_counter() - begun)


def _look(run: Run, order: Order, environment: LayerEnvironment) -> Looked:
    places = (run.layout.build_dir, run.layout.build_dir.resolve())
    traces = tuple(dict.fromkeys(map(os.fspath, places)))
    return look(CheckedLayer.of(environment, order.layer, traces), Headers(known_headers()))


def _say(run: Run, report: Report, seconds: float) -> None:
    label = run.label(report.layer)
    for finding in report.of(Severity.WARNING):
        run.reporter.say(Kind.WARNING, finding.said_of(label))
    for finding in report.of(Severity.NOTE):
        run.reporter.say(Kind.DETAIL, finding.said_of(label))
    about = f"checked {label}: {report.files} files, {report.binaries} binaries"
    unknown = "".join(f"\n  not known: {what}" for what in report.unknown)
    run.reporter.say(Kind.DETAIL, f"{about} in {seconds:.2f} s{unknown}")
