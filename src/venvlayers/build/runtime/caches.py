"""Where what we fetched or found on this machine is remembered between builds.

Everything below it can be deleted at any time; nothing in it goes into a layer.
"""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def cache_directory() -> Path:
    """Return our directory below the user's cache, or the one in ``VENVSTACKS_CACHE_DIR``."""
    named = os.environ.get("VENVSTACKS_CACHE_DIR")
    place = named or platformdirs.user_cache_dir("venvstacks", appauthor=False)
    return Path(place).absolute()


def download_cache() -> Path:
    """Return where uv keeps the archives of interpreters that it fetched for us."""
    return cache_directory() / "python-downloads"


def local_record() -> Path:
    """Return the file that remembers which interpreters this machine has."""
    return cache_directory() / "local-pythons.json"
