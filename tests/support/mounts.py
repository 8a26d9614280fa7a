"""File systems that are read-only, or full, for one command alone."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest


def needs_mounts() -> None:
    """Skip the test where no file system can be mounted for a child alone."""
    if shutil.which("unshare") is None or os.geteuid() != 0:
        pytest.skip("only root can mount a file system for a test")
    tried = subprocess.run(["unshare", "-m", "true"], check=False, capture_output=True)
    if tried.returncode:
        pytest.skip("this machine does not let us mount a file system for a test")


def mounted(*commands: str) -> tuple[str, ...]:
    """Return a wrapper that mounts something for its command alone."""
    return ("unshare", "-m", "sh", "-ec", "\n".join([*commands, 'exec "$@"']), "sh")


def read_only(place: Path) -> tuple[str, ...]:
    """Return a wrapper for whose command nothing in *place* can be changed."""
    return mounted(f"mount --bind '{place}' '{place}'", f"mount -o remount,bind,ro '{place}'")


def small(place: Path, size: str) -> tuple[str, ...]:
    """Return a wrapper for whose command *place* is an empty file system of *size*."""
    return mounted(f"mount -t tmpfs -o size={size} none '{place}'")
