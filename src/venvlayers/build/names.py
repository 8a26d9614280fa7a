"""Whether the target's file systems can have a layer's names; this machine's say nothing of that.

A layer for Windows or macOS may be made on Linux, where names differ by case alone and
have any length. What could not be unpacked there is refused here, before it is packed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from venvlayers.errors import BuildError
from venvlayers.files import walk_sorted
from venvlayers.platforms import Platform
from venvlayers.report import Kind, Reporter
from venvlayers.spec.names import is_device, same_directory_key

_FORBIDDEN = re.compile(r'[<>:"|?*\\\x00-\x1f]')

_LONGEST = 259
"""MAX_PATH without the NUL: what programs can open on a Windows that was not told otherwise."""

_SHORTEST_PLACE = len("C:\\")

_USUAL_PLACE = 80
"""Room for C:\\Users\\<name>\\AppData\\Local\\Programs\\<product>\\<version>, and the like."""

_SHOWN = 10


def require_names(env: Path, platform: Platform, deployed_name: str, reporter: Reporter) -> None:
    """Make sure that everything in *env* can be unpacked on *platform*.

    Args:
        env: A complete environment.
        platform: What it is for.
        deployed_name: The directory that it is unpacked as.
        reporter: Hears of paths that leave little room for the place of the layers.

    Raises:
        BuildError: Something cannot; every such name is said.
    """
    if platform.sys_platform == "linux":
        return
    found = dict(walk_sorted(env))
    names = list(found)
    problems = list(_alike(found))
    if platform.is_windows:
        problems += _impossible_on_windows(names)
        problems += [f"{name} is a symlink" for name, entry in found.items() if entry.is_symlink()]
        problems += _too_long(names, deployed_name, reporter)
    if problems:
        more = len(problems) - _SHOWN
        listed = [*problems[:_SHOWN], *([f"and {more} more"] if more > 0 else ())]
        raise BuildError(
            f"{deployed_name} cannot be unpacked on {platform}:"
            + "".join(f"\n  - {problem}" for problem in listed),
            hint=f"take other releases of these packages, or leave {platform} out of `platforms`",
        )


def _alike(found: Mapping[str, os.DirEntry[str]]) -> Iterator[str]:
    """Yield pairs that are one name where case, or how it is encoded, does not count.

    Directories that differ no more than that become one, which harms nothing.
    """
    seen: dict[str, str] = {}
    for name, entry in found.items():
        first = seen.setdefault(same_directory_key(name), name)
        if first != name and not (_is_directory(entry) and _is_directory(found[first])):
            yield f"{first} and {name} are the same file there"


def _is_directory(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False)


def _impossible_on_windows(names: Sequence[str]) -> Iterator[str]:
    for name in names:
        last = name.rpartition("/")[2]
        if is_device(last):
            yield f"{name} is called as a device"
        elif last.endswith((".", " ")):
            yield f"{name!r} ends with a dot or a space"
        elif _FORBIDDEN.search(last):
            yield f"{name!r} has a character that no name has there"


def _too_long(names: Sequence[str], deployed_name: str, reporter: Reporter) -> Iterator[str]:
    """Yield what fits nowhere; say so if what fits leaves little room."""
    longest = max(names, key=_length, default="")
    room = _LONGEST - _length(f"{deployed_name}/{longest}")
    if room < _SHORTEST_PLACE:
        for name in names:
            if _LONGEST - _length(f"{deployed_name}/{name}") < _SHORTEST_PLACE:
                yield f"{name} is longer than any path may be"
    elif room < _USUAL_PLACE:
        message = (  # one character is the backslash between
            f"{deployed_name} has long paths: on Windows, where long ones are not enabled, it can"
            f" be deployed to directories of at most {room - 1} characters, because of {longest}"
        )
        reporter.say(Kind.WARNING, message)


def _length(path: str) -> int:
    """Return the length that Windows counts: in units of UTF-16."""
    return len(path.encode("utf-16-le", "surrogatepass")) // 2
