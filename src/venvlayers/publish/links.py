"""Where a symlink in a deployment leads, decided from its text alone.

Publishing refuses what unpacking would refuse, so both ask here. Nothing in
here looks at a file system.
"""

from __future__ import annotations

import posixpath


def link_destination(member: str, target: str) -> str | None:
    """Return what the symlink *member* leads to, or None if it may leave the deployment.

    Both are relative to the directory in which layers lie side by side, with ``/``.
    ``..`` may only stand at the front of *target*: there it climbs from a real
    directory. After a name, which may be a symlink itself, the text does not tell
    where it leads.
    """
    if not target or target.startswith("/") or "\\" in target or "\0" in target:
        return None
    if _has_drive(target) or _climbs_late(target):
        return None
    place = posixpath.normpath(posixpath.join(posixpath.dirname(member), target))
    return None if place in (".", "..") or place.startswith(("/", "../")) else place


def _has_drive(target: str) -> bool:
    # Windows takes "C:x" as relative to the current directory of that drive.
    return target[1:2] == ":" and target[0].isalpha()


def _climbs_late(target: str) -> bool:
    parts = [part for part in target.split("/") if part not in ("", ".")]
    names_before = 0
    for part in parts:
        if part == ".." and names_before:
            return True
        names_before += part != ".."
    return False
