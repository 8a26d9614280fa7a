"""Children get an environment that we built, and end when we do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from venvlayers import process


def test_what_a_child_printed_is_kept() -> None:
    program = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    completed = process.run([sys.executable, "-c", program])
    assert (completed.returncode, completed.stdout, completed.stderr) == (3, "out\n", "err\n")
    assert completed.excerpt == "err"


def test_an_excerpt_has_the_beginning_and_the_end() -> None:
    completed = process.run([sys.executable, "-c", "for i in range(100): print(i)"])
    first, last = [*map(str, range(6))], [*map(str, range(66, 100))]
    gap = "[... 60 lines; -vv shows them ...]"
    assert completed.excerpt.splitlines() == [*first, gap, *last]


@pytest.mark.parametrize("lines", [0, 40, 41])
def test_an_excerpt_of_little_is_all_of_it(lines: int) -> None:
    completed = process.run([sys.executable, "-c", f"for i in range({lines}): print(i)"])
    assert completed.excerpt.splitlines() == [str(number) for number in range(lines)]


@pytest.mark.parametrize(
    "name", ["UV_INDEX_URL", "PIP_NO_INDEX", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "uv_python"]
)
def test_variables_that_steer_tools_are_dropped(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "stray")
    assert name not in process.child_environment()


def test_variables_can_be_kept_by_name_and_by_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", "cache")
    monkeypatch.setenv("UV_INDEX_CORP_PASSWORD", "secret")
    monkeypatch.setenv("UV_INDEX_URL", "stray")
    kept = process.child_environment(("UV_CACHE_DIR", "UV_INDEX_CORP_*"), {"EXTRA": "1"})
    assert kept["UV_CACHE_DIR"] == "cache"
    assert kept["UV_INDEX_CORP_PASSWORD"] == "secret"
    assert kept["EXTRA"] == "1"
    assert "UV_INDEX_URL" not in kept


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_an_interrupt_ends_the_child(tmp_path: Path) -> None:
    pid_file = str(tmp_path / "pid")
    child = f"import os, time; open({pid_file!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    program = (
        "import sys; from venvlayers import process\n"
        f"try: process.run([sys.executable, '-c', {child!r}])\n"
        "except KeyboardInterrupt: print('interrupted')"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True
    ) as run:
        deadline = time.monotonic() + 30
        while not ((tmp_path / "pid").exists() and (tmp_path / "pid").read_text()):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        run.send_signal(signal.SIGINT)
        output, _ = run.communicate(timeout=30)
    assert output == "interrupted\n"
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
