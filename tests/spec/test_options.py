"""What is said about the stack as a whole, and where its files are then."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.specs import RUNTIME, application, mistake, mistakes, stack, write_standalone
from venvlayers.errors import SpecError
from venvlayers.layout import Layout
from venvlayers.plugins import archive_format
from venvlayers.spec.model import StackOptions
from venvlayers.spec.parse import load, parse


def test_without_options_the_usual_ones_hold(tmp_path: Path) -> None:
    spec = stack(tmp_path, RUNTIME)
    assert spec.options == StackOptions()
    assert Layout.of(spec) == Layout.beside(tmp_path)
    assert archive_format(spec).name == "tar.zst"


def test_options_of_a_stack(tmp_path: Path) -> None:
    spec = stack(
        tmp_path,
        'lock-dir = "locks"\nbuild_dir = "../build"\narchive-format = "zip"',
        "compression-level = 0\ntag-outputs = false",
        RUNTIME,
    )
    assert Layout.of(spec) == Layout(
        lock_dir=tmp_path / "locks", build_dir=tmp_path.parent / "build"
    )
    assert spec.options.compression_level == 0
    assert spec.options.tag_outputs is False
    assert archive_format(spec).name == "zip"


def test_the_best_level(tmp_path: Path) -> None:
    assert (
        stack(tmp_path, 'compression-level = "best"', RUNTIME).options.compression_level == "best"
    )


def test_a4_paths_are_expanded_and_folded_and_not_resolved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A4."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PLACE", "elsewhere")
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    root = tmp_path / "link"
    spec = stack(root, 'lock_dir = "~/locks"\nbuild_dir = "a/../$PLACE"', RUNTIME)
    assert spec.root == root
    assert spec.options.lock_dir == tmp_path / "home" / "locks"
    assert spec.options.build_dir == root / "$PLACE"
    nested = tmp_path / "other" / ".." / "link" / "venvstacks.toml"
    assert load(nested).path == root / "venvstacks.toml"


def test_a4_the_specification_in_the_users_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A4."""
    monkeypatch.setenv("HOME", str(tmp_path))
    write_standalone(tmp_path, RUNTIME)
    assert load(Path("~/venvstacks.toml")).path == tmp_path / "venvstacks.toml"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('lock-dir = ""', "lock-dir: must not be empty"),
        ("build-dir = 1", 'build-dir: must be a string, not an integer (write "1")'),
        ("compression-level = 1.5", "compression-level: must be an integer, not a float"),
        ("compression-level = true", "compression-level: must be an integer, not a boolean"),
        ("compression-level = -1", "compression-level: must be at least 0, not -1"),
        (
            'compression-level = "bset"',
            "compression-level: must be an integer or \"best\", not 'bset' (did you mean 'best'?)",
        ),
        (
            'compression-level = "9"',
            "compression-level: must be an integer or \"best\", not '9' (write 9)",
        ),
        ('tag-outputs = "no"', "tag-outputs: must be true or false, not a string"),
        ('lock-dir = "_build/locks"', "lock-dir: puts the locks, which are to be kept, into"),
        ('build-dir = "requirements"', "build-dir: puts the locks, which are to be kept, into"),
        ('build-dir = "."', "build-dir: is a directory that has the project in it"),
        ('build-dir = "../"', "build-dir: is a directory that has the project in it"),
    ],
)
def test_each_mistake_has_a_message(tmp_path: Path, line: str, said: str) -> None:
    assert mistake(tmp_path, line, RUNTIME).startswith(said)


def test_an_archive_format_that_there_is_not(tmp_path: Path) -> None:
    """The known ones are those of plugins too, so this is found when one is needed."""
    spec = stack(tmp_path, 'archive-format = "tar.zstd"', RUNTIME)
    with pytest.raises(SpecError) as caught:
        archive_format(spec)
    (problem,) = map(str, caught.value.problems)
    assert problem.startswith("archive-format: unknown archive format 'tar.zstd'; there are tar, ")
    assert problem.endswith("(did you mean 'tar.zst'?)")


def test_a3_near_misses_of_options_at_the_top_level(tmp_path: Path) -> None:
    """A3: other keys are nobody's business there."""
    assert stack(tmp_path, 'title = "x"', RUNTIME, "[lockers]").layers
    found = mistakes(tmp_path, 'lock-dri = "x"\nplatfroms = []', RUNTIME)
    assert found == [
        "lock-dri: unknown key (did you mean 'lock_dir'?)",
        "platfroms: unknown key (did you mean 'platforms'?)",
    ]


def test_a3_the_table_of_a_pyproject_toml_in_a_file_of_another_name(tmp_path: Path) -> None:
    """A3: that would be ignored, and is more likely a mistake."""
    assert mistake(tmp_path, RUNTIME.replace("[[", "[[tool.venvstacks.")) == (
        "declares no layers; [tool.venvstacks] is a table for pyproject.toml alone "
        "(here, its tables stand at the top level)"
    )
    assert mistake(tmp_path, "") == "declares no layers (add [[runtimes]])"


def test_a8_a_specification_can_be_made_from_a_value(tmp_path: Path) -> None:
    """A8: no file has to be written."""
    file = write_standalone(tmp_path, RUNTIME, application("x"))
    runtime = {"name": "base", "python_implementation": "cpython@3.12", "requirements": []}
    main = {"name": "x", "runtime": "base", "launch_module": "main.py", "requirements": []}
    value = {"runtimes": [runtime], "applications": [main]}
    assert parse(value, file, value, where="") == load(file)
