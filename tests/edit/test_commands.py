"""What the subcommands ``init`` and ``add`` say, in the test's own process."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from venvlayers.cli import cli
from venvlayers.edit.edit import add_first_table
from venvlayers.errors import SpecError


def test_init_and_add(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "demo"\nrequires-python = "==3.12.*"'
    )
    (tmp_path / "main.py").write_text("print('ran')\n")
    run = CliRunner().invoke
    file = tmp_path / "pyproject.toml"
    first = run(cli, ["init", str(tmp_path)], catch_exceptions=False)
    assert first.stdout.splitlines() == [
        f"added to {file}: runtime cpython-3.12",
        f"added to {file}: application demo, which runs main.py",
    ]
    arguments = ["add", "framework", "lib", "--runtime", "cpython-3.12", str(tmp_path)]
    assert run(cli, arguments).stdout == f"added to {file}: framework lib\n"


def test_init_says_how_to_go_on(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["init", "--standalone", str(tmp_path)])
    assert "venvstacks add application NAME" in result.stderr


def test_a_kind_that_is_none() -> None:
    result = CliRunner().invoke(cli, ["add", "layer", "x"])
    assert result.exit_code == 2
    assert "runtime" in result.stderr


def test_no_pyproject(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="not found"):
        add_first_table(tmp_path)
