"""What every runtime layer looks like, wherever its interpreter came from.

Removed: packages, scripts, tests, bytecode, static libraries, and what uv or a
distribution adds for its own use. Rewritten: text that names the place it came
from. Binaries are the business of `relocate.py`; for macOS and Windows there is
nothing to do in them.
"""

from __future__ import annotations

import json
import os
import re
import stat
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from venvlayers.build.runtime import sysconfigdata
from venvlayers.build.runtime.origin import PLACEHOLDER, Origin
from venvlayers.build.runtime.relocate import regular_files
from venvlayers.errors import BuildError
from venvlayers.files import json_text, remove_tree, walk_sorted
from venvlayers.platforms import Interpreter, Platform
from venvlayers.values import frozen

_UNWANTED_ANYWHERE = ("__pycache__", "*.pyc", "*.pyo", "*.a", "EXTERNALLY-MANAGED")
_UNWANTED_IN_STDLIB = (
    "test",
    "tests",
    "idle_test",
    "config-*",  # a Makefile and a static library: for building CPython's own modules
)
_UNWANTED_IN_STDLIB_TOP = (
    # Only the first of these on the path runs; it must not be that of some machine.
    "sitecustomize.py",
    "usercustomize.py",
)
_UNWANTED_IN_POSIX_ROOT = ("BUILD", "lib/pkgconfig", "share/man", "share/doc")
_UNWANTED_IN_WINDOWS_ROOT = ("BUILD", "Scripts")


@frozen(kw_only=False)
class Shape:
    """Where things are in an interpreter's directory."""

    root: Path
    platform: Platform
    python: Interpreter

    @property
    def site_packages(self) -> Path:
        """The directory that packages would be installed into."""
        return self.root / self.platform.site_packages(self.python)

    @property
    def stdlib(self) -> Path:
        """The standard library."""
        return self.site_packages.parent

    @property
    def program(self) -> Path:
        """Python itself."""
        return self.root / self.platform.runtime_python(self.python)


def is_unwanted(name: PurePosixPath) -> bool:
    """Tell whether a file or directory of the standard library stays behind.

    Args:
        name: Its path relative to the standard library.
    """
    patterns = [*_UNWANTED_ANYWHERE, *_UNWANTED_IN_STDLIB]
    if len(name.parts) == 1:
        patterns += _UNWANTED_IN_STDLIB_TOP
    return any(fnmatchcase(name.name, pattern) for pattern in patterns)


def normalise(shape: Shape, origin: Origin) -> None:
    """Bring the interpreter in *shape* into the form of a runtime layer, in place.

    Args:
        shape: A complete interpreter, whose files are ours to change.
        origin: What may not be found in it afterwards.

    Raises:
        BuildError: It is not an interpreter as we know it.
    """
    if not shape.program.is_file():
        raise BuildError(
            f"this is not {shape.python} for {shape.platform}: it has no"
            f" {shape.program.relative_to(shape.root)}"
        )
    _own_everything(shape.root)
    _remove_unwanted(shape)
    _empty(shape.site_packages)
    if shape.platform.is_windows:
        _remove_links(shape.root)
    else:
        _only_python(shape)
    for path in regular_files(shape.root):
        _rewrite(path, shape, origin)


def _own_everything(root: Path) -> None:
    for name, entry in walk_sorted(root):
        if not entry.is_symlink():
            directory = entry.is_dir(follow_symlinks=False)
            wanted = stat.S_IRWXU if directory else stat.S_IRUSR | stat.S_IWUSR
            (root / name).chmod(stat.S_IMODE(entry.stat(follow_symlinks=False).st_mode) | wanted)


def _remove_unwanted(shape: Shape) -> None:
    windows = shape.platform.is_windows
    for name in _UNWANTED_IN_WINDOWS_ROOT if windows else _UNWANTED_IN_POSIX_ROOT:
        _remove(shape.root / name)
    for name, entry in list(walk_sorted(shape.root)):
        path = Path(entry.path)
        anywhere = any(fnmatchcase(path.name, pattern) for pattern in _UNWANTED_ANYWHERE)
        in_stdlib = path.is_relative_to(shape.stdlib) and is_unwanted(
            PurePosixPath(path.relative_to(shape.stdlib).as_posix())
        )
        if anywhere or in_stdlib:
            _remove(shape.root / name)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        remove_tree(path)
    else:
        path.unlink(missing_ok=True)


def _empty(directory: Path) -> None:
    _remove(directory)
    directory.mkdir(parents=True)


def _only_python(shape: Shape) -> None:
    """Leave Python in ``bin`` under its names, and PyPy's library, which is beside it.

    Other scripts begin with a path.
    """
    bin_dir, program = shape.program.parent, shape.program.name
    for path in sorted(bin_dir.iterdir()):
        library = shape.python.is_pypy and path.match("libpypy*-c.*") and path.suffix != ".debug"
        if path != shape.program and not library:
            _remove(path)
    for name in {"python", *shape.python.aliases} - {program}:
        (bin_dir / name).symlink_to(program)


def _remove_links(root: Path) -> None:
    """Remove the link ``python`` that uv makes on Unix, for Windows' Pythons too."""
    for name, entry in list(walk_sorted(root)):
        if entry.is_symlink():
            (root / name).unlink()


def _rewrite(path: Path, shape: Shape, origin: Origin) -> None:
    variables = path.parent == shape.stdlib and fnmatchcase(path.name, sysconfigdata.PATTERN)
    if variables and not shape.python.is_pypy:  # PyPy's are computed when they are asked for
        text = sysconfigdata.relocatable(sysconfigdata.read(path), origin)
        path.write_bytes(text.encode())
    elif path.name == "build-details.json":
        path.write_bytes(_relative_details(path, shape.root, origin).encode())
    else:
        _replace_traces(path, origin)


def _replace_traces(path: Path, origin: Origin) -> None:
    content = path.read_bytes()
    if not any(os.fsencode(name) in content for name in origin.own):
        return
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return  # a binary: relocate.py knows some kinds, and its check refuses the others
    path.write_bytes(origin.own_pattern().sub(PLACEHOLDER, text).encode())


def _relative_details(path: Path, root: Path, origin: Origin) -> str:
    """Return ``build-details.json`` with paths relative to itself, as PEP 739 allows."""
    pattern = re.compile(rf"(?:{origin.own_pattern().pattern})(?:/(.*))?")
    base = Path(os.path.relpath(root, path.parent))

    def relative(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: relative(item) for name, item in value.items()}
        if isinstance(value, list):
            return [relative(item) for item in value]
        match = pattern.fullmatch(value) if isinstance(value, str) else None
        return (base / (match[1] or "")).as_posix() if match else value

    return json_text(relative(json.loads(path.read_text("utf-8"))))
