"""Sizes as users write them."""

from __future__ import annotations

import pytest

from venvlayers.cache.size import parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("1048576", 1 << 20),
        ("500M", 500_000_000),
        ("10g", 10_000_000_000),
        (" 1.5 GiB ", 3 << 29),
        ("2TB", 2_000_000_000_000),
        ("2Ti", 2 << 40),
        ("7B", 7),
        ("4 kb", 4000),
    ],
)
def test_a_size(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "much", "-1", "5X", "1,5G", "5 G B", ".5G", "G", "٣", "iB"])
def test_no_size(text: str) -> None:
    assert parse_size(text) is None
