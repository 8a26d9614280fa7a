"""Short texts that are remembered: whole or not at all, and no more than there may be."""

from __future__ import annotations

from pathlib import Path

from venvlayers.cache.memory import Memory

KEYS = [letter * 64 for letter in "abc"]
TEXT = "found out\nü\n"


def memory(directory: Path | None, *, most: int = 9, longest: int = 99) -> Memory:
    return Memory(directory=directory, most=most, longest=longest)


def test_what_is_remembered_is_recalled(tmp_path: Path) -> None:
    place = tmp_path / "of" / "mine"
    memory(place).remember(KEYS[0], TEXT)
    assert memory(place).recall(KEYS[0]) == TEXT
    assert memory(place).recall(KEYS[1]) is None
    assert memory(None).recall(KEYS[0]) is None
    memory(None).remember(KEYS[0], TEXT)
    assert [path.stat().st_mode & 0o777 for path in (place, *place.iterdir())] == [0o700, 0o600]


def test_damaged_and_renamed_files_do_not_count(tmp_path: Path) -> None:
    memory(tmp_path).remember(KEYS[0], TEXT)
    (kept,) = tmp_path.iterdir()
    whole = kept.read_bytes()
    for damaged in (b"", whole[:-1], whole.replace(b"out", b"oud"), b"\xff" + whole):
        kept.write_bytes(damaged)
        assert memory(tmp_path).recall(KEYS[0]) is None
    kept.write_bytes(whole)
    kept.rename(tmp_path / KEYS[1])
    assert memory(tmp_path).recall(KEYS[1]) is None


def test_no_more_is_kept_than_is_bounded(tmp_path: Path) -> None:
    small = memory(tmp_path, most=2, longest=len(TEXT))
    for key in KEYS:
        small.remember(key, TEXT)
    assert [small.recall(key) for key in KEYS] == [None, None, TEXT]
    small.remember(KEYS[0], f"{TEXT}!")
    assert small.recall(KEYS[0]) is None


def test_what_cannot_be_kept_is_not(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    memory(tmp_path / "file").remember(KEYS[0], TEXT)
    assert memory(tmp_path / "file").recall(KEYS[0]) is None
    memory(tmp_path / "place").remember(KEYS[0], "\udcff")  # a name that is not UTF-8
    assert memory(tmp_path / "place").recall(KEYS[0]) is None
