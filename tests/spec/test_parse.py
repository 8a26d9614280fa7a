"""What a specification may say, and that every mistake in it is reported at once."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from venvlayers.errors import SpecError
from venvlayers.platforms import PLATFORMS
from venvlayers.spec.kinds import LayerKind
from venvlayers.spec.model import RuntimeSourceChoice, StackSpec
from venvlayers.spec.parse import load

GOOD = """
[tool.venvstacks]
runtime-source = "local"

[[tool.venvstacks.runtimes]]
name = "base"
python_implementation = "cpython@3.12"
requirements = ["numpy"]

[[tool.venvstacks.frameworks]]
name = "left"
runtime = "base"
requirements = ["Left >= 1"]

[[tool.venvstacks.frameworks]]
name = "right"
runtime = "base"
requirements = []

[[tool.venvstacks.frameworks]]
name = "both"
frameworks = ["left", "right"]
requirements = []
platforms = ["linux_x86_64", "win_amd64"]

[[tool.venvstacks.applications]]
name = "main"
frameworks = ["both"]
launch_module = "main.py"
requirements = []
"""


def write(root: Path, text: str) -> Path:
    (root / "main.py").touch()
    file = root / "pyproject.toml"
    file.write_text(dedent(text), "utf-8")
    return file


def mistakes(root: Path, text: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        load(write(root, text))
    return [str(problem) for problem in caught.value.problems]


def stack(root: Path, text: str) -> StackSpec:
    return load(write(root, text))


def changed(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


def test_layers_come_in_build_order_with_their_lower_layers(tmp_path: Path) -> None:
    spec = stack(tmp_path, GOOD)
    assert [layer.env_name for layer in spec.layers] == [
        "base",
        "framework-left",
        "framework-right",
        "framework-both",
        "app-main",
    ]
    main = spec.layer("app-main")
    assert main.lower == ("framework-both", "framework-left", "framework-right", "base")
    assert main.runtime_name == "base"
    assert main.kind is LayerKind.APPLICATION
    assert spec.layer("base").runtime_name == "base"
    assert spec.layer("framework-left").requirements == ("Left>=1",)
    assert spec.options.runtime_source is RuntimeSourceChoice.LOCAL
    assert spec.root == tmp_path


def test_platforms_are_inherited_from_below(tmp_path: Path) -> None:
    spec = stack(tmp_path, GOOD)
    assert spec.layer("base").platforms == tuple(PLATFORMS.values())
    assert [str(platform) for platform in spec.layer("app-main").platforms] == [
        "linux_x86_64",
        "win_amd64",
    ]


def test_stack_platforms_are_the_default(tmp_path: Path) -> None:
    spec = stack(
        tmp_path,
        changed("runtime-source", 'platforms = ["linux_x86_64", "win_amd64"]\nruntime-source'),
    )
    assert [str(platform) for platform in spec.layer("base").platforms] == [
        "linux_x86_64",
        "win_amd64",
    ]


def test_no_platforms_disable_a_layer_and_what_stands_on_it(tmp_path: Path) -> None:
    text = changed('platforms = ["linux_x86_64", "win_amd64"]', "platforms = []")
    names = [layer.env_name for layer in stack(tmp_path, text).layers]
    assert names == ["base", "framework-left", "framework-right"]


def test_x22_the_launch_module_of_a_disabled_layer_may_be_missing(tmp_path: Path) -> None:
    """#204."""
    text = changed('"main.py"', '"missing.py"\nplatforms = []')
    assert "app-main" not in [layer.env_name for layer in stack(tmp_path, text).layers]


def test_older_spelling_of_the_python_is_understood_with_a_warning(tmp_path: Path) -> None:
    text = changed("python_implementation", "fully_versioned_name")
    spec = stack(tmp_path, text)
    assert str(spec.layer("base").python) == "cpython@3.12"
    (warning,) = map(str, spec.warnings)
    assert "fully_versioned_name: is deprecated (call it 'python_implementation')" in warning


def test_keys_may_have_hyphens(tmp_path: Path) -> None:
    text = changed("launch_module", "launch-module")
    launch = stack(tmp_path, text).layer("app-main").launch_module
    assert launch is not None
    assert launch.name == "main"


def test_venvstacks_toml_has_the_same_tables_at_its_top_level(tmp_path: Path) -> None:
    (tmp_path / "main.py").touch()
    text = GOOD.replace("[tool.venvstacks]\n", "").replace("tool.venvstacks.", "")
    (tmp_path / "venvstacks.toml").write_text(text + "\n[other]\nkey = 1\n", "utf-8")
    assert len(load(tmp_path).layers) == 5


def test_uv_settings_of_the_same_file_are_kept(tmp_path: Path) -> None:
    spec = stack(tmp_path, GOOD + '\n[tool.uv]\nprerelease = "allow"\n')
    assert spec.uv_settings == {"prerelease": "allow"}


def test_every_mistake_is_reported_with_its_path(tmp_path: Path) -> None:
    """X15 X32: no traceback, no half-understood string."""
    found = mistakes(
        tmp_path,
        """
        [tool.venvstacks]
        runtime-sorce = "auto"

        [[tool.venvstacks.runtimes]]
        name = "base"
        python_implementation = "cpython@3.12"
        requirements = "httpx"

        [[tool.venvstacks.runtimes]]
        name = "other"
        python_implementation = "cpyton@3.12"
        requirements = ["numpy=>1"]

        [[tool.venvstacks.framewroks]]
        name = "ignored"

        [[tool.venvstacks.frameworks]]
        name = "middle"
        runtime = "bsae"
        requirements = [1]

        [[tool.venvstacks.applications]]
        name = "main"
        launch_modul = "main.py"
        requirements = []
        """,
    )
    expected = """
        runtime-sorce: unknown key (did you mean 'runtime_source'?)
        framewroks: unknown key (did you mean 'frameworks'?)
        runtimes[0].requirements: must be an array of strings, not a string (write ["httpx"])
        runtimes[1].requirements[0]: 'numpy=>1' is not a requirement: Expected semicolon
        runtimes[1].python_implementation: unknown Python implementation 'cpyton'
        frameworks[0].requirements[0]: must be a string, not an integer
        frameworks[0].runtime: no runtime 'bsae' is declared above (did you mean 'base'?)
        applications[0].launch_modul: unknown key (did you mean 'launch_module'?)
        applications[0]: has neither 'runtime' nor 'frameworks'
        applications[0]: has neither 'launch' nor 'launch_module'; one of them is required
    """
    lines = [f"tool.venvstacks.{line.strip()}" for line in expected.strip().splitlines()]
    assert len(found) == len(lines), found
    assert [line[: len(start)] for line, start in zip(found, lines, strict=True)] == lines


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('name = "left"', 'name = "a/b"', "'a/b' must not contain /"),
        ('name = "left"', 'name = "a\\\\b"', "must not contain \\"),
        ('name = "left"', 'name = ".."', "must not begin with '.'"),
        ('name = "left"', 'name = "a\\u0007"', "must not contain control characters"),
        ('name = "left"', 'name = ""', "must not be empty"),
        ('name = "left"', 'name = "NUL"', "is the name of a device on Windows"),
        ('name = "left"', f'name = "{"x" * 101}"', "must not be longer than 100"),
        ('name = "left"', "name = 5", "must be a string, not an integer"),
        ('name = "base"', 'name = "app-x"', "must not begin with 'app-'"),
        ('name = "base"', 'name = "framework-x"', "must not begin with 'framework-'"),
        ('name = "base"', 'name = "__venvstacks__"', "is reserved"),
        ('name = "right"', 'name = "LEFT"', "'LEFT' is taken by tool.venvstacks.frameworks[0]"),
        ('python_implementation = "cpython@3.12"', "", "has no 'python_implementation'"),
        ('"cpython@3.12"', '"cpython"', "'cpython' has no Python version"),
        ('"cpython@3.12"', '"cpython@3.x"', "has no Python version"),
        ('"cpython@3.12"', '"pypi@3.10"', "did you mean 'pypy'?"),
        (
            'python_implementation = "cpython@3.12"',
            'python_implementation = "cpython@3.12"\nfully_versioned_name = "cpython@3.12.1"',
            "give one of them",
        ),
        ('requirements = ["numpy"]', "", "has no 'requirements'"),
        (
            'requirements = ["numpy"]',
            "requirements = {}",
            "must be an array of strings, not a table",
        ),
        ('runtime = "base"\nrequirements = []', "requirements = []", "has neither 'runtime' nor"),
        ('frameworks = ["both"]', 'frameworks = ["both"]\nruntime = "base"', "has both"),
        (
            'frameworks = ["both"]',
            'frameworks = ["later"]',
            "no framework 'later' is declared above",
        ),
        ('frameworks = ["both"]', "frameworks = []", "must name at least one framework"),
        ('frameworks = ["both"]', "frameworks = [{}]", "frameworks[0]: must be a string"),
        ('"local"', '"magic"', "must be one of 'auto', 'managed', 'local'"),
        ('"local"', "true", "must be a string, not a boolean"),
        ('["linux_x86_64", "win_amd64"]', '["linux_x86"]', "unknown platform 'linux_x86'"),
        ('launch_module = "main.py"', 'launch_module = "gone.py"', "there is no 'gone.py'"),
        ('"main.py"', '"../main.py"', "must be a path inside the project"),
        ('"main.py"', '"/main.py"', "must be a path inside the project"),
        ('"main.py"', '"pyproject.toml"', "must be a .py file or a package directory"),
    ],
)
def test_each_mistake_has_a_message(tmp_path: Path, old: str, new: str, expected: str) -> None:
    found = mistakes(tmp_path, changed(old, new))  # and what follows from it
    assert any(expected in problem for problem in found), found


def test_forward_references_are_not_followed(tmp_path: Path) -> None:
    """X36: the message says what to do, not only that a name is unknown."""
    both = GOOD[GOOD.index('[[tool.venvstacks.frameworks]]\nname = "both"') :]
    both = both[: both.index("[[tool.venvstacks.applications]]")]
    first = GOOD.index("[[tool.venvstacks.frameworks]]")
    text = GOOD.replace(both, "")
    found = mistakes(tmp_path, text[:first] + both + text[first:])
    assert len(found) == 2
    assert "declare it before the layers that use it" in found[0]


def test_platforms_that_a_lower_layer_lacks_are_named(tmp_path: Path) -> None:
    text = changed(
        'launch_module = "main.py"', 'launch_module = "main.py"\nplatforms = ["macosx_arm64"]'
    )
    assert mistakes(tmp_path, text) == [
        "tool.venvstacks.applications[0].platforms: a layer below is not made for macosx_arm64"
    ]


def test_frameworks_on_different_runtimes_are_refused(tmp_path: Path) -> None:
    second = """
[[tool.venvstacks.runtimes]]
name = "second"
python_implementation = "cpython@3.13"
requirements = []
"""
    text = changed('name = "right"\nruntime = "base"', 'name = "right"\nruntime = "second"')
    (found,) = mistakes(
        tmp_path,
        text.replace(
            "[[tool.venvstacks.frameworks]]", second + "[[tool.venvstacks.frameworks]]", 1
        ),
    )
    assert "framework-left on base, framework-right on second" in found


def test_an_impossible_order_names_what_contradicts(tmp_path: Path) -> None:
    reverse = """
[[tool.venvstacks.frameworks]]
name = "reverse"
frameworks = ["right", "left"]
requirements = []
"""
    text = changed(
        "[[tool.venvstacks.applications]]", reverse + "\n[[tool.venvstacks.applications]]"
    )
    (found,) = mistakes(
        tmp_path, text.replace('frameworks = ["both"]', 'frameworks = ["both", "reverse"]')
    )
    assert "framework-left before framework-right" in found
    assert "framework-right before framework-left" in found


def test_x26_links_that_lead_out_of_the_project_are_refused(tmp_path: Path) -> None:
    outside = tmp_path / "outside.py"
    outside.touch()
    project = tmp_path / "project"
    (project / "pkg").mkdir(parents=True)
    (project / "pkg" / "__main__.py").touch()
    (project / "pkg" / "stray.py").symlink_to(outside)
    (project / "link.py").symlink_to(outside)
    assert "leads out of the project" in mistakes(project, changed('"main.py"', '"link.py"'))[0]
    (found,) = mistakes(project, changed('"main.py"', '"pkg"'))
    assert str(Path("pkg", "stray.py")) in found


def test_modules_that_python_could_not_run_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "my.app.py").touch()
    assert "has no __main__.py" in mistakes(tmp_path, changed('"main.py"', '"empty"'))[0]
    assert "because of its dot" in mistakes(tmp_path, changed('"main.py"', '"my.app.py"'))[0]
    assert "not the project itself" in mistakes(tmp_path, changed('"main.py"', '"."'))[0]


def test_requirements_by_address_must_be_wheels(tmp_path: Path) -> None:
    wheel = "numpy @ https://example.org/numpy-1-py3-none-any.whl#sha256=00"
    spec = stack(tmp_path, changed('["numpy"]', f'["{wheel}"]'))
    assert spec.layer("base").requirements == (wheel,)
    source = "numpy @ https://example.org/numpy-1.tar.gz"
    assert "is not a wheel" in mistakes(tmp_path, changed('["numpy"]', f'["{source}"]'))[0]


def test_two_specifications_in_one_directory(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    (tmp_path / "venvstacks.toml").touch()
    with pytest.raises(SpecError, match=r"so does the venvstacks\.toml beside it"):
        load(tmp_path)
    assert load(tmp_path / "pyproject.toml").layers


def test_a_module_that_the_standard_library_would_hide_is_refused(tmp_path: Path) -> None:
    (tmp_path / "json.py").touch()
    assert "would be hidden" in mistakes(tmp_path, changed('"main.py"', '"json.py"'))[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[tool.venvstacks", "not TOML"),
        ("[tool.other]\n", "there is no such table"),
        ("[tool.venvstack]\n", "is [tool.venvstack] it?"),
        ("[tool]\nvenvstacks = 3\n", "must be a table, not an integer"),
        ("[tool.venvstacks]\n", "declares no layers"),
        ("[tool.venvstacks]\nruntimes = {name = 'x'}\n", "write [[tool.venvstacks.runtimes]]"),
        ("[tool.venvstacks]\nruntimes = 3\n", "must be an array of tables, not an integer"),
        ("[tool.venvstacks]\nruntimes = [3]\n", "runtimes[0]: must be a table"),
        ("[tool.venvstacks]\nruntime-source='auto'\nruntime_source='auto'\n", "is the same key as"),
    ],
)
def test_unusable_files(tmp_path: Path, text: str, expected: str) -> None:
    assert any(expected in problem for problem in mistakes(tmp_path, text))


def test_misspelt_tables_of_a_venvstacks_toml(tmp_path: Path) -> None:
    file = tmp_path / "venvstacks.toml"
    file.write_text("[[framewroks]]\nname = 'x'\n", "utf-8")
    with pytest.raises(SpecError, match="did you mean 'frameworks'"):
        load(file)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="not found"):
        load(tmp_path)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SpecError, match="cannot be read"):
        load(tmp_path / "file" / "pyproject.toml")


def test_unknown_layers_are_a_key_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        stack(tmp_path, GOOD).layer("app-other")
