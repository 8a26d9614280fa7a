"""Where what we fetched or found on this machine is remembered between builds.

Everything below it can be deleted at any time; nothing in it goes into a layer.
"""

from __future__ import annotations

import os
from pathlib import Path


def cache_directory() -> Path:
    """Return our directory below the user's cache, or the one in ``VENVSTACKS_CACHE_DIR``."""
    if named := os.environ.get("VENVSTACKS_CACHE_DIR"):
        return Path(named).absolute()
    from platformdirs import user_cache_path  # noqa: PLC0415 - costs 5 ms to import

    return user_cache_path("venvstacks", appauthor=False)


def download_cache() -> Path:
    """Return where uv keeps the archives of interpreters that it fetched for us."""
    return cache_directory() / "python-downloads"


def local_record() -> Path:
    """Return the file that remembers which interpreters this machine has."""
    return cache_directory() / "local-pythons.json"
