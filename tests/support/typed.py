"""A program at a terminal, and somebody who types what it is to read."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import pytest

_PATIENCE = 120  # seconds for one answer


class Typing:
    """A program with a terminal for its input and outputs, for the time of a context.

    Args:
        command: The program and its arguments.
        cwd: Where it starts.
        env: Its whole environment.

    Attributes:
        shown: What is on the terminal so far; what was typed too, as terminals show that.
        status: How it ended, once the context is left.
    """

    def __init__(self, *command: str, cwd: Path, env: Mapping[str, str]) -> None:
        self._ours, theirs = pty.openpty()
        self._process = subprocess.Popen(
            command,
            cwd=cwd,
            env=env,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self._read = 0
        self.shown = ""
        self.status: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Read to the end, or make it end where something went wrong."""
        try:
            if not any(_):
                self._read_until(None)
        finally:
            self._process.kill()
            self.status = self._process.wait()
            os.close(self._ours)

    def line(self, text: str) -> None:
        """Type a line, and the key at its end; what came until now is not waited for again."""
        self._read = len(self.shown)
        os.write(self._ours, f"{text}\n".encode())

    def wait_for(self, text: str) -> None:
        """Wait until the terminal shows *text*, after what was typed last."""
        self._read_until(text)

    def _read_until(self, text: str | None) -> None:
        end = time.monotonic() + _PATIENCE
        while text is None or text not in self.shown[self._read :]:
            ready, _, _ = select.select([self._ours], [], [], max(0, end - time.monotonic()))
            if not ready:
                pytest.fail(f"{text or 'its end'} did not come; the terminal shows\n{self.shown}")
            try:
                data = os.read(self._ours, 65536)
            except OSError:  # Linux' way to say that the other end is closed
                data = b""
            if not data:
                break
            self.shown += data.decode(errors="replace")
        if text is not None and text not in self.shown[self._read :]:
            pytest.fail(f"{text} did not come; the terminal shows\n{self.shown}")
