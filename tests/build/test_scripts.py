"""Which programs of packages a layer has, laid out as uv leaves them and as platforms want them."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path
from typing import Any

import pytest

from support.stacks import Messages
from venvlayers.build.launchers import is_relocatable
from venvlayers.build.record import installed_distributions, normalize_records
from venvlayers.build.scheme import Scheme
from venvlayers.build.scripts import ScriptWriter, write_program
from venvlayers.errors import BuildError
from venvlayers.platforms import PLATFORMS, Interpreter, PythonVersion
from venvlayers.report import Kind
from venvlayers.spec.kinds import LayerKind
from venvlayers.spec.model import Launch, LayerSpec

PYTHON = Interpreter("cpython", PythonVersion(3, 12, 1))
LINUX = Scheme(platform=PLATFORMS["linux_x86_64"], python=PYTHON)
WINDOWS = Scheme(platform=PLATFORMS["win_amd64"], python=PYTHON)

FROM_UV = b"#!/somewhere/bin/python3\n# -*- coding: utf-8 -*-\nimport sys\n"
ENTRY_POINTS = """
[console_scripts]
tool = tool.cli:main [fast]
tool-admin = tool.cli : Admin.run

[gui_scripts]
tool-window = tool.window:main

[other]
unrelated = nothing at all
"""


def installed(env: Path, scheme: Scheme, name: str = "tool", points: str = ENTRY_POINTS) -> Path:
    """Make what a uv on Linux leaves, moved to where the platform has it."""
    info = env / scheme.site_packages / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "entry_points.txt").write_text(points)
    bin_dir = env / scheme.platform.bin_dir
    bin_dir.mkdir(exist_ok=True)
    programs = {line.partition(" = ")[0]: FROM_UV for line in points.splitlines() if " = " in line}
    programs.pop("unrelated", None)
    if name == "tool":
        programs |= {
            "ready.py": b"#!python\nprint(1)\n",
            "shell": b"#!/bin/sh\n",
            "binary": b"\x7f",
        }
    for program, content in programs.items():
        (bin_dir / program).write_bytes(content)
    rows = [[f"../../../bin/{program}", "sha256=old", "3"] for program in programs]
    with (info / "RECORD").open("w", newline="") as file:
        csv.writer(file).writerows([[f"{info.name}/RECORD", "", ""], *rows])
    return info


def layer(**more: Any) -> LayerSpec:
    fields = {"kind": LayerKind.APPLICATION, "name": "top", "lower": ("base",), **more}
    return LayerSpec(requirements=(), platforms=(LINUX.platform,), **fields)


def write(env: Path, scheme: Scheme, spec: LayerSpec | None = None) -> list[str]:
    """Write the programs, check that every RECORD is right, and return the warnings."""
    messages = Messages()
    writer = ScriptWriter(env=env, layer=spec or layer(), scheme=scheme, reporter=messages.reporter)
    normalize_records(env, scheme, writer.write())
    bin_dir = scheme.platform.bin_dir
    owned = {
        file
        for distribution in installed_distributions(env, scheme)
        for file in distribution.files
        if file.startswith(f"{bin_dir}/")
    }
    assert owned == {f"{bin_dir}/{path.name}" for path in (env / bin_dir).iterdir()}
    return messages.of(Kind.WARNING)


def programs(env: Path, scheme: Scheme) -> set[str]:
    return {path.name for path in (env / scheme.platform.bin_dir).iterdir()}


def test_on_linux(tmp_path: Path) -> None:
    installed(tmp_path, LINUX)
    assert write(tmp_path, LINUX) == []
    names = {"tool", "tool-admin", "tool-window", "ready.py", "shell", "binary"}
    assert programs(tmp_path, LINUX) == names
    ours = {name for name in names if is_relocatable(tmp_path / "bin" / name)}
    assert ours == names - {"shell", "binary"}
    assert all((tmp_path / "bin" / name).stat().st_mode & 0o777 == 0o755 for name in ours)
    admin = (tmp_path / "bin" / "tool-admin").read_text()
    assert "from tool.cli import Admin\n" in admin
    assert "sys.exit(Admin.run())" in admin
    assert "somewhere" not in admin
    assert (tmp_path / "bin" / "binary").read_bytes() == b"\x7f"


def test_for_windows_on_another_machine(tmp_path: Path) -> None:
    installed(tmp_path, WINDOWS)
    assert write(tmp_path, WINDOWS) == []
    exes = {"tool.exe", "tool-admin.exe", "tool-window.exe", "ready.exe"}
    assert programs(tmp_path, WINDOWS) == {*exes, "ready.py", "shell", "binary"}
    scripts = tmp_path / "Scripts"
    assert b"#!<launcher_dir>\\python.exe\r\n" in (scripts / "tool.exe").read_bytes()
    assert b"#!<launcher_dir>\\pythonw.exe\r\n" in (scripts / "tool-window.exe").read_bytes()
    assert (scripts / "ready.py").read_bytes() == b"#!python\nprint(1)\n"


def test_a_script_beside_a_program_of_its_name_for_windows(tmp_path: Path) -> None:
    points = "[console_scripts]\nready = ready:main\n"
    installed(tmp_path, WINDOWS, "aaa", points)
    installed(tmp_path, WINDOWS)
    write(tmp_path, WINDOWS)
    with zipfile.ZipFile(tmp_path / "Scripts" / "ready.exe") as program:
        assert b"from ready import main" in program.read("__main__.py")


def test_programs_are_not_written_into_the_cache_of_uv(tmp_path: Path) -> None:
    cached, program = tmp_path / "cached", tmp_path / "bin" / "program"
    cached.write_bytes(b"of a wheel")
    program.parent.mkdir()
    program.hardlink_to(cached)
    write_program(program, b"ours")
    assert (cached.read_bytes(), program.read_bytes()) == (b"of a wheel", b"ours")


def test_in_a_runtime_for_windows(tmp_path: Path) -> None:
    installed(tmp_path, WINDOWS)
    write(tmp_path, WINDOWS, layer(kind=LayerKind.RUNTIME, lower=()))
    made = (tmp_path / "Scripts" / "tool.exe").read_bytes()
    assert b"#!<launcher_dir>\\..\\python.exe\r\n" in made


@pytest.mark.parametrize("scheme", [LINUX, WINDOWS], ids=["linux", "windows"])
@pytest.mark.parametrize(
    ("kept", "names"),
    [
        (("tool",), {"tool"}),
        (("tool-*", "binary"), {"tool-admin", "tool-window", "binary"}),
        (("nothing-like-*", "shell"), {"shell"}),
        ((), set()),
    ],
)
def test_a_layer_chooses(
    tmp_path: Path, scheme: Scheme, kept: tuple[str, ...], names: set[str]
) -> None:
    installed(tmp_path, scheme)
    write(tmp_path, scheme, layer(scripts=kept))
    assert {name.removesuffix(".exe") for name in programs(tmp_path, scheme)} == names


def test_a_name_that_nobody_brings(tmp_path: Path) -> None:
    installed(tmp_path, LINUX)
    with pytest.raises(BuildError, match="no package in it brings the program 'toool'") as caught:
        write(tmp_path, LINUX, layer(scripts=("shell", "toool")))
    assert caught.value.hint == "did you mean 'tool'?"
    with pytest.raises(BuildError, match="the programs 'toool', 'shel'") as caught:
        write(tmp_path, LINUX, layer(scripts=("toool", "shel")))
    assert caught.value.hint == "did you mean 'tool'?; did you mean 'shell'?"
    with pytest.raises(BuildError) as caught:
        write(tmp_path / "empty", LINUX, layer(scripts=("gunicorn",)))
    assert caught.value.hint == "they bring: none"


def test_two_packages_with_one_program(tmp_path: Path) -> None:
    installed(tmp_path, LINUX, "another", "[console_scripts]\ntool = another:main\n")
    installed(tmp_path, LINUX)
    (warning,) = write(tmp_path, LINUX)
    assert "another and tool both bring a program 'tool': that of another stays" in warning
    assert "from another import main" in (tmp_path / "bin" / "tool").read_text()


def test_the_launcher_has_its_name(tmp_path: Path) -> None:
    """A program that does the same is no matter; one that does something else is told of."""
    main = Launch(module="tool.cli", attribute="main")
    installed(tmp_path / "same", LINUX)
    assert write(tmp_path / "same", LINUX, layer(name="Tool", launch=main)) == []
    assert "tool" not in programs(tmp_path / "same", LINUX)
    installed(tmp_path / "other", LINUX)
    spec = layer(name="ready.py", launch=main)
    (warning,) = write(tmp_path / "other", LINUX, spec)
    assert "its launcher is in the place of the program 'ready.py' of tool" in warning


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ("[console_scripts]\npython3 = tool:main\n", "'python3' of bad would be in the place of P"),
        ("[console_scripts]\n../../x = tool:main\n", "cannot be the name of a program"),
        ("[console_scripts]\ntool = tool\n", "'tool' of bad-1.0.dist-info does not name a func"),
        ("[console_scripts]\ntool = import:main\n", "does not name a function: 'import:main'"),
    ],
)
def test_what_cannot_be_a_program(tmp_path: Path, points: str, message: str) -> None:
    info = installed(tmp_path, LINUX, "bad", "")
    (info / "entry_points.txt").write_text(points)
    with pytest.raises(BuildError, match=message):
        write(tmp_path, LINUX)


def test_python_can_be_left_out(tmp_path: Path) -> None:
    installed(tmp_path, LINUX, "bad", "[console_scripts]\npython = x:y\ngood = x:z\n")
    write(tmp_path, LINUX, layer(scripts=("good",)))
    assert programs(tmp_path, LINUX) == {"good"}
