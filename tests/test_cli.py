"""The command, as somebody types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import venvlayers
from support.command import venvstacks
from support.projects import Project
from venvlayers.cli import cli, main

SUBCOMMANDS = ["show", "lock", "build", "publish", "local-export"]


@pytest.mark.parametrize("arguments", [[], *([name] for name in SUBCOMMANDS)])
def test_help_fits_80_columns(arguments: list[str]) -> None:
    result = CliRunner(env={"COLUMNS": "200"}).invoke(cli, [*arguments, "--help"])
    assert result.exit_code == 0
    assert max(map(len, result.output.splitlines())) <= 80
    assert "Usage: " in result.output


def test_x16_version_works(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--version"])
    assert capsys.readouterr().out == f"venvstacks, version {venvlayers.__version__}\n"


@pytest.mark.parametrize("arguments", [[], ["unknown"], ["lock", "--unknown"]])
def test_wrong_usage_exits_with_2(arguments: list[str], tmp_path: Path) -> None:
    result = venvstacks(*arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert "Usage: " in result.stderr


def test_the_current_directory_is_the_default(published_project: Project) -> None:
    result = venvstacks("show", cwd=published_project.root)
    assert result.returncode == 0
    assert [line.split()[0] for line in result.stdout.splitlines()] == [
        *["lock"] * 3,
        *["build"] * 3,
        *["*"] * 3,  # nothing is published to the command's own output directory
    ]


@pytest.mark.parametrize("spec", [".", "pyproject.toml"])
def test_the_plan_as_json_is_alone_on_standard_output(
    published_project: Project, spec: str
) -> None:
    result = venvstacks("show", "--json", spec, cwd=published_project.root)
    plan = json.loads(result.stdout)
    assert plan["goal"] == "publish"
    assert {step["action"] for step in plan["steps"]} == {"lock", "build", "publish"}
    assert {step["layer"] for step in plan["steps"]} == {"base", "framework-middle", "app-top"}
    assert plan["steps"][0] == {
        "action": "lock",
        "layer": "base",
        "need": "no",
        "reason": "its lock is valid",
    }


def test_each_verb_does_that_much(published_project: Project) -> None:
    root = published_project.root
    assert venvstacks("lock", cwd=root).stdout == "nothing to do\n"
    assert venvstacks("build", cwd=root).stdout == "nothing to do\n"
    result = venvstacks("publish", "--tag-outputs", "--output-dir", "dist", cwd=root)
    assert result.stdout.count("unchanged") == 3
    result = venvstacks("local-export", cwd=root)
    assert "local-export: app-top" in result.stdout
    assert (root / "_export" / "app-top" / "postinstall.py").is_file()


def test_output_goes_beside_the_specification(published_project: Project, tmp_path: Path) -> None:
    result = venvstacks("publish", published_project.root, cwd=tmp_path)
    assert result.returncode == 0
    names = [path.name for path in (published_project.root / "_artifacts").glob("*.tar.zst")]
    assert sorted(names) == ["app-top.tar.zst", "base.tar.zst", "framework-middle.tar.zst"]


def test_quiet_and_verbose(published_project: Project) -> None:
    root = published_project.root
    published_project.write("top.py", "print('changed')\n")
    assert venvstacks("build", "--quiet", cwd=root).stderr == ""
    published_project.write("top.py", "print('changed again')\n")
    assert "building app-top" in venvstacks("build", "-v", cwd=root).stderr


def test_errors_have_their_exit_codes_and_no_traceback(
    published_project: Project, tmp_path: Path
) -> None:
    result = venvstacks("lock", "nowhere", cwd=tmp_path)
    assert result.returncode == 3
    assert result.stderr.startswith("error: ")
    stack = published_project.stack()
    stack["runtimes"][0]["requirements"] = []
    published_project.set_stack(stack)
    result = venvstacks("lock", "--locked", cwd=published_project.root)
    assert result.returncode == 4
    assert "locks would change" in result.stderr
    assert "Traceback" not in result.stderr
