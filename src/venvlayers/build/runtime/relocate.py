"""Binaries that find their libraries from anywhere, and do not say where they were.

Only ELF files are edited; an interpreter of another format comes from
python-build-standalone, where that was done at build time. Text is the business
of `normalise.py`.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from venvlayers.build.runtime.origin import PLACEHOLDER, Origin
from venvlayers.build.runtime.patchelf import Patchelf, find_patchelf
from venvlayers.errors import BuildError
from venvlayers.files import walk_sorted

_SYSTEM_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib")

_ENOUGH_TO_BE_UNIQUE = 8
"""A shorter prefix could be part of something else in a binary, or of its code."""


def is_elf(path: Path) -> bool:
    """Tell whether a file is an ELF file, by its first bytes."""
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def regular_files(root: Path) -> list[Path]:
    """Return all files below *root*, in the order of their names, without links."""
    return [
        root / name for name, entry in walk_sorted(root) if entry.is_file(follow_symlinks=False)
    ]


def relocate(root: Path, origin: Origin) -> None:
    """Make the ELF files of the interpreter in *root* independent of *origin*.

    Raises:
        BuildError: One needs a library of another place, which a layer cannot carry.
    """
    elves = [path for path in regular_files(root) if is_elf(path)]
    tool = find_patchelf()
    changed: dict[tuple[str, ...], list[Path]] = defaultdict(list)
    for path, rpath in zip(elves, tool.rpaths(elves), strict=True):
        relative = _relative_rpath(path, rpath, root, origin, tool)
        if relative != rpath:
            changed[tuple(relative)].append(path)
    for target, paths in changed.items():
        tool.set_rpath(target, paths)
    for path in elves:
        _forget(path, origin)


def _relative_rpath(
    path: Path, rpath: list[str], root: Path, origin: Origin, tool: Patchelf
) -> list[str]:
    entries = [_relative_entry(entry, path, root, origin, tool) for entry in rpath]
    if path.parent == root / "bin":
        needed = tool.needed([path])
        for place in (root / "lib", root / "bin"):  # PyPy's library is beside its program
            own = _towards(place, path)
            if own not in entries and any((place / name).exists() for name in needed):
                entries.insert(0, own)  # the system's own search path found that library
    return list(dict.fromkeys(entry for entry in entries if entry))


def _relative_entry(entry: str, path: Path, root: Path, origin: Origin, tool: Patchelf) -> str:
    """Return what *entry* becomes; "" when it goes."""
    inside = origin.inside(entry)
    if inside is not None:
        return _towards(root / inside, path)
    if entry.startswith("$ORIGIN") or _is_system(entry):
        return entry
    if lost := sorted(name for name in tool.needed([path]) if Path(entry, name).exists()):
        raise BuildError(
            f"{path.relative_to(root)} needs {', '.join(lost)} from {entry},"
            " which is not part of the interpreter",
            hint='use an interpreter that is complete, or `runtime-source = "managed"`',
        )
    return ""


def _towards(directory: Path, path: Path) -> str:
    relative = os.path.relpath(directory, path.parent)
    return "$ORIGIN" if relative == "." else f"$ORIGIN/{relative}"


def _is_system(entry: str) -> bool:
    return entry in _SYSTEM_LIBRARIES or entry.startswith(
        tuple(f"{directory}/" for directory in _SYSTEM_LIBRARIES)
    )


def _forget(path: Path, origin: Origin) -> None:
    """Overwrite what was compiled in (CPython's PREFIX) with a path that exists nowhere.

    CPython looks there only when it finds no standard library around its program.
    """
    content = old = path.read_bytes()
    for name in origin.own:
        if len(name) >= _ENOUGH_TO_BE_UNIQUE:
            content = content.replace(os.fsencode(name), _nowhere(os.fsencode(name)))
    if content != old:
        path.write_bytes(content)


def _nowhere(prefix: bytes) -> bytes:
    """Return a path of equal length and with the same end.

    Linkers let one string be the end of another: in a CPython made by pyenv, the version
    that ``sys.version`` begins with is the end of ``.../versions/3.12.1``.
    """
    parent, slash, end = prefix.rpartition(b"/")
    return PLACEHOLDER.encode()[: len(parent)].ljust(len(parent), b"/") + slash + end


def require_no_trace(root: Path, traces: Iterable[str]) -> None:
    """Make sure that no file below *root* holds one of the paths in *traces*, or leads away.

    Raises:
        BuildError: A file does; the message names it.
    """
    for name, entry in walk_sorted(root):
        if entry.is_symlink() and os.path.isabs(os.readlink(entry.path)):  # noqa: PTH115, PTH117
            raise BuildError(f"{name} of the interpreter is a link to {os.readlink(entry.path)}")  # noqa: PTH115
    wanted = [(trace, os.fsencode(trace)) for trace in traces]
    for path in regular_files(root):
        content = path.read_bytes()
        for trace, pattern in wanted:
            if pattern in content:
                raise BuildError(
                    f"{path.relative_to(root)} of the interpreter still names {trace}",
                    hint="use another interpreter of this version, installed at a longer path"
                    ' of its own, or `runtime-source = "managed"`',
                )
