"""Reading a specification to change it, and writing it back if the result can be used."""

from __future__ import annotations

import stat
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from venvlayers.errors import Problem, SpecError
from venvlayers.files import os_reason, write_text
from venvlayers.spec.model import StackSpec
from venvlayers.spec.parse import parse

TABLE = "tool.venvstacks"
_BYTE_ORDER_MARK = "\ufeff"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file that is about to be changed.

    Attributes:
        path: Where it is.
        text: What it has, with its own line ends.
        values: What that says.
    """

    path: Path
    text: str
    values: dict[str, Any]

    @property
    def where(self) -> str:
        """The TOML path of the stack's table; empty where the file is nothing else."""
        return TABLE if self.path.name == "pyproject.toml" else ""

    @property
    def has_stack(self) -> bool:
        """Whether the stack's table is there."""
        if not self.where:
            return True
        tool = self.values.get("tool")
        return isinstance(tool, dict) and "venvstacks" in tool

    def save(self, text: str) -> StackSpec:
        """Write *text* in place of the file, and return what it declares.

        Permissions stay; a link stays one, and what it leads to is written.

        Raises:
            SpecError: It cannot be used, with every mistake, or not be written. The file is
                as it was.
        """
        spec = checked(self.path, text, where=self.where)
        try:
            place = self.path.resolve()
            write_text(place, text, mode=stat.S_IMODE(place.stat().st_mode))
        except OSError as error:
            raise _unusable(self.path, f"cannot be written: {os_reason(error)}") from error
        return spec


def read_source(path: Path) -> Source:
    """Return the file *path* as it is.

    Raises:
        SpecError: It cannot be read, or is not TOML.
    """
    try:
        text = path.read_bytes().decode()
        if text.startswith(_BYTE_ORDER_MARK):
            raise _unusable(path, "begins with a byte-order mark, so TOML readers refuse it")
        return Source(path=path, text=text, values=tomllib.loads(text))
    except FileNotFoundError:
        raise _unusable(path, "not found") from None
    except OSError as error:
        raise _unusable(path, f"cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _unusable(path, f"not TOML: {error}") from error


def checked(path: Path, text: str, *, where: str) -> StackSpec:
    """Return what *text* would declare in the file *path*.

    Raises:
        SpecError: With every mistake.
    """
    document = tomllib.loads(text)
    value: Any = document
    for key in where.split(".") if where else ():
        value = value[key]
    return parse(value, path.absolute(), document, where=where)


def _unusable(path: Path, what: str) -> SpecError:
    return SpecError(str(path), [Problem(where="", what=what)])
