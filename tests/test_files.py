"""Whole or not at all, and in one order."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from venvlayers import files


def test_a_text_is_the_old_one_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "new" / "file.txt"
    files.write_text(place, "one\n")
    assert place.read_bytes() == b"one\n"

    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fdopen", full)
    with pytest.raises(OSError, match="No space"):
        files.write_text(place, "two\n")
    assert place.read_bytes() == b"one\n"
    assert [entry.name for entry in place.parent.iterdir()] == ["file.txt"]


def test_private_directories_vanish_with_whatever_is_in_them(tmp_path: Path) -> None:
    with files.private_directory(tmp_path / "work") as private:
        (private / "deep").mkdir()
        (private / "deep" / "file").touch()
        (private / "deep" / "file").chmod(0o400)
        (private / "deep").chmod(0o500)
        (private / "link").symlink_to(tmp_path)
    assert list((tmp_path / "work").iterdir()) == []
    assert tmp_path.is_dir()


def test_a_directory_takes_the_place_of_another(tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    files.replace_directory(tmp_path / "new", tmp_path / "old")
    assert [entry.name for entry in (tmp_path / "old").iterdir()] == ["new"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["old"]
    (tmp_path / "third").mkdir()
    files.replace_directory(tmp_path / "third", tmp_path / "deep" / "place")
    assert (tmp_path / "deep" / "place").is_dir()


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere"
)
def test_removing_never_opens_the_directory_above(tmp_path: Path) -> None:
    tree = tmp_path / "above" / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "sub" / "file").touch()
    (tree / "sub").chmod(0o555)
    tree.parent.chmod(0o555)
    with pytest.raises(PermissionError):
        files.remove_tree(tree)
    assert stat.S_IMODE(tree.parent.stat().st_mode) == 0o555
    tree.parent.chmod(0o755)


def test_removing_what_is_not_there(tmp_path: Path) -> None:
    files.remove_tree(tmp_path / "nothing")
    assert list(tmp_path.iterdir()) == []


def test_walking_goes_by_name_and_follows_no_links(tmp_path: Path) -> None:
    for name in ("b/z", "b/a", "a", "B", "ä"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "link").symlink_to(tmp_path / "b")
    found = [relative for relative, _ in files.walk_sorted(tmp_path)]
    assert found == ["B", "a", "b", "b/a", "b/z", "link", "ä"]


def test_json_hashes_do_not_depend_on_order_but_on_structure() -> None:
    """X14."""
    assert files.sha256_json({"a": 1, "b": 2}) == files.sha256_json({"b": 2, "a": 1})
    assert files.sha256_json(["ab", "c"]) != files.sha256_json(["a", "bc"])
    assert files.sha256_json([["a"], "b"]) != files.sha256_json(["a", ["b"]])


def test_hashes_are_spelt_in_one_way(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert files.sha256_file(tmp_path / "empty") == files.sha256_text("") == empty
