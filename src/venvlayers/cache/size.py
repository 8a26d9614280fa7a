"""How much may be kept: sizes as users write them. `report.human_size` shows them."""

from __future__ import annotations

import os
import re

from venvlayers.errors import SelectionError

VARIABLE = "VENVSTACKS_CACHE_SIZE"

DEFAULT_LIMIT = 5_000_000_000
"""A stack of 1 GB is some 250 MB of frames: room for its six platforms three times over, and
half of the 10 GB that GitHub keeps for all caches of a repository."""

HINT = "write a number of bytes, or one with a unit such as 500M or 10G; 0 keeps nothing"

_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,15})?) ?(?:([KMGT])(I?)B?|B)?", re.ASCII)
_UNITS = "KMGT"


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
    """Return the bytes that ``1000000``, ``500M`` or ``1.5 GiB`` stands for; None if it is no size.

    ``K``, ``M``, ``G`` and ``T`` are powers of 1000, with an ``i`` of 1024; a ``B`` may follow,
    and case does not count.
    """
    found = _SIZE.fullmatch(text.strip().upper())
    if found is None:
        return None
    number, unit, binary = found.groups()
    factor = (1024 if binary else 1000) ** (_UNITS.index(unit) + 1) if unit else 1
    return int(number) * factor if number.isdecimal() else int(float(number) * factor)
