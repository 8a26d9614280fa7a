"""The command ``venvstacks``, run as a user runs it: in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from support.hatch import Result


def venvstacks(
    *arguments: str | Path,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    check: bool = False,
    before: Callable[[], None] | None = None,
    wrapper: tuple[str, ...] = (),
) -> Result:
    """Run ``venvstacks *arguments*`` in *cwd*.

    Args:
        arguments: After the command's name.
        cwd: Where to run it.
        env: Variables in addition to the test's own.
        check: Whether a non-zero exit fails the test.
        before: What the child does before it becomes the command.
        wrapper: A command that is given this one as its last arguments.
    """
    started = time.perf_counter()
    completed = subprocess.run(
        [*wrapper, sys.executable, "-m", "venvlayers", *arguments],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
        preexec_fn=before,
    )
    result = Result(
        returncode=completed.returncode,
        stdout=completed.stdout,
        stderr=completed.stderr,
        seconds=time.perf_counter() - started,
    )
    if check and result.returncode:
        pytest.fail(f"venvstacks {arguments}: exit {result.returncode}\n{result.output}")
    return result


def start_venvstacks(
    *arguments: str | Path, cwd: Path, env: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """Start ``venvstacks *arguments*`` in a process group of its own; all output is in stdout."""
    return subprocess.Popen(
        [sys.executable, "-m", "venvlayers", *arguments],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        start_new_session=True,
    )


def read_until(process: subprocess.Popen[str], beginning: str) -> str:
    """Read what a started command says up to a line with this *beginning*, and return it."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if line.startswith(beginning):
            return said
    pytest.fail(f"it ended (exit {process.wait()}) before it said {beginning!r}:\n{said}")
