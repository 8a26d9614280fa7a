"""An interpreter of this machine, copied without what was installed into it.

The copy still knows where it came from: `relocate.py` and `normalise.py` come
next. Nothing is read from outside the interpreter's prefix, except what a link
in its standard library leads to.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path, PurePosixPath

from venvlayers.build.runtime.found import SYSTEM_PREFIXES, LocalPython
from venvlayers.build.runtime.normalise import is_unwanted
from venvlayers.build.runtime.patchelf import find_patchelf

_PACKAGES = ("site-packages", "dist-packages")

_DATA = ("lib/tcl*", "lib/tk*", "lib/itcl*", "lib/thread*", "share/terminfo")
"""What tkinter and curses read at run time, where a Python brings its own."""


def copy_python(python: LocalPython, root: Path) -> None:
    """Copy *python* to *root*, which does not exist yet."""
    program = root / "bin" / python.interpreter.library
    program.parent.mkdir(parents=True)
    shutil.copyfile(python.executable, program)
    program.chmod(0o755)
    _copy_stdlib(python.stdlib, root / "lib" / python.stdlib.name)
    _copy_headers(python, root)
    if os.fspath(python.prefix) not in SYSTEM_PREFIXES:
        _copy_data(python.prefix, root)
    _copy_libraries(python, root)


def _copy_stdlib(source: Path, destination: Path) -> None:
    def ignored(directory: str, names: list[str]) -> set[str]:
        inside = PurePosixPath(Path(directory).relative_to(source).as_posix())
        packages = _PACKAGES if not inside.parts else ()
        return {name for name in names if name in packages or is_unwanted(inside / name)}

    shutil.copytree(source, destination, symlinks=True, ignore=ignored)
    _settle_links(source, destination)


def _settle_links(source: Path, destination: Path) -> None:
    """Make links inside the copy relative, and replace those that lead out of it."""
    real_source = source.resolve()
    for path in [path for path in sorted(destination.rglob("*")) if path.is_symlink()]:
        original = source / path.relative_to(destination)
        target = original.resolve()
        path.unlink()
        if target.is_relative_to(real_source):
            copied = destination / target.relative_to(real_source)
            if copied.exists():
                path.symlink_to(os.path.relpath(copied, path.parent))
        elif target.is_dir():
            shutil.copytree(target, path)
        elif target.is_file():
            shutil.copyfile(target, path)


def _copy_headers(python: LocalPython, root: Path) -> None:
    """Copy the headers, when they are installed: some packages compile at run time."""
    name = python.interpreter.library
    headers = python.prefix / "include" / name
    if not headers.is_dir():
        return
    shutil.copytree(headers, root / "include" / name)
    # Debian's pyconfig.h only includes the one of the machine's architecture.
    specific = python.prefix / "include" / python.multiarch / name / "pyconfig.h"
    if python.multiarch and specific.is_file():
        shutil.copyfile(specific, root / "include" / name / "pyconfig.h")


def _copy_data(prefix: Path, root: Path) -> None:
    for pattern in _DATA:
        for source in sorted(prefix.glob(pattern)):
            if source.is_dir():
                shutil.copytree(source, root / source.relative_to(prefix))


def _copy_libraries(python: LocalPython, root: Path) -> None:
    """Copy the library that is the interpreter, and those of its own prefix that it needs."""
    tool = find_patchelf()
    place = python.prefix / "lib"
    own = os.fspath(python.prefix) not in SYSTEM_PREFIXES
    elves = [root / "bin" / python.interpreter.library]
    names: list[str] = []
    if python.interpreter.is_pypy:
        for library in python.libraries():  # it belongs beside the program, as PyPy ships it
            elves.append(root / "bin" / library.name)
            _copy_library(library.resolve(), elves[-1])
    else:
        names += [*(path.name for path in python.libraries()), "libpython3.so"]
    if own:
        modules = sorted((root / "lib" / python.stdlib.name).rglob("*.so"))
        names += tool.needed([*elves, *modules])
    copied: set[str] = set()
    while names:
        name = names.pop()
        if name not in copied and (place / name).is_file():
            copied.add(name)
            target = _copy_library(place / name, root / "lib" / name)
            names += [target] if target else tool.needed([root / "lib" / name]) if own else []


def _copy_library(source: Path, copy: Path) -> str | None:
    """Copy a library, or a link to one beside it; return the name that the link leads to."""
    real = source.resolve()
    if real.parent == source.parent.resolve() and real.name != source.name:
        copy.symlink_to(real.name)
        return real.name
    shutil.copyfile(source, copy)
    copy.chmod(0o755)
    return None
