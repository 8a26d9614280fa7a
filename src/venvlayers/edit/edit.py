"""Adding to specifications, for shells: finds the file, changes it, says what was done."""

from __future__ import annotations

from pathlib import Path

from venvlayers.edit.file import TABLE, checked, read_source
from venvlayers.edit.first import with_first_table
from venvlayers.edit.guess import Guess, guess
from venvlayers.edit.insert import NoPlaceError
from venvlayers.edit.layer import NewLayer, with_layer
from venvlayers.errors import Problem, SpecError
from venvlayers.files import os_reason, write_text
from venvlayers.spec.parse import find_file

_INLINE = "tables in braces cannot be added to; write it as [tool.venvstacks] by hand"


def add_layer(path: Path, layer: NewLayer) -> Path:
    """Declare *layer* in a specification, or in the one of a directory; return the file.

    Raises:
        SpecError: The result would have mistakes. The file is as it was.
    """
    source = read_source(find_file(path))
    if not source.has_stack:
        raise _problem(
            source.path, "there is no such table", "`venvstacks init` adds a first one", where=TABLE
        )
    try:
        text = with_layer(source.text, layer, where=source.where)
    except NoPlaceError:
        raise _problem(source.path, f"cannot add to {layer.kind.value}", _INLINE) from None
    source.save(text)
    return source.path


def add_first_table(directory: Path) -> tuple[Path, Guess]:
    """Declare a first stack in the ``pyproject.toml`` of *directory*; return it and what it has.

    Raises:
        SpecError: There is none, it has a stack, or it cannot be changed. It is as it was.
    """
    path = directory / "pyproject.toml"
    if not path.exists():
        raise _problem(
            path,
            "not found",
            "`venvstacks init --standalone` writes a venvstacks.toml; "
            "`hatch new --init` and `uv init` begin a pyproject.toml",
        )
    source = read_source(path)
    if source.has_stack:
        raise _problem(path, "is there already", "`venvstacks add` adds layers to it", where=TABLE)
    _refuse_other_file(directory / "venvstacks.toml")
    found = guess(source.values, path.absolute().parent)
    try:
        source.save(with_first_table(source.text, found, where=source.where))
    except NoPlaceError:
        raise _problem(path, "cannot be added to", _INLINE, where="tool") from None
    return path, found


def write_standalone(directory: Path) -> tuple[Path, Guess]:
    """Write a first ``venvstacks.toml`` into *directory*; return it and what it has.

    Raises:
        SpecError: There is one, ``pyproject.toml`` has a stack, or it cannot be written.
    """
    path = directory / "venvstacks.toml"
    _refuse_other_file(path)
    project = directory / "pyproject.toml"
    source = read_source(project) if project.exists() else None
    if source and source.has_stack:
        raise _problem(project, "is there already", "one stack a directory", where=TABLE)
    found = guess(source.values if source else {}, path.absolute().parent, standalone=True)
    text = with_first_table("", found, where="")
    checked(path, text, where="")
    try:
        write_text(path, text)
    except OSError as error:
        raise _problem(path, f"cannot be written: {os_reason(error)}") from error
    return path, found


def _refuse_other_file(path: Path) -> None:
    if path.exists():
        raise _problem(path, "is there already, and declares layers")


def _problem(path: Path, what: str, hint: str | None = None, *, where: str = "") -> SpecError:
    return SpecError(str(path), [Problem(where=where, what=what)], hint=hint)
