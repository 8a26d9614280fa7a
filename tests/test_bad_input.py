"""What a user can get wrong, through the real commands.

Every mistake gives one message without a traceback and the documented exit
code, and leaves locks and archives of earlier runs as they were, to the byte.
"""

from __future__ import annotations

import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest

from support.command import venvstacks
from support.hatch import Hatch, Result
from support.index import Index
from support.locks import change_record
from support.mounts import needs_mounts, read_only, small
from support.outputs import outputs, unchanged
from support.projects import Project, fill_small_index
from support.stock import Stock

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="local runtimes are for Linux")

PUBLISH = ("build", "--lock-if-needed", "--publish", "--tag-outputs", "--output-dir", "dist")

GOOD = """
[tool.venvstacks]
runtime_source = "local"

[[tool.venvstacks.runtimes]]
name = "base"
python_implementation = "cpython@3.12"
requirements = ["numpy"]

[[tool.venvstacks.runtimes]]
name = "other"
python_implementation = "cpython@3.12"
requirements = []

[[tool.venvstacks.frameworks]]
name = "left"
runtime = "base"
requirements = ["torch"]

[[tool.venvstacks.frameworks]]
name = "right"
runtime = "base"
requirements = []

[[tool.venvstacks.applications]]
name = "main"
frameworks = ["left", "right"]
launch_module = "main.py"
requirements = []
"""


def expect(result: Result, code: int, *said: str) -> None:
    """Check that a command failed as documented, and said all of this."""
    assert "Traceback" not in result.output, result.output
    assert result.returncode == code, result.output
    for text in said:
        assert text in result.output
    assert result.stdout == "" or "hatch" in result.stdout or "venvstacks" in result.stdout


def refuse(project: Project, code: int, *said: str, **more: object) -> Result:
    """Publish, and check that this fails and changes nothing."""
    with unchanged(project):
        result = venvstacks(*PUBLISH, cwd=project.root, **more)  # type: ignore[arg-type]
        expect(result, code, *said)
        assert result.stdout == ""
    return result


def changed(old: str, new: str) -> str:
    assert GOOD.count(old) >= 1
    return GOOD.replace(old, new, 1)


def appended(table: str, text: str) -> str:
    return f"{GOOD}\n[[tool.venvstacks.{table}]]\n{dedent(text)}"


RUNTIME = 'python_implementation = "cpython@3.12"\nrequirements = []\n'
T = "tool.venvstacks"

MISTAKES: dict[str, tuple[str, tuple[str, ...]]] = {
    # What is not a specification at all.
    "not TOML": ("[tool.venvstacks\n", ("pyproject.toml: not TOML: ", "line 1")),
    "merge conflict": (f"<<<<<<< HEAD\n{GOOD}", ("not TOML: ", "line 1")),
    "no table": ("[tool.other]\n", (f"{T}: there is no such table", "hint: declare at least one")),
    "no tool": ("[project]\nname = 'x'\n", (f"{T}: there is no such table",)),
    "misspelt table": (
        "[[tool.venvstack.runtimes]]\nname = 'x'\n",
        (f"{T}: there is no such table (is [tool.venvstack] it?)",),
    ),
    "not a table": ("[tool]\nvenvstacks = 1\n", (f"{T}: must be a table, not an integer",)),
    "empty table": ("[tool.venvstacks]\n", (f"{T}: declares no layers",)),
    # Unknown tables and keys at every level.
    "unknown table": (
        GOOD.replace("frameworks]]", "framewroks]]"),
        (f"{T}.framewroks: unknown key (did you mean 'frameworks'?)",),
    ),
    "unknown key of the stack": (
        changed("runtime_source", "runtime-sorce"),
        (f"{T}.runtime-sorce: unknown key (did you mean 'runtime_source'?)",),
    ),
    "unknown key of a runtime": (
        changed("python_implementation", "python_implementaton"),
        (
            (
                f"{T}.runtimes[0].python_implementaton: unknown key "
                "(did you mean 'python_implementation'?)"
            ),
            f"{T}.runtimes[0]: has no 'python_implementation', which is required",
        ),
    ),
    "unknown key of a framework": (
        changed('runtime = "base"', 'runtime = "base"\nrequiremnts = []'),
        (f"{T}.frameworks[0].requiremnts: unknown key (did you mean 'requirements'?)",),
    ),
    "unknown key of an application": (
        changed("launch_module", "launch-modul"),
        (f"{T}.applications[0].launch-modul: unknown key (did you mean 'launch_module'?)",),
    ),
    "a key of another kind of layer": (
        changed('runtime = "base"', 'runtime = "base"\nlaunch_module = "main.py"'),
        (f"{T}.frameworks[0].launch_module: unknown key",),
    ),
    "one key twice": (
        changed('runtime_source = "local"', 'runtime_source = "local"\nruntime-source = "auto"'),
        (f"{T}.runtime-source: is the same key as 'runtime_source'",),
    ),
    # Missing keys.
    "no name": (
        changed('name = "base"\n', ""),
        (f"{T}.runtimes[0]: has no 'name', which is required",),
    ),
    "no requirements": (
        changed('requirements = ["torch"]\n', ""),
        (f"{T}.frameworks[0]: has no 'requirements', which is required",),
    ),
    "no Python": (
        changed('python_implementation = "cpython@3.12"\n', ""),
        (f"{T}.runtimes[0]: has no 'python_implementation', which is required",),
    ),
    "no launch module": (
        changed('launch_module = "main.py"\n', ""),
        (f"{T}.applications[0]: has neither 'launch' nor 'launch_module'",),
    ),
    # Keys of the wrong type.
    "runtimes as a table": (
        "[tool.venvstacks.runtimes]\nname = 'base'\n",
        (f"{T}.runtimes: must be an array of tables, not a table (write [[{T}.runtimes]])",),
    ),
    "runtimes as text": (
        "[tool.venvstacks]\nruntimes = 'base'\n",
        (f"{T}.runtimes: must be an array of tables, not a string",),
    ),
    "a runtime as text": (
        "[tool.venvstacks]\nruntimes = ['base']\n",
        (f"{T}.runtimes[0]: must be a table, not a string",),
    ),
    "name": (changed('"base"', "1"), (f"{T}.runtimes[0].name: must be a string, not an integer",)),
    "requirements as text": (
        changed('["torch"]', '"torch"'),
        (
            (
                f"{T}.frameworks[0].requirements: must be an array of strings, not a string "
                '(write ["torch"])'
            ),
        ),
    ),
    "a requirement that is a number": (
        changed('["torch"]', '["torch", 2.0]'),
        (f"{T}.frameworks[0].requirements[1]: must be a string, not a float",),
    ),
    "Python as a number": (
        changed('"cpython@3.12"', "3.12"),
        (f"{T}.runtimes[0].python_implementation: must be a string, not a float",),
    ),
    "platforms as text": (
        changed('name = "base"', 'name = "base"\nplatforms = "linux_x86_64"'),
        (f"{T}.runtimes[0].platforms: must be an array of strings, not a string",),
    ),
    "frameworks as text": (
        changed('["left", "right"]', '"left"'),
        (f"{T}.applications[0].frameworks: must be an array of strings, not a string",),
    ),
    "runtime as an array": (
        changed('runtime = "base"', 'runtime = ["base"]'),
        (f"{T}.frameworks[0].runtime: must be a string, not an array",),
    ),
    "launch module as a boolean": (
        changed('"main.py"', "true"),
        (f"{T}.applications[0].launch_module: must be a string, not a boolean",),
    ),
    "unknown source": (
        changed('"local"', '"manged"'),
        (
            (
                f"{T}.runtime_source: must be one of 'auto', 'managed', 'local', not 'manged' "
                "(did you mean 'managed'?)"
            ),
        ),
    ),
    "unknown platform": (
        changed('name = "base"', 'name = "base"\nplatforms = ["linux_x64_64"]'),
        (
            (
                f"{T}.runtimes[0].platforms[0]: unknown platform 'linux_x64_64' "
                "(did you mean 'linux_x86_64'?)"
            ),
        ),
    ),
    "a platform that is not below": (
        changed('name = "base"', 'name = "base"\nplatforms = ["linux_x86_64"]').replace(
            'name = "left"', 'name = "left"\nplatforms = ["win_amd64"]'
        ),
        (f"{T}.frameworks[0].platforms: a layer below is not made for win_amd64",),
    ),
    # Names.
    "same name": (
        changed('name = "right"', 'name = "left"'),
        (f"{T}.frameworks[1].name: 'left' is taken by {T}.frameworks[0]",),
    ),
    "same name but for case": (
        changed('name = "right"', 'name = "LEFT"'),
        (f"{T}.frameworks[1].name: 'LEFT' is taken by {T}.frameworks[0]",),
    ),
    # References.
    "unknown runtime": (
        changed('runtime = "base"', 'runtime = "bsae"'),
        (f"{T}.frameworks[0].runtime: no runtime 'bsae' is declared above (did you mean 'base'?)",),
    ),
    "unknown framework": (
        changed('["left", "right"]', '["left", "rigth"]'),
        (
            (
                f"{T}.applications[0].frameworks[1]: no framework 'rigth' is declared above "
                "(did you mean 'right'?)"
            ),
        ),
    ),
    "forward reference": (
        changed('runtime = "base"', 'frameworks = ["right"]'),
        (
            (
                f"{T}.frameworks[0].frameworks[0]: framework 'right' is declared here or further "
                "down (declare it before the layers that use it)"
            ),
        ),
    ),
    "on itself": (
        changed('runtime = "base"', 'frameworks = ["left"]'),
        (f"{T}.frameworks[0].frameworks[0]: framework 'left' is declared here or further down",),
    ),
    "both": (
        changed('runtime = "base"\nrequirements = []', 'runtime = "base"\nframeworks = ["left"]'),
        (
            (
                f"{T}.frameworks[1]: has both 'runtime' and 'frameworks' "
                "(frameworks bring their runtime)"
            ),
        ),
    ),
    "neither": (
        changed('frameworks = ["left", "right"]\n', ""),
        (f"{T}.applications[0]: has neither 'runtime' nor 'frameworks'",),
    ),
    "no frameworks": (
        changed('["left", "right"]', "[]"),
        (f"{T}.applications[0].frameworks: must name at least one framework",),
    ),
    "different runtimes": (
        changed('runtime = "base"', 'runtime = "other"'),
        (
            (
                f"{T}.applications[0].frameworks: are on different runtimes: "
                "framework-left on other, framework-right on base"
            ),
        ),
    ),
    "no order": (
        GOOD.replace(
            "[[tool.venvstacks.applications]]",
            """\
[[tool.venvstacks.frameworks]]
name = "one"
frameworks = ["left", "right"]
requirements = []
[[tool.venvstacks.frameworks]]
name = "two"
frameworks = ["right", "left"]
requirements = []
[[tool.venvstacks.frameworks]]
name = "both"
frameworks = ["one", "two"]
requirements = []
[[tool.venvstacks.applications]]""",
        ),
        (
            (
                f"{T}.frameworks[4].frameworks: no order of frameworks satisfies all of: "
                "framework-left before framework-right; framework-right before framework-left"
            ),
        ),
    ),
    # Requirements and Pythons.
    "bad requirement": (
        changed('["torch"]', '["torch=>1"]'),
        (f"{T}.frameworks[0].requirements[0]: 'torch=>1' is not a requirement",),
    ),
    "empty requirement": (
        changed('["torch"]', '[""]'),
        (f"{T}.frameworks[0].requirements[0]: '' is not a requirement",),
    ),
    "unknown Python": (
        changed('"cpython@3.12"', '"cpyton@3.12"'),
        (
            (
                f"{T}.runtimes[0].python_implementation: unknown Python implementation 'cpyton' "
                "(did you mean 'cpython'?)"
            ),
        ),
    ),
    "another Python": (
        changed('"cpython@3.12"', '"graalpy@25.0"'),
        (
            f"{T}.runtimes[0].python_implementation: unknown Python implementation 'graalpy' ",
            "(write it as in 'cpython@3.12' or 'cpython@3.12.7')",
        ),
    ),
    "Python without a version": (
        changed('"cpython@3.12"', '"cpython@3"'),
        (
            (
                f"{T}.runtimes[0].python_implementation: 'cpython@3' has no Python version "
                "(write it as in 'cpython@3.12' or 'cpython@3.12.7')"
            ),
        ),
    ),
    # Launch modules.
    "missing launch module": (
        changed('"main.py"', '"missing.py"'),
        (f"{T}.applications[0].launch_module: there is no 'missing.py' in ",),
    ),
    "X26 launch module outside": (
        changed('"main.py"', '"../outside/main.py"'),
        (
            (
                f"{T}.applications[0].launch_module: must be a path inside the project, "
                "not '../outside/main.py'"
            ),
        ),
    ),
    "absolute launch module": (
        changed('"main.py"', '"/main.py"'),
        (f"{T}.applications[0].launch_module: must be a path inside the project",),
    ),
    "a link to a file outside": (
        changed('"main.py"', '"link.py"'),
        (f"{T}.applications[0].launch_module: 'link.py' is a link that leads out of the project",),
    ),
    "a package with a link that leads outside": (
        changed('"main.py"', '"package"'),
        (f"{T}.applications[0].launch_module: 'package/deep/link.py' is a link that leads out",),
    ),
    "a package in a directory that is a link": (
        changed('"main.py"', '"linked/main.py"'),
        (f"{T}.applications[0].launch_module: 'linked/main.py' is a link that leads out",),
    ),
    "a launch module that is no Python": (
        changed('"main.py"', '"pyproject.toml"'),
        (f"{T}.applications[0].launch_module: must be a .py file or a package directory",),
    ),
    "a package that cannot be run": (
        changed('"main.py"', '"empty"'),
        (f"{T}.applications[0].launch_module: 'empty' has no __main__.py",),
    ),
    "a launch module of the standard library's name": (
        changed('"main.py"', '"json.py"'),
        (
            (
                f"{T}.applications[0].launch_module: would be hidden by the standard library's "
                "module 'json'"
            ),
        ),
    ),
}

NAMES = {
    "": "must not be empty",
    "a/b": "'a/b' must not contain /",
    "a\\b": "must not contain \\, because it becomes the name of a directory",
    "..": "'..' must not begin with '.'",
    ".hidden": "must not begin with '.'",
    "../up": "must not contain /",
    "-option": "must not begin with '.', '-'",
    "ends.": "or end with '.'",
    "bell\x07": "must not contain control characters",
    "new\nline": "must not contain control characters",
    "right\u202eleft": "must not contain control characters",
    "a:b": "must not contain :",
    "app-x": "must not begin with 'app-', which marks applications",
    "framework-x": "must not begin with 'framework-', which marks frameworks",
    "__venvstacks__": "is reserved",
    "con": "is the name of a device on Windows",
    "x" * 101: "must not be longer than 100 characters",
}


def write_specification(project: Project, text: str) -> None:
    """Write the specification, and every file that the mistakes are about."""
    outside = project.root.parent / "outside"
    outside.mkdir()
    (outside / "main.py").touch()
    project.write("main.py", "")
    project.write("json.py", "")
    project.write("empty/readme.txt", "")
    project.write("package/__main__.py", "")
    (project.root / "package" / "deep").mkdir()
    (project.root / "package" / "deep" / "link.py").symlink_to(outside / "main.py")
    (project.root / "link.py").symlink_to(outside / "main.py")
    (project.root / "linked").symlink_to(outside)
    project.write("pyproject.toml", text)


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_in_the_specification(unbuilt_project: Project, name: str) -> None:
    """X15 X26 X32 X36."""
    text, said = MISTAKES[name]
    write_specification(unbuilt_project, text)
    refuse(unbuilt_project, 3, *said)
    assert not (unbuilt_project.root / "_build").exists()


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name[:20]))
def test_x17_a_name_that_is_no_name(unbuilt_project: Project, name: str) -> None:
    """X17: what is said is about the name."""
    escaped = "".join(c if c.isprintable() and c not in '"\\' else f"\\u{ord(c):04x}" for c in name)
    runtime = f'name = "{escaped}"\n{RUNTIME}'
    write_specification(unbuilt_project, appended("runtimes", runtime))
    refuse(unbuilt_project, 3, f"{T}.runtimes[2].name: ", NAMES[name])


def test_a_file_that_is_not_text(unbuilt_project: Project) -> None:
    unbuilt_project.pyproject.write_bytes(b"\xff\xfe\x00name")
    refuse(unbuilt_project, 3, "pyproject.toml: not TOML")


def test_no_file_at_all(unbuilt_project: Project) -> None:
    unbuilt_project.pyproject.unlink()
    refuse(unbuilt_project, 3, "pyproject.toml: not found", "hint: name a pyproject.toml")


def test_a_directory_in_the_place_of_the_file(unbuilt_project: Project) -> None:
    unbuilt_project.pyproject.unlink()
    unbuilt_project.pyproject.mkdir()
    refuse(unbuilt_project, 3, "pyproject.toml: cannot be read: Is a directory")


def test_all_mistakes_are_in_one_report(unbuilt_project: Project) -> None:
    texts = (
        GOOD.replace("runtime_source", "runtime_sorce")
        .replace('"main.py"', '"missing.py"')
        .replace('["torch"]', '"torch"')
        .replace('runtime = "base"', 'runtime = "bsae"')
    )
    write_specification(unbuilt_project, texts)
    result = refuse(unbuilt_project, 3, "6 mistakes")
    assert result.stderr.count("\n  - tool.venvstacks.") == 6


# What only shows when a layer is locked.


def edit_layer(project: Project, kind: str, **keys: object) -> None:
    stack = project.stack()
    stack[kind][0].update(keys)
    project.set_stack(stack)


@pytest.mark.parametrize(
    ("requirements", "said"),
    [
        (["storey==9"], "the requirements of framework-middle cannot be resolved for"),
        (["missing"], "the requirements of framework-middle cannot be resolved for"),
        (["storey", "ground>1"], "framework-middle cannot live above base"),
        (["native"], "native==1.0: no wheel for linux_x86_64"),
    ],
    ids=["no version", "no such package", "conflict", "no wheel"],
)
def test_requirements_that_cannot_be_locked(
    unbuilt_project: Project, index: Index, requirements: list[str], said: str
) -> None:
    """#101 X36: layer and requirement are named; the runtime, locked before, keeps its lock."""
    fill_small_index(index)
    index.add("ground", "2.0")
    index.add("native", tag="py3-none-manylinux_2_39_x86_64")
    tool = unbuilt_project.read_pyproject()["tool"]
    unbuilt_project.write_pyproject(tool | {"uv": index.uv_table()})
    unbuilt_project.set_stack(unbuilt_project.stack() | {"platforms": ["linux_x86_64"]})
    edit_layer(unbuilt_project, "frameworks", requirements=requirements)
    result = refuse(unbuilt_project, 4, said, "hint: ")
    assert "locking base: " in result.stderr


def test_an_index_that_is_not_there(unbuilt_project: Project) -> None:
    tool = unbuilt_project.read_pyproject()["tool"]
    tool["uv"]["index"][0]["url"] = "http://127.0.0.1:9/simple/"
    unbuilt_project.write_pyproject(tool)
    refuse(unbuilt_project, 4, "base", "hint: this is not about the requirements: see whether the ")


@pytest.mark.parametrize(
    ("setting", "code", "said"),
    [
        ({"prerelease": "sometimes"}, 4, "unknown variant `sometimes`"),
        ({"index": 1}, 3, "tool.uv.index: must be an array of tables, not an integer"),
        ({"index": [{"name": "x"}]}, 3, "tool.uv.index[0]: has no 'url', which is required"),
        ({"find-links": "wheels"}, 3, "tool.uv.find-links: must be an array of strings"),
        ({"constraint-dependencies": "a==1"}, 3, "tool.uv.constraint-dependencies: must be an arr"),
        ({"sources": []}, 3, "tool.uv.sources: must be a table, not an array"),
    ],
)
def test_settings_of_uv_that_are_none(
    unbuilt_project: Project, setting: dict[str, object], code: int, said: str
) -> None:
    tool = unbuilt_project.read_pyproject()["tool"]
    tool["uv"] |= setting
    unbuilt_project.write_pyproject(tool)
    refuse(unbuilt_project, code, said)


@pytest.mark.parametrize(
    ("file", "edit"),
    [
        ("pylock.base.toml", lambda text: text.replace('version = "1.0"', 'version = "1.1"')),
        ("pylock.base.toml", lambda text: f"<<<<<<< HEAD\n{text}=======\n{text}>>>>>>> x\n"),
        ("pylock.base.toml", lambda text: text[: len(text) // 2]),
        ("pylock.base.meta.json", lambda text: f"<<<<<<< HEAD\n{text}"),
        ("pylock.base.meta.json", lambda _text: ""),
        ("pylock.base.meta.json", lambda text: text.replace('": 1', '": "one"')),
    ],
)
@pytest.mark.parametrize("command", ["lock", "publish", "show"])
def test_x34_a_lock_that_was_edited(
    unbuilt_project: Project, file: str, edit: Callable[[str], str], command: str
) -> None:
    path = unbuilt_project.root / "requirements" / "base" / file
    path.write_text(edit(path.read_text("utf-8")), "utf-8")
    with unchanged(unbuilt_project):
        result = venvstacks(command, cwd=unbuilt_project.root)
        expect(result, 4, "the lock of base was edited by hand, or is damaged", "hint: restore ")


def test_a_lock_whose_record_is_gone_is_made_anew(unbuilt_project: Project) -> None:
    before = outputs(unbuilt_project)
    (unbuilt_project.root / "requirements/base/pylock.base.meta.json").unlink()
    venvstacks("lock", cwd=unbuilt_project.root, check=True)
    after = outputs(unbuilt_project)
    assert after.keys() == before.keys()
    lock = "requirements/base/pylock.base.toml"
    assert after[lock] == before[lock]


# Pythons and tools that are not to be had.


def ask_for(project: Project, version: str, source: str) -> None:
    edit_layer(project, "runtimes", python_implementation=version)
    project.set_stack(project.stack() | {"runtime_source": source, "platforms": ["linux_x86_64"]})


NO_PYTHONS = {
    "managed, unknown": ("cpython@3.99", "managed", "has no cpython@3.99; the nearest that it has"),
    "managed, offline": ("cpython@3.12", "managed", "for linux_x86_64 cannot be fetched"),
    "local, unknown": ("cpython@3.99", "local", "cpython@3.99 is not on this machine; it has "),
    "auto, neither": ("cpython@3.99.1", "auto", "cpython@3.99.1 is not to be had"),
    "managed, very old": ("cpython@2.7", "managed", "has no cpython@2.7"),
}


@pytest.mark.parametrize("name", NO_PYTHONS)
def test_a_python_that_cannot_be_had(unbuilt_project: Project, name: str) -> None:
    version, source, said = NO_PYTHONS[name]
    ask_for(unbuilt_project, version, source)
    refuse(unbuilt_project, 8, said, "hint: ", env={"UV_OFFLINE": "1"})


def test_the_pinned_python_is_gone(unbuilt_project: Project) -> None:
    """The interpreter that a lock pins is not on this machine."""
    change_record(unbuilt_project, "base", python={"version": "3.11.99"})
    refuse(unbuilt_project, 8, "cpython@3.11.99 is not on this machine")


def stub(place: Path, *lines: str) -> str:
    place.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    place.chmod(0o755)
    return str(place)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (None, "uv cannot be started: "),
        (["echo uv 0.5.1"], "uv 0.5.1 is too old; "),
        (["echo pip 26.0"], "this is not uv: "),
        (["exit 1"], "this is not uv: "),
    ],
    ids=["missing", "too old", "another program", "failing"],
)
def test_no_uv_to_work_with(
    unbuilt_project: Project, tmp_path: Path, lines: list[str] | None, said: str
) -> None:
    uv = stub(tmp_path / "uv", *lines) if lines else str(tmp_path / "nothing")
    edit_layer(unbuilt_project, "frameworks", requirements=["storey", "ground"])
    refuse(unbuilt_project, 7, said, uv, env={"VENVSTACKS_UV": uv})


def test_a_uv_that_fails_in_its_own_way(unbuilt_project: Project, tmp_path: Path) -> None:
    lines = ('case "$*" in --version) echo uv 99.0.0;; *) echo "it burns" >&2; exit 2;; esac',)
    uv = stub(tmp_path / "uv", *lines)
    edit_layer(unbuilt_project, "frameworks", requirements=["storey", "ground"])
    refuse(unbuilt_project, 4, "it burns", env={"VENVSTACKS_UV": uv})


# Places that cannot be written to.


def test_the_output_directory_is_a_file(published_project: Project) -> None:
    published_project.write("taken", "mine\n")
    with unchanged(published_project):
        command = ("publish", "--output-dir", "taken", published_project.root)
        expect(venvstacks(*command, cwd=Path("/")), 6, "taken: File exists")
    assert (published_project.root / "taken").read_text() == "mine\n"


def test_the_output_directory_is_below_a_file(published_project: Project) -> None:
    published_project.write("taken", "mine\n")
    with unchanged(published_project):
        command = ("publish", "--output-dir", "taken/dist")
        expect(venvstacks(*command, cwd=published_project.root), 6, "cannot publish to", "hint: ")


def test_the_build_directory_is_a_file(unbuilt_project: Project) -> None:
    unbuilt_project.write("_build", "mine\n")
    with unchanged(unbuilt_project):
        result = venvstacks("build", cwd=unbuilt_project.root)
        expect(result, 5, "_build cannot be used", "hint: ")
    assert (unbuilt_project.root / "_build").read_text() == "mine\n"


def test_locks_cannot_be_written(unbuilt_project: Project) -> None:
    directory = unbuilt_project.root / "requirements" / "base"
    shutil.rmtree(directory)
    directory.write_text("in the way")
    refuse(unbuilt_project, 4, "the lock of base cannot be", "requirements/base")


@pytest.mark.parametrize(
    ("name", "code"), [("dist", 6), ("_build", 5), ("requirements", 4)], ids=str
)
def test_a_directory_that_is_read_only(published_project: Project, name: str, code: int) -> None:
    needs_mounts()
    if name == "requirements":
        edit_layer(published_project, "frameworks", requirements=["storey", "ground"])
    else:
        published_project.write("top.py", "print('changed')\n")
    wrapper = read_only(published_project.root / name)
    refuse(published_project, code, name, "Read-only file system", wrapper=wrapper)


def test_a_read_only_directory_is_no_matter_when_nothing_is_to_be_done(
    published_project: Project,
) -> None:
    needs_mounts()
    wrapper = read_only(published_project.root)
    result = venvstacks(*PUBLISH, cwd=published_project.root, wrapper=wrapper, check=True)
    assert result.stdout.count("  unchanged\n") == 3


def limit_file_size() -> None:
    """Let writes beyond 2 MB fail, as they do in a quota or on a small file system."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 << 20, 2 << 20))


def test_x28_no_room_for_an_archive(published_project: Project) -> None:
    """The disk is full while the runtime is packed: old archives stay, and the next run works."""
    change_record(published_project, "base", locked_at="2001-01-01T00:00:00+00:00")
    venvstacks("build", cwd=published_project.root, check=True)
    refuse(published_project, 6, "cannot publish to", "File too large", before=limit_file_size)
    result = venvstacks(*PUBLISH, cwd=published_project.root, check=True)
    assert result.stdout.count("  new\n") == 1


def test_x28_no_room_for_an_environment(unbuilt_project: Project) -> None:
    """The disk is full while the runtime is copied; no half-made environment counts later."""
    refuse(unbuilt_project, 5, "base cannot be built", "hint: ", before=limit_file_size)
    result = venvstacks("build", cwd=unbuilt_project.root, check=True)
    assert "build: base" in result.stdout
    python = next(unbuilt_project.root.glob("_build/*/app-top/bin/python"))
    shown = subprocess.run([python, "-m", "top"], capture_output=True, text=True, check=True)
    assert shown.stdout == "versions: 1.0 1.0 1.0\n"


@pytest.mark.parametrize(("name", "size", "code"), [("dist", "15m", 6), ("_build", "20m", 5)])
def test_x28_a_full_file_system(
    published_project: Project, name: str, size: str, code: int
) -> None:
    needs_mounts()
    place = published_project.root / "small"
    place.mkdir()
    full = small(place, size)
    with unchanged(published_project):
        if name == "_build":
            shutil.rmtree(published_project.root / "_build")
            (published_project.root / "_build").symlink_to(place)
        where = "small" if name == "dist" else "dist"
        result = venvstacks(
            "publish", "--output-dir", where, cwd=published_project.root, wrapper=full
        )
        expect(result, code, "No space left on device", "hint: ")


def test_x31_a_launch_module_that_would_hide_a_package(published_project: Project) -> None:
    published_project.write("storey.py", "")
    edit_layer(published_project, "applications", launch_module="storey.py")
    refuse(
        published_project, 5, "the launch module 'storey' of app-top would hide an installed one"
    )


# The same through Hatch: messages and exit codes come out of its build process.


@pytest.mark.hatch
def test_mistakes_through_hatch(
    hatch: Hatch, unbuilt_project: Project, stock: Stock, tmp_path: Path
) -> None:
    shared = replace(hatch, environment={**hatch.environment, **stock.caches})
    good = unbuilt_project.stack()

    def fails(
        code: int, *said: str, verb: str = "publish", location: str = "dist", **env: str
    ) -> None:
        command = ("build", "-t", f"venvstacks:{verb}", location)
        with unchanged(unbuilt_project):
            result = shared(*command, cwd=unbuilt_project.root, env=env, check=False)
            expect(result, code, *said)

    unbuilt_project.set_stack(good | {"runtime_sorce": "auto"})
    fails(3, f"{T}.runtime_sorce: unknown key (did you mean 'runtime_source'?)")
    unbuilt_project.set_stack(good)
    edit_layer(unbuilt_project, "frameworks", requirements=["missing"])
    fails(4, "the requirements of framework-middle cannot be resolved for")
    fails(7, "uv cannot be started", VENVSTACKS_UV=str(tmp_path / "nothing"))
    ask_for(unbuilt_project, "cpython@3.99", "managed")
    fails(8, "has no cpython@3.99")
    unbuilt_project.set_stack(good)
    unbuilt_project.write("taken", "")
    fails(6, "cannot publish to", location="taken")
    fails(6, "cannot publish to", location="taken/dist")
    shutil.rmtree(unbuilt_project.root / "_build")
    unbuilt_project.write("_build", "")
    fails(5, "_build cannot be used", verb="build")
