"""What a wheel's metadata tells of layers."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.specs import RUNTIME, application, framework
from venvlayers.errors import SpecError
from venvlayers.project.model import ProjectWheel
from venvlayers.project.needs import with_wheel
from venvlayers.spec.model import StackSpec
from venvlayers.spec.parse import load

REQUIRES = (
    "plain>=1",
    "windows ; sys_platform == 'win32'",
    "a ; extra == 'A.B'",
    "b ; python_version >= '3.9' and extra == 'a-b'",
    "c ; (sys_platform == 'linux' or os_name == 'nt') and extra == \"c\"",
    "either ; extra == 'a-b' or extra == 'c'",
    "My_Project[a.b] ; extra == 'all'",
)


def wheel(*requires: str, extras: tuple[str, ...] = ("a-b", "all", "c")) -> ProjectWheel:
    return ProjectWheel(
        path=Path("my_project-1.0-py3-none-any.whl"),
        name="my-project",
        version="1.0",
        sha256="",
        content_hash="",
        code_hash="sha256:code",
        requires=requires,
        extras=extras,
    )


def stack(root: Path, *layers: str) -> StackSpec:
    (root / "main.py").touch()
    tables = (table.replace("[[", "[[tool.venvstacks.") for table in (RUNTIME, *layers))
    head = '[project]\nname = "My.Project"\nversion = "1"\n'
    dynamic = 'dynamic = ["dependencies", "optional-dependencies"]\n'
    (root / "pyproject.toml").write_text(f"{head}{dynamic}{''.join(tables)}")
    return load(root)


@pytest.mark.parametrize(
    ("extras", "expected"),
    [
        ("", ("plain>=1", 'windows; sys_platform == "win32"')),
        (
            '"a-b"',
            ("plain>=1", 'windows; sys_platform == "win32"', "a", 'b; python_version >= "3.9"'),
        ),
        (
            '"all"',
            ("plain>=1", 'windows; sys_platform == "win32"', "a", 'b; python_version >= "3.9"'),
        ),
        (
            '"c"',
            (
                "plain>=1",
                'windows; sys_platform == "win32"',
                'c; sys_platform == "linux" or os_name == "nt"',
            ),
        ),
    ],
)
def test_requirements_without_their_extras(
    tmp_path: Path, extras: str, expected: tuple[str, ...]
) -> None:
    spec = stack(tmp_path, framework("f", f"project = {{ extras = [{extras}] }}"))
    assert spec.layer("framework-f").lock_needs_wheel
    told = with_wheel(spec, wheel(*REQUIRES[:5], REQUIRES[6])).layer("framework-f")
    assert told.requirements == expected
    assert not told.lock_needs_wheel
    assert told.project is not None
    assert told.project.code_hash is None


def test_an_extra_among_others(tmp_path: Path) -> None:
    spec = stack(tmp_path, framework("f", 'project = { extras = ["c"] }'))
    (found,) = with_wheel(spec, wheel(REQUIRES[5])).layer("framework-f").requirements
    assert found == 'either; python_version < "0" or python_version >= "0"'


def test_what_holds_without_an_extra_too(tmp_path: Path) -> None:
    """A condition beside the extra, and an extra that is written behind its name."""
    spec = stack(tmp_path, framework("f", "project = true"))
    requires = (
        "either ; extra == 'c' or sys_platform == 'win32'",
        "not-wanted ; 'c' == extra and sys_platform not in 'win32'",
        "neither ; (extra == 'c' or extra == 'a-b') and (os_name == 'nt' or os_name == 'posix')",
    )
    found = with_wheel(spec, wheel(*requires)).layer("framework-f").requirements
    assert found == ('either; python_version < "0" or sys_platform == "win32"',)
    spec = stack(tmp_path, framework("f", 'project = { extras = ["c"] }'))
    found = with_wheel(spec, wheel(requires[1])).layer("framework-f").requirements
    assert found == ('not-wanted; python_version >= "0" and sys_platform not in "win32"',)


def test_what_it_tells_of_a_versioned_layer(tmp_path: Path) -> None:
    above = application("top", "project = true", "versioned = true", on='frameworks = ["f"]')
    spec = stack(tmp_path, framework("f", "project = true", "versioned = true"), above)
    told = with_wheel(spec, wheel())
    assert told.layer("framework-f").project.code_hash == "sha256:code"  # type: ignore[union-attr]
    assert told.layer("app-top").project.code_hash is None  # type: ignore[union-attr]
    assert not any(layer.lock_needs_wheel for layer in told.layers)
    assert told.layer("base") == spec.layer("base")


def test_an_extra_that_there_is_not(tmp_path: Path) -> None:
    spec = stack(tmp_path, framework("f", 'project = { extras = ["nil"] }'))
    message = r"framework-f: project.extras: .* makes no extra 'nil' \(it has: nothing\)"
    with pytest.raises(SpecError, match=message):
        with_wheel(spec, wheel(extras=()))
