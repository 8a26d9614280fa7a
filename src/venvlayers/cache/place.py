"""Where what we fetched, found or compressed is kept between builds.

Everything below it can be deleted at any time. Of all that only compressed frames and
runtimes go into what is shipped: frames are verified whenever they are used, and runtimes
count only as long as nobody touched them. What is in it is not known here. Planning may
import this: it imports next to nothing.
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


def frame_cache() -> Path:
    """Return the directory of the store of compressed frames (`venvlayers.cache.store`)."""
    return cache_directory() / "frames"


def verified_files() -> Path:
    """Return the directory that remembers which files of uv's cache were read and found right."""
    return cache_directory() / "verified"


def known_headers() -> Path:
    """Return the directory that remembers what binaries said (`venvlayers.check.headers`)."""
    return cache_directory() / "headers"


def known_reports() -> Path:
    """Return the directory that remembers what checks found (`venvlayers.check.remembered`)."""
    return cache_directory() / "checks"


def runtimes() -> Path:
    """Return the directory of runtimes that were made before (`venvlayers.build.runtime.kept`)."""
    return cache_directory() / "runtimes"


def make_private(directory: Path) -> None:
    """Make a directory, and those above it that are missing, for their owner alone.

    Raises:
        OSError: It cannot be made.
    """
    if not directory.is_dir():
        make_private(directory.parent)
        directory.mkdir(mode=0o700, exist_ok=True)
