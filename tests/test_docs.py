"""Examples that users copy: what is in the documentation, and in ``fixtures``, can be read."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from venvlayers.spec.parse import load

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
EXAMPLES = sorted(path.parent for path in (ROOT / "fixtures").glob("*/pyproject.toml"))


def blocks(page: Path) -> list[str]:
    text = page.read_text("utf-8")
    return re.findall(r"^ *```toml\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_x23_specifications_in_the_documentation_can_be_read(page: Path, tmp_path: Path) -> None:
    for number, block in enumerate(blocks(page)):
        declared = tomllib.loads(block).get("tool", {}).get("venvstacks", {})
        if "runtimes" not in declared:
            continue  # a part of one
        project = tmp_path / str(number)
        for application in declared.get("applications", ()):
            module = project / application["launch_module"]
            if module.suffix != ".py":
                module /= "__main__.py"
            module.parent.mkdir(parents=True, exist_ok=True)
            module.touch()
        project.mkdir(exist_ok=True)
        (project / "pyproject.toml").write_text(block, "utf-8")
        spec = load(project)
        assert spec.warnings == ()
        assert len(spec.layers) == sum(len(declared[kind]) for kind in declared)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_examples_can_be_read(example: Path) -> None:
    """N11."""
    spec = load(example)
    assert spec.warnings == ()
    assert {layer.kind.value for layer in spec.layers} == {"runtimes", "frameworks", "applications"}


def test_there_are_examples() -> None:
    assert EXAMPLES
    assert any(blocks(page) for page in PAGES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target
