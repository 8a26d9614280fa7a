"""How lines reach a shell, from several threads at once."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from venvlayers.report import Kind, LineReporter


def test_lines_of_several_threads_stay_whole() -> None:
    written: list[str] = []

    def write(_kind: Kind, text: str) -> None:
        written.append(text)
        time.sleep(0.002)  # lets another thread go on, as writing to a terminal does
        written.append("\n")

    reporter = LineReporter(write)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: reporter.say(Kind.INFO, str(number)), range(8)))
    assert sorted("".join(written).splitlines()) == [str(number) for number in range(8)]
