"""Putting lines into a TOML text: nothing else of it changes, because nothing else is touched.

Where lines go is found by looking for headers, which can be wrong (a header may
stand in a string over several lines). So the result is read again, and has to
mean what was intended; at the end of the file it nearly always does.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

_HEADER = re.compile(r"[ \t]*\[\[?[ \t]*(?P<name>[^\]]+?)[ \t]*\]\]?[ \t]*(#.*)?")


class NoPlaceError(ValueError):
    """There is no place in the text where the lines would mean what they should."""


def table_at(document: dict[str, Any], where: str) -> dict[str, Any]:
    """Return the table at the TOML path *where*, which is made if need be.

    Raises:
        NoPlaceError: Something on the way is not a table.
    """
    for key in where.split(".") if where else ():
        document = document.setdefault(key, {})
        if not isinstance(document, dict):
            raise NoPlaceError
    return document


def inserted(text: str, block: str, meant: Mapping[str, Any], *, after: Iterable[str] = ()) -> str:
    """Return *text* with *block* put in, such that it reads as *meant*.

    Args:
        text: A TOML document, with its own line ends.
        block: Whole lines, ended by LF.
        meant: What the result has to say.
        after: Names of tables, best first, behind the last of which it may stand; the end
            of the text is tried in any case.

    Raises:
        NoPlaceError: It cannot be put in.
    """
    lines = text.splitlines(keepends=True)
    places = [place for name in after if (place := _end_of_table(lines, name))]
    for place in (*places, len(lines)):
        result = _put(lines, place, block, _newline(text))
        if _says(result, meant):
            return result
    raise NoPlaceError


def _put(lines: list[str], place: int, block: str, newline: str) -> str:
    before, behind = "".join(lines[:place]), "".join(lines[place:])
    if before and not before.endswith("\n"):
        before += newline
    gap = newline if before.strip() and not before.endswith(("\n\n", "\n\r\n")) else ""
    end = newline if behind.strip() and not behind.startswith(("\n", "\r\n")) else ""
    return f"{before}{gap}{block.replace(chr(10), newline)}{end}{behind}"


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _says(text: str, meant: Mapping[str, Any]) -> bool:
    try:
        return tomllib.loads(text) == meant
    except tomllib.TOMLDecodeError:
        return False


def _end_of_table(lines: list[str], name: str) -> int | None:
    """Return the number of the line behind the last table *name*; None if there is none.

    Comments at its end belong to what follows.
    """
    headers = [
        (number, found["name"])
        for number, line in enumerate(lines)
        if (found := _HEADER.fullmatch(line.rstrip("\r\n")))
    ]
    ours = [number for number, header in headers if _plain(header) == name]
    if not ours:
        return None
    end = min((number for number, _ in headers if number > ours[-1]), default=len(lines))
    while end > ours[-1] + 1 and _is_idle(lines[end - 1]):
        end -= 1
    return end


def _is_idle(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#")


def _plain(header: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in header.split("."))
