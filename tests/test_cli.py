"""The command ``venvstacks``: options, what goes to which stream, exit codes."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import sys
import textwrap
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from support.command import venvstacks
from support.projects import Project
from venvlayers import __version__
from venvlayers.cli import cli, main
from venvlayers.platforms import host_platform
from venvlayers.workflow import status

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="local runtimes are for Linux")

HERE = host_platform().name if sys.platform == "linux" else ""
LAYERS = ("base", "framework-middle", "app-top")
UNCHANGED = "  unchanged\n"


def invoke(*arguments: str) -> tuple[int, str]:
    """Run the command in this process: for what does not depend on a process of its own."""
    result = CliRunner().invoke(cli, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.output


def edit(project: Project, kind: str, **keys: object) -> None:
    stack = project.stack()
    stack[kind][0].update(keys)
    project.set_stack(stack)


def test_x16_version() -> None:
    assert invoke("--version") == (0, f"venvstacks, version {__version__}\n")
    assert invoke("-V") == (0, f"venvstacks, version {__version__}\n")
    assert __version__ == importlib.metadata.version("hatch-venvstacks")


COMMANDS = [(), *((name,) for name in cli.commands)]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command) or "none")
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_fits_a_terminal(
    command: tuple[str, ...], option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    status, text = invoke(*command, option)
    assert status == 0
    assert text.startswith("Usage: ")
    assert max(map(len, text.splitlines())) <= 80


def test_every_subcommand_is_explained() -> None:
    _, text = invoke("--help")
    for name in ("show", "lock", "build", "publish", "local-export"):
        assert f"\n  {name} " in text
        assert cli.commands[name].help


def test_246_without_arguments_it_explains_itself_and_fails() -> None:
    """#246."""
    status, text = invoke()
    assert status == 2
    assert text.startswith("Usage: ")


@pytest.mark.parametrize(
    "arguments",
    [("pack",), ("publish", "--no-such-option"), ("lock", ".", "more"), ("build", "--output-dir")],
    ids=" ".join,
)
def test_wrong_usage(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    result = venvstacks(*arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert result.stdout == ""
    assert "Error: " in result.stderr
    assert "Traceback" not in result.stderr


def test_the_installed_command_is_the_module(published_project: Project) -> None:
    (point,) = importlib.metadata.entry_points(group="console_scripts", name="venvstacks")
    assert callable(point.load())
    result = venvstacks("--version", cwd=published_project.root)
    assert (result.returncode, result.stdout) == (0, f"venvstacks, version {__version__}\n")


# The specification.


@pytest.mark.parametrize("place", ["directory", "file", "here", "default"])
def test_where_the_specification_is(published_project: Project, tmp_path: Path, place: str) -> None:
    root = published_project.root
    spec = {"directory": [root], "file": [root / "pyproject.toml"], "here": ["."], "default": []}
    cwd = root if place in ("here", "default") else tmp_path
    result = venvstacks("build", *spec[place], cwd=cwd)
    assert (result.returncode, result.output) == (0, "nothing to do\n")


def test_a_venvstacks_toml_by_its_name(published_project: Project) -> None:
    text = published_project.pyproject.read_text("utf-8")
    text = text.replace("[tool.venvstacks]\n", "").replace("tool.venvstacks.", "")
    published_project.write("stack/venvstacks.toml", text[text.index("runtime_source") :])
    shutil.copy(published_project.root / "top.py", published_project.root / "stack")
    result = venvstacks("show", "stack/venvstacks.toml", cwd=published_project.root)
    assert result.returncode == 0
    assert "app-top" in result.stdout


def test_the_specification_is_not_there(tmp_path: Path) -> None:
    result = venvstacks("lock", "nothing/pyproject.toml", cwd=tmp_path)
    assert result.returncode == 3
    assert result.stderr.startswith(f"error: {tmp_path}/nothing/pyproject.toml: not found\nhint: ")


# Subcommands.


def test_show_as_a_tree(published_project: Project) -> None:
    """N1."""
    edit(published_project, "frameworks", requirements=["storey", "ground"])
    before = sorted(published_project.root.rglob("*"))
    result = venvstacks("show", cwd=published_project.root, check=True)
    assert result.stdout == textwrap.dedent("""\
        pyproject.toml
        runtimes
            base
        frameworks
          * framework-middle: its requirements changed
              base
        applications
          * app-top: framework-middle below it is to be locked
              starts top
              framework-middle
              base
        """)
    assert result.stderr == ""
    assert sorted(published_project.root.rglob("*")) == before


def test_show_as_json(unbuilt_project: Project) -> None:
    """N2, G24 G31: operations are not a matter of showing."""
    result = venvstacks("show", "--json", cwd=unbuilt_project.root, check=True)
    document = json.loads(result.stdout)
    assert list(document) == ["spec_name", "runtimes", "frameworks", "applications", "plan"]
    assert (document["spec_name"], document["plan"]) == ("pyproject.toml", None)
    assert document["applications"] == [
        {
            "name": "app-top",
            "install_target": "app-top",
            "has_valid_lock": True,
            "lock_problem": None,
            "selected_operations": None,
            "dependencies": ["framework-middle", "base"],
            "launch": "top",
            "project": None,
        }
    ]


def test_lock(unbuilt_project: Project) -> None:
    shutil.rmtree(unbuilt_project.root / "requirements")
    result = venvstacks("lock", cwd=unbuilt_project.root, check=True)
    assert result.stdout == "lock: base\nlock: framework-middle\nlock: app-top\n"
    assert "locking base: it has no lock yet\n" in result.stderr
    assert {path.name for path in (unbuilt_project.root / "requirements").iterdir()} == {*LAYERS}


def test_build(published_project: Project) -> None:
    shutil.rmtree(published_project.root / "_build" / HERE / "app-top")
    result = venvstacks("build", cwd=published_project.root, check=True)
    assert result.stdout == "build: app-top\n"
    assert (published_project.root / "_build" / HERE / "app-top" / "bin" / "python").exists()


def files_in(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("options", [(), ("--tag-outputs",)], ids=["plain", "tagged"])
def test_publish_into_the_default_directory(
    published_project: Project, options: tuple[str, ...]
) -> None:
    result = venvstacks("publish", *options, cwd=published_project.root, check=True)
    tag = f"-{HERE}" if options else ""
    assert files_in(published_project.root / "_artifacts") == {
        *(f"{name}{tag}.tar.zst" for name in LAYERS),
        *(f"__venvstacks__/env_metadata/{name}{tag}.json" for name in LAYERS),
        f"__venvstacks__/venvstacks{tag}.json",
        f"SHA256SUMS{tag}",
    }
    shown = [line.split() for line in result.stdout.splitlines()]
    assert [(line[0], line[-1]) for line in shown] == [
        (f"{name}{tag}.tar.zst", "new") for name in LAYERS
    ]
    assert "publishing base: " in result.stderr


@pytest.mark.parametrize("kind", ["relative", "absolute"])
def test_an_output_directory_is_relative_to_the_specification(
    published_project: Project, tmp_path: Path, kind: str
) -> None:
    (tmp_path / "cwd").mkdir()
    place = published_project.dist if kind == "absolute" else Path("dist")
    command = ("publish", "--tag-outputs", "--output-dir", place, published_project.root)
    result = venvstacks(*command, cwd=tmp_path / "cwd", check=True)
    assert result.stdout.count(UNCHANGED) == 3
    assert list((tmp_path / "cwd").iterdir()) == []


def test_a_home_directory_in_an_option(
    published_project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    venvstacks("local-export", "--output-dir", "~/out", cwd=published_project.root, check=True)
    assert (tmp_path / "out" / "app-top").is_dir()


def test_local_export(published_project: Project) -> None:
    venvstacks("local-export", cwd=published_project.root, check=True)
    exported = published_project.root / "_export"
    assert {path.name for path in exported.iterdir()} == {*LAYERS, "__venvstacks__"}


# Locked.


@pytest.mark.parametrize("how", ["option", "variable"])
@pytest.mark.parametrize("command", [("lock",), ("build", "--lock-if-needed")], ids=" ".join)
def test_locked(published_project: Project, how: str, command: tuple[str, ...]) -> None:
    edit(published_project, "applications", requirements=[])
    option = ["--locked"] if how == "option" else []
    env = {"VENVSTACKS_LOCKED": "1"} if how == "variable" else {}
    result = venvstacks(*command, *option, cwd=published_project.root, env=env)
    assert result.returncode == 4
    assert "app-top: its requirements changed" in result.stderr
    assert "hint: lock without it" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("command", ["build", "publish", "local-export"])
def test_an_outdated_lock_is_an_error_that_says_what_to_do(
    published_project: Project, command: str
) -> None:
    """I6: nobody but `lock`, and `build --lock-if-needed`, changes a lock."""
    edit(published_project, "applications", requirements=[])
    result = venvstacks(command, cwd=published_project.root)
    assert (result.returncode, result.stdout) == (4, "")
    assert result.stderr == (
        "error: locks are missing or outdated:\n"
        "  - app-top: its requirements changed\n"
        "hint: make them with `venvstacks lock --if-needed`, or on the way with "
        "`venvstacks build --lock-if-needed`\n"
    )


# How much is said.


@pytest.mark.parametrize("option", ["-q", "--quiet", None, "-v", "--verbose"])
def test_quiet_and_verbose(published_project: Project, option: str | None) -> None:
    shutil.rmtree(published_project.root / "_build" / HERE / "app-top")
    options = [option] if option else []
    result = venvstacks("build", *options, cwd=published_project.root, check=True)
    assert result.stdout == "build: app-top\n"
    steps, commands = "building app-top\n" in result.stderr, "running " in result.stderr
    assert (steps, commands) == (option not in ("-q", "--quiet"), option in ("-v", "--verbose"))


def test_twice_verbose_is_what_uv_reads_and_says(small_project: Project) -> None:
    """F3: also before the subcommand, and capped."""
    root = small_project.root
    for arguments in (("lock", "-vv", "--include", "base"), ("-v", "lock", "-vvv")):
        result = venvstacks(*arguments, cwd=root, check=True)
        assert "uv is given:\n    [project]" in result.stderr
        assert "uv says:\n" in result.stderr
        assert '"ground' in result.stderr
    assert "uv is given" not in venvstacks("lock", "-v", cwd=root, check=True).stderr


def test_quiet_is_errors_only(published_project: Project) -> None:
    """F4."""
    stack = published_project.stack()
    runtime = stack["runtimes"][0]
    runtime["fully_versioned_name"] = runtime.pop("python_implementation")
    published_project.set_stack(stack)
    root = published_project.root
    result = venvstacks("build", cwd=root, check=True)
    assert result.stderr.startswith("warning: tool.venvstacks.runtimes[0].fully_versioned_name: is")
    for arguments in (("build", "-q"), ("-q", "build")):
        assert venvstacks(*arguments, cwd=root, check=True).stderr == ""
    assert venvstacks("build", "-q", "nothing", cwd=root).stderr.startswith("error: ")


def test_results_and_the_rest_go_to_different_streams(published_project: Project) -> None:
    published_project.write("top.py", "print('changed')\n")
    result = venvstacks("publish", "--output-dir", "dist", cwd=published_project.root, check=True)
    assert "building app-top" in result.stderr
    assert "sha256:" in result.stdout
    assert "building" not in result.stdout
    assert "\x1b" not in result.output


# Showing, with and without doing.


def test_what_would_be_written(unbuilt_project: Project) -> None:
    """G13 X16: nothing is built for it, and it is what publishing then writes."""
    root = unbuilt_project.root
    result = venvstacks("publish", "--dry-run", "--show", "--tag-outputs", cwd=root, check=True)
    requested = json.loads(result.stdout)["layers"]
    assert result.stderr.startswith("pyproject.toml\nruntimes\n    base  (build-if-needed, publish")
    assert not (root / "_build").exists()
    venvstacks("publish", "--tag-outputs", cwd=root, check=True)
    manifest = root / f"_artifacts/__venvstacks__/venvstacks-{HERE}.json"
    written = json.loads(manifest.read_text("utf-8"))["layers"]
    for kind, entries in requested.items():
        for said, done in zip(entries, written[kind], strict=True):
            assert said.items() <= done.items()
            assert said["archive_name"].endswith(f"-{HERE}.tar.zst")


def test_what_would_be_exported(unbuilt_project: Project) -> None:
    """G13 X16, L4: and no option is named that does not exist."""
    root = unbuilt_project.root
    result = venvstacks("local-export", "--dry-run", "--include", "app-top", cwd=root, check=True)
    (entry,) = json.loads(result.stdout)["layers"]["applications"]
    assert (entry["layer_name"], result.stderr) == ("app-top", "")
    assert not (root / "_export").exists()
    venvstacks("local-export", "--include", "app-top", cwd=root, check=True)
    written = json.loads((root / "_export/__venvstacks__/venvstacks.json").read_text("utf-8"))
    assert written["layers"]["applications"] == [entry]


def test_what_would_be_written_needs_locks(unbuilt_project: Project) -> None:
    edit(unbuilt_project, "applications", requirements=[])
    result = venvstacks("publish", "--dry-run", cwd=unbuilt_project.root)
    assert (result.returncode, result.stdout) == (4, "")
    assert "locks are missing or outdated" in result.stderr


@pytest.mark.parametrize("options", [("--json",), ("--show-only",), ("--json", "--show-only")])
@pytest.mark.parametrize("command", ["lock", "build", "publish", "local-export"])
def test_show_only(unbuilt_project: Project, command: str, options: tuple[str, ...]) -> None:
    """G23 G24, N1, N2: JSON means that nothing is done, unless --show is given too."""
    before = sorted(unbuilt_project.root.rglob("*"))
    status, text = invoke(command, *options, str(unbuilt_project.root), "-q")
    assert status == 0
    assert sorted(unbuilt_project.root.rglob("*")) == before
    if "--json" not in options:
        assert text.startswith("pyproject.toml\nruntimes\n    base  (")
        assert "\nto do\n" in text
        return
    document = json.loads(text)
    (base,) = document["runtimes"]
    word = {"lock": "lock", "local-export": "local-export-if-needed"}.get(
        command, f"{command}-if-needed"
    )
    assert base["selected_operations"][-1] == word
    assert document["plan"]["steps"][0]["layer"] == "base"


def test_show_and_do(unbuilt_project: Project) -> None:
    """G23."""
    result = venvstacks("build", "--show", cwd=unbuilt_project.root, check=True)
    shown, _, done = result.stdout.partition("to do\n")
    assert shown.endswith(
        "  (build-if-needed)\n      starts top\n      framework-middle\n      base\n"
    )
    assert done.splitlines()[0] == "    build  base              it is not built yet"
    assert sorted(done.splitlines()[3:]) == sorted(f"build: {name}" for name in LAYERS)


@pytest.mark.parametrize("option", ["--show", "--no-show-only"])
def test_do_and_print_json(published_project: Project, option: str) -> None:
    """G24, K16: one document, alone on standard output."""
    published_project.write("top.py", "print('changed')\n")
    arguments = ("publish", "--json", option, "--tag-outputs", "--output-dir", "dist")
    result = venvstacks(*arguments, cwd=published_project.root, check=True)
    document = json.loads(result.stdout)
    assert "publishing app-top" in result.stderr
    outcome = document["outcome"]
    assert outcome["done"] == [{"action": "build", "layer": "app-top", "platform": HERE}]
    assert [(entry["layer_name"], entry["reused"]) for entry in outcome["published"]] == [
        ("base", True),
        ("framework-middle", True),
        ("app-top", False),
    ]
    assert outcome["lock_changes"] == {}
    assert Path(outcome["artifact"]).is_file()


def test_nothing_to_show(unbuilt_project: Project) -> None:
    status, text = invoke("build", "--no-build", "--show-only", str(unbuilt_project.root))
    assert (status, text) == (0, "pyproject.toml\nto do\n    nothing\n")


def test_f1_the_name_in_usage_lines(tmp_path: Path) -> None:
    """F1."""
    result = venvstacks("lock", "--no-such-option", cwd=tmp_path)
    assert result.stderr.startswith("Usage: python -m venvlayers lock [OPTIONS] [SPEC]\n")
    with pytest.raises(SystemExit):
        main(["lock", "--no-such-option"])


def test_n6_the_command_is_callable(
    published_project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    """N6: it returns when all is well, and ends the process otherwise."""
    main(["build", str(published_project.root)])
    assert capsys.readouterr().out == "nothing to do\n"
    with pytest.raises(SystemExit) as caught:
        main(["lock", "--include", "nothing", str(published_project.root)])
    assert caught.value.code == 2
    assert "error: --include nothing: no layer is called so" in capsys.readouterr().err


def test_f6_shells_complete() -> None:
    """F6."""
    env = {
        "_VENVSTACKS_COMPLETE": "bash_complete",
        "COMP_WORDS": "venvstacks lo",
        "COMP_CWORD": "1",
    }
    result = CliRunner().invoke(cli, [], prog_name="venvstacks", env=env)
    assert result.output.splitlines() == ["plain,local-export", "plain,lock"]


class Windows:
    """The module `os` as far as click asks it where it is."""

    name = "nt"

    def __getattr__(self, name: str) -> object:
        return getattr(os, name)


def test_pr_160_patterns_are_not_for_files(
    published_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PR #160, F7: a pattern that files match too reaches the command as it is."""
    monkeypatch.chdir(published_project.write("app-1/app-2", "").parent)
    monkeypatch.setattr("click.core.os", Windows())
    given: list[str] = []

    def show(**options: list[str]) -> None:
        given.extend(options["include"])

    monkeypatch.setattr(cli.commands["show"], "callback", show)
    monkeypatch.setattr(sys, "argv", ["venvstacks", "show", "--include", "app-*"])
    main()
    assert given == ["app-*"]


# The end of the process.


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (KeyboardInterrupt(), 130, "interrupted; earlier outputs are as they were\n"),
        (click.Abort(), 130, "interrupted; earlier outputs are as they were\n"),
        (click.UsageError("no"), 2, "Error: no\n"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_how_it_ends(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    raised: BaseException,
    code: int,
    said: str,
) -> None:
    def load(_path: Path) -> None:
        raise raised

    monkeypatch.setattr(status, "load", load)
    with pytest.raises(SystemExit) as caught:
        main(["show"])
    assert caught.value.code == code
    assert capsys.readouterr().err.endswith(said)


def test_a_reader_that_goes_away(published_project: Project) -> None:
    """As ``venvstacks show | head -1`` does."""
    wrapper = ("sh", "-c", '"$@" | true', "sh")
    result = venvstacks("show", cwd=published_project.root, wrapper=wrapper)
    assert "Traceback" not in result.stderr
