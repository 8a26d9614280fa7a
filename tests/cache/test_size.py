"""Sizes as users write and read them."""

from __future__ import annotations

import pytest

from venvlayers.cache.size import parse_size, show_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("1048576", 1 << 20),
        ("500M", 500 << 20),
        ("10g", 10 << 30),
        (" 1.5 GiB ", 3 << 29),
        ("2TB", 2 << 40),
        ("7B", 7),
        ("4 kb", 4096),
    ],
)
def test_a_size(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "much", "-1", "5X", "1,5G", "5 G B", ".5G", "G", "٣", "iB"])
def test_no_size(text: str) -> None:
    assert parse_size(text) is None


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        ((1 << 20) - 1, "1.0 MiB"),
        (5 << 30, "5.0 GiB"),
        (5 << 50, "5120.0 TiB"),
    ],
)
def test_a_size_is_shown(size: int, text: str) -> None:
    assert show_size(size) == text
