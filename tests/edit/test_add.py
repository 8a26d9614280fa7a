"""``venvstacks add``: another layer, by insertions only, with the parser's own errors."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest

from support.command import venvstacks
from venvlayers.edit.edit import add_layer
from venvlayers.edit.layer import NewLayer
from venvlayers.errors import SpecError
from venvlayers.spec.kinds import LayerKind
from venvlayers.spec.parse import load

STACK = """\
# at the top
[project]
name = "demo"   # odd   spacing

[tool.venvstacks]
platforms = [ "linux_x86_64",
              "win_amd64" ]  # these

[[tool.venvstacks.runtimes]]
name = "base"
python_implementation = "cpython@3.12"
requirements = []

# about the framework
[[tool.venvstacks.frameworks]]
name = "middle"
runtime = "base"
requirements = ["numpy"]

# about ruff
[tool.ruff]
line-length = 100
# the end"""
ONE_LAYER = (
    '{}[[{}runtimes]]\nname = "base"\npython-implementation = "cpython@3.12"\nrequirements=[]\n'
)


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text("print('ran')\n")
    path = tmp_path / "pyproject.toml"
    path.write_bytes(STACK.encode())
    return path


def only_inserted(before: str, after: str) -> str:
    """Return what was put in, after making sure that nothing else changed."""
    lines = list(difflib.ndiff(before.splitlines(), after.splitlines()))
    assert not [line for line in lines if line.startswith(("-", "?"))]
    return "\n".join(line[2:] for line in lines if line.startswith("+"))


def test_each_kind_goes_behind_its_own(stack: Path) -> None:
    root = stack.parent
    venvstacks("add", "runtime", "old", "--python", "cpython@3.11", cwd=root, check=True)
    options = ["--framework", "middle", "--launch-module", "app.py", "--platform", "linux_x86_64"]
    venvstacks("add", "application", "top", "-r", "a>=1", "-r", "b", *options, cwd=root, check=True)
    result = venvstacks("add", "framework", "upper", "--framework", "middle", str(stack), cwd="/")
    assert result.stdout == f"added to {stack}: framework upper\n"
    text = stack.read_text()
    only_inserted(STACK, text)
    order = ["base", "old", "# about the framework", "middle", "upper", '"top"', "# about ruff"]
    assert [text.index(word) for word in order] == sorted(text.index(word) for word in order)
    spec = load(stack)
    assert [layer.env_name for layer in spec.layers] == [
        *("base", "old", "framework-middle", "framework-upper", "app-top")
    ]
    top = spec.layer("app-top")
    assert str(top.launch) == "app"
    launched = ("application", "site", "--launch", "web.cli:main", "--runtime", "base")
    venvstacks("add", *launched, cwd=root, check=True)
    assert str(load(stack).layer("app-site").launch) == "web.cli:main"
    with_project = ("--project", "--launch", "serve", "--runtime", "base")
    venvstacks("add", "application", "own", *with_project, cwd=root, check=True)
    assert load(stack).layer("app-own").project is not None
    assert top.requirements == ("a>=1", "b")
    assert [platform.name for platform in top.platforms] == ["linux_x86_64"]


@pytest.mark.parametrize(
    "before",
    [
        *(STACK, STACK.replace("\n", "\r\n"), f"{STACK}\n\n", STACK.partition("\n# about ruff")[0]),
        STACK.replace("[[tool.venvstacks.frameworks]]", "[[ tool . 'venvstacks'.frameworks ]] # x"),
        STACK.replace("requirements = []", 'requirements = [\n  "x",\n]'),
        STACK + '\n[tool.x]\ntext = """\n[[tool.venvstacks.frameworks]]\n"""\n',
        STACK.replace(
            '"numpy"]', '"numpy"]\n[tool.other]\nx = """\n[[tool.venvstacks.runtimes]]\n"""'
        ),
        "tool.venvstacks.platforms = ['linux_x86_64']\n" + ONE_LAYER.format("", "tool.venvstacks."),
    ],
)
def test_nothing_but_insertions(stack: Path, before: str) -> None:
    stack.write_bytes(before.encode())
    layer = NewLayer(kind=LayerKind.FRAMEWORK, name="new", runtime="base")
    add_layer(stack, layer)
    after = stack.read_bytes().decode()
    put_in = only_inserted(before, after)
    assert 'name = "new"' in put_in
    assert ("\r\n" in after) == ("\r\n" in before)
    assert after.count("\n") == after.count("\r\n") or "\r\n" not in before
    assert load(stack).layer("framework-new")


def test_a_file_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "venvstacks.toml"
    path.write_text(ONE_LAYER.format("", ""))
    add_layer(tmp_path, NewLayer(kind=LayerKind.FRAMEWORK, name="new", runtime="base"))
    assert "[[frameworks]]\n" in only_inserted(ONE_LAYER.format("", ""), path.read_text()) + "\n"
    assert load(path).layer("framework-new")


def test_the_first_layer_of_an_empty_table(stack: Path) -> None:
    stack.write_text("[tool.venvstacks]\n[tool.uv]\n")
    add_layer(stack, NewLayer(kind=LayerKind.RUNTIME, name="base", python="cpython@3.12"))
    assert [layer.env_name for layer in load(stack).layers] == ["base"]


def test_names_and_requirements_that_need_quoting(stack: Path) -> None:
    requirements = ("a; python_version > '3'", 'b; sys_platform == "linux"')
    layer = NewLayer(
        kind=LayerKind.FRAMEWORK,
        name="gr\u00fc\u00df @1.0",
        runtime="base",
        requirements=requirements,
    )
    add_layer(stack, layer)
    assert len(load(stack).layer("framework-gr\u00fc\u00df @1.0").requirements) == 2


MISTAKES = {
    "an unknown runtime": (["framework", "x", "--runtime", "bas"], "did you mean 'base'"),
    "a name that is taken": (["framework", "middle", "--runtime", "base"], "'middle' is taken by"),
    "nothing below": (["framework", "x"], "has neither 'runtime' nor 'frameworks'"),
    "a runtime without Python": (["runtime", "x"], "python_implementation"),
    "a Python on a framework": (
        ["framework", "x", "--runtime", "base", "--python", "cpython@3.12"],
        "python_implementation: unknown key",
    ),
    "no launch module": (["application", "x", "--runtime", "base"], "launch_module"),
    "a module that is not there": (
        ["application", "x", "--runtime", "base", "--launch-module", "gone.py"],
        "there is no 'gone.py'",
    ),
    "a platform that is none": (
        ["framework", "x", "--runtime", "base", "--platform", "linux"],
        "unknown platform 'linux'",
    ),
    "no requirement": (["framework", "x", "--runtime", "base", "-r", "?"], "is not a requirement"),
    "a name that is no directory": (["framework", "a/b", "--runtime", "base"], "must not contain"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes_are_the_parsers_and_write_nothing(stack: Path, case: str) -> None:
    arguments, message = MISTAKES[case]
    result = venvstacks("add", *arguments, cwd=stack.parent)
    assert result.returncode == SpecError.exit_code
    assert message in result.stderr
    assert stack.read_bytes() == STACK.encode()
    assert sorted(path.name for path in stack.parent.iterdir()) == ["app.py", "pyproject.toml"]


def test_all_mistakes_at_once(stack: Path) -> None:
    result = venvstacks("add", "application", "top", "--runtime", "nope", cwd=stack.parent)
    assert "2 mistakes" in result.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[project]\n", "`venvstacks init` adds a first one"),
        ("[tool.venvstacks]\nframeworks = [{name = 'x'}]\n", "cannot add to frameworks"),
        ("tool = {venvstacks = {}}\n", "cannot add to frameworks"),
        ("[tool.venvstacks]\nframeworks = 1\n", "cannot add to frameworks"),
        ("tool.venvstacks = 1\n", "cannot add to frameworks"),
    ],
)
def test_what_cannot_be_added_to(stack: Path, text: str, message: str) -> None:
    stack.write_text(text)
    with pytest.raises(SpecError, match=message):
        add_layer(stack, NewLayer(kind=LayerKind.FRAMEWORK, name="x", runtime="base"))
    assert stack.read_text() == text


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="not found"):
        add_layer(tmp_path, NewLayer(kind=LayerKind.RUNTIME, name="x"))
