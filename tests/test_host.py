"""How our plugins speak to Hatch's user."""

from __future__ import annotations

import io
import time
from concurrent.futures import ThreadPoolExecutor

from hatch_venvstacks.host import line_reporter
from venvlayers.report import Kind


class OneConsole:
    """Is turned to one output and back for each message, as Hatch's terminal is."""

    def __init__(self) -> None:
        self.stdout, self.stderr = io.StringIO(), io.StringIO()
        self._current = self.stdout

    def display_info(self, message: str) -> None:
        self._current = self.stderr
        time.sleep(0.001)
        self._current.write(f"{message}\n")
        self._current = self.stdout

    def display_warning(self, message: str) -> None:
        self.display_info(message)

    def abort(self, message: str, code: int) -> None:
        raise AssertionError(message, code)


def test_messages_of_several_threads_stay_on_the_error_output() -> None:
    """What a command in a layer's environment prints must be all that its caller reads."""
    console = OneConsole()
    reporter = line_reporter(console, 0)
    kinds = [Kind.STEP, Kind.WARNING] * 20
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda kind: reporter.say(kind, "building"), kinds))
    assert console.stdout.getvalue() == ""
    lines = console.stderr.getvalue().splitlines()
    assert sorted(lines) == ["building"] * 20 + ["warning: building"] * 20
