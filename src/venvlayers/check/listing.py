"""The names of what is in an environment, without a look at any of it."""

from __future__ import annotations

import os


def listed(root: str) -> tuple[list[str], dict[str, str]]:
    """Return the files of an environment, without bytecode, and where its links lead.

    Both by their paths relative to *root*, with ``/``, and in the order of these.

    Raises:
        OSError: It cannot be read.
    """
    files: list[str] = []
    links: dict[str, str] = {}
    waiting = [""]
    while waiting:
        prefix = waiting.pop()
        with os.scandir(f"{root}/{prefix}") as listing:
            for entry in listing:
                if entry.is_symlink():
                    links[prefix + entry.name] = os.readlink(entry.path)  # noqa: PTH115 - strings
                elif entry.is_dir(follow_symlinks=False):
                    if entry.name != "__pycache__":
                        waiting.append(f"{prefix}{entry.name}/")
                elif not entry.name.endswith((".pyc", ".pyo")):
                    files.append(prefix + entry.name)
    return sorted(files), dict(sorted(links.items()))
