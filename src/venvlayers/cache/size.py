"""How much may be kept, and sizes as users write and read them."""

from __future__ import annotations

import os
import re

from venvlayers.errors import SelectionError

VARIABLE = "VENVSTACKS_CACHE_SIZE"

DEFAULT_LIMIT = 5 << 30
"""A stack of 1 GB is some 250 MB of frames: room for its six platforms three times over, and
half of the 10 GB that GitHub keeps for all caches of a repository."""

HINT = "write a number of bytes, or one with a unit such as 500M or 10G; 0 keeps nothing"

_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,15})?) ?(?:([KMGT])(?:I?B)?|B)?", re.ASCII)
_UNITS, _STEP = "KMGT", 1024


def cache_limit() -> int:
    """Return how many bytes of frames are kept; with 0 none are made, nor used.

    Raises:
        SelectionError: ``VENVSTACKS_CACHE_SIZE`` is no size.
    """
    text = os.environ.get(VARIABLE)
    if not text:
        return DEFAULT_LIMIT
    size = parse_size(text)
    if size is None:
        raise SelectionError(f"{VARIABLE} must be a size, not {text!r}", hint=HINT)
    return size


def parse_size(text: str) -> int | None:
    """Return the bytes that ``1048576``, ``500M`` or ``1.5 GiB`` stands for; None if it is no size.

    Units are powers of 1024, with or without ``B`` or ``iB``, in upper or lower case.
    """
    found = _SIZE.fullmatch(text.strip().upper())
    if found is None:
        return None
    number, unit = found.groups()
    factor = _STEP ** (_UNITS.index(unit) + 1) if unit else 1
    return int(number) * factor if number.isdecimal() else int(float(number) * factor)


def show_size(size: int) -> str:
    """Return a number of bytes in the largest unit that it fills, such as ``12.3 MiB``."""
    amount, unit = float(size), ""
    for larger in _UNITS:
        if round(amount, 1) < _STEP:
            break
        amount, unit = amount / _STEP, larger
    return f"{amount:.1f} {unit}iB" if unit else f"{size} B"
