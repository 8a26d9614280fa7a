"""How a stage says what it begins, why, and how long it took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from venvlayers.report import Kind
from venvlayers.workflow.run import Run


@contextmanager
def step(run: Run, what: str, reason: str | None = None) -> Iterator[None]:
    """Say what begins and why, and how long it took."""
    run.reporter.say(Kind.STEP, f"{what}: {reason}" if reason else what)
    begun = time.perf_counter()
    with run.reporter.progress(what, None):
        yield
    run.reporter.say(Kind.INFO, f"{what}: done in {time.perf_counter() - begun:.1f} s")
