"""What a CI job is told of what was published."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from support.projects import Project
from support.stacks import Messages, run
from venvlayers.plan import Goal

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="local runtimes are for Linux")


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the file that the job offers; a step before ours has written to it."""
    place = tmp_path / "summary.md"
    place.write_text("before\n", "utf-8")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(place))
    return place


def changes(page: Path) -> dict[str, str]:
    """Return the last column of the last table."""
    table = page.read_text("utf-8").rpartition("### Layers for ")[2]
    rows = [line.split(" | ") for line in table.splitlines() if line.startswith("| `")]
    return {row[0].strip("| `"): row[-1].strip("| ") for row in rows}


def test_each_publication_adds_a_table_and_a_graph(published_project: Project, page: Path) -> None:
    run(published_project, tag_outputs=True)
    names = ("base", "framework-middle", "app-top")
    assert changes(page) == dict.fromkeys(names, "unchanged")
    published_project.write("top.py", "import roof  # and much more of it\n" * 50)
    run(published_project, tag_outputs=True)
    assert changes(page)["base"] == "unchanged"
    assert changes(page)["app-top"].startswith("changed (")
    text = page.read_text("utf-8")
    assert text.startswith("before\n### Layers for ")
    assert text.count("```mermaid\n") == 2
    assert '    n2["app-top"]\n    n1 --> n0\n    n2 --> n1\n```\n' in text


def test_all_is_new_where_nothing_was_published(
    published_project: Project, page: Path, tmp_path: Path
) -> None:
    run(published_project, output_dir=tmp_path / "elsewhere")
    assert set(changes(page).values()) == {"new"}


def test_only_what_is_published_is_told(published_project: Project, page: Path) -> None:
    run(published_project, goal=Goal.BUILD)
    assert page.read_text("utf-8") == "before\n"


def test_a_page_that_cannot_be_written_is_a_warning(published_project: Project, page: Path) -> None:
    page.unlink()
    page.mkdir()
    messages = Messages()
    outcome = run(published_project, messages=messages, tag_outputs=True)
    assert len(outcome.published) == 3
    (warning,) = messages.of_work
    assert warning.startswith("GITHUB_STEP_SUMMARY cannot be written to: Is a directory")
