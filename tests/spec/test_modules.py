"""Launch and support modules, as they are declared and as they are on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.specs import RUNTIME, application, mistake, mistakes, stack


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Give a project's directory with modules in it and beside it."""
    root = tmp_path / "project"
    names = (
        "b.py",
        "a/__init__.py",
        "a/b.py",
        "README.md",
        "json.py",
        "x.y.py",
        "main/__main__.py",
    )
    for name in (*names, "../shared/help.py", "sitecustomize.py", "_venvstacks_run.py"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def test_c7_support_modules_are_sorted_by_name(root: Path) -> None:
    """C7: files and packages, also from elsewhere than the project."""
    line = 'support_modules = ["../shared/help.py", "b.py", "a", "../shared"]'
    application_layer = stack(root, RUNTIME, application("x", line)).layer("app-x")
    assert [module.name for module in application_layer.support_modules] == [
        "a",
        "b",
        "help",
        "shared",
    ]
    assert application_layer.support_modules[2].path == root.parent / "shared" / "help.py"
    assert application_layer.modules[0].name == "main"


def test_c7_support_modules_in_the_users_directory(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C7, A4."""
    monkeypatch.setenv("HOME", str(root.parent))
    line = 'support_modules = ["~/shared"]'
    (module,) = stack(root, RUNTIME, application("x", line)).layer("app-x").support_modules
    assert module.path == root.parent / "shared"


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ("README.md", "must be a .py file or a package directory, not 'README.md'"),
        ("json.py", "would be hidden by the standard library's module 'json'"),
        ("x.y.py", "'x.y' cannot be the name of a module, because of its dot"),
        ("sitecustomize.py", "has the name of the module that puts the layers below onto"),
        ("_venvstacks_run.py", "has the name of the module that runs launch modules"),
        (".", "must be a module of the project, not the project itself"),
        ("", "must not be empty"),
    ],
)
def test_c7_support_modules_that_cannot_be(root: Path, declared: str, said: str) -> None:
    """C7."""
    found = mistake(root, RUNTIME, application("x", f'support_modules = ["{declared}"]'))
    assert found.startswith(f"applications[0].support_modules[0]: {said}")


def test_c8_every_clash_of_names_is_reported(root: Path) -> None:
    """C8: also of names that only some file systems tell apart."""
    (root / "B").mkdir()
    line = 'support_modules = ["a/b.py", "main", "b.py", "B"]'
    found = mistakes(root, RUNTIME, application("x", line))
    assert [problem.partition(" (")[0] for problem in found] == [
        (
            "applications[0].support_modules[1]: 'main' would be imported as 'main', as the launch "
            "module is"
        ),
        (
            "applications[0].support_modules[2]: 'b.py' would be imported as 'b', as "
            "support_modules[0] is"
        ),
        (
            "applications[0].support_modules[3]: 'B' would be imported as 'B', as "
            "support_modules[0] is"
        ),
    ]


def test_x22_modules_of_a_disabled_layer_may_be_missing(root: Path) -> None:
    """X22: those of a layer for another platform may not; what is locked here can be built."""
    lines = ('launch_module = "gone.py"', 'support_modules = ["lost.py"]')
    disabled = application("x", *lines, "platforms = []")
    assert [layer.env_name for layer in stack(root, RUNTIME, disabled).layers] == ["base"]
    found = mistakes(root, RUNTIME, application("x", *lines, 'platforms = ["win_arm64"]'))
    assert [problem.partition(" in ")[0] for problem in found] == [
        "applications[0].launch_module: there is no 'gone.py'",
        "applications[0].support_modules[0]: there is no 'lost.py'",
    ]


def test_x26_links_in_support_modules_stay_in_their_place(root: Path) -> None:
    """X26: a support module may be outside, but nothing may lead further."""
    outside = root.parent / "outside.py"
    outside.touch()
    (root / "a" / "stray.py").symlink_to(outside)
    (root.parent / "shared" / "fine.py").symlink_to("help.py")
    (root.parent / "shared" / "worse.py").symlink_to("/etc/hostname")
    line = 'support_modules = ["a", "../shared"]'
    found = mistakes(root, RUNTIME, application("x", line))
    assert len(found) == 2
    assert found[0].startswith(f"applications[0].support_modules[0]: '{Path('a', 'stray.py')}' is")
    assert str(Path("shared", "worse.py")) in found[1]


@pytest.mark.parametrize("declared", ["../shared/help.py", "~/help.py", "/help.py", ""])
def test_x26_a_launch_module_is_in_the_project(root: Path, declared: str) -> None:
    """C6, X26."""
    found = mistake(root, RUNTIME, application("x", f'launch_module = "{declared}"'))
    expected = f"must be a path inside the project, not {declared!r}"
    assert found == f"applications[0].launch_module: {expected}"


def test_x26_i17_links_in_what_does_not_ship_lead_where_they_like(root: Path) -> None:
    """X26, I17: a virtual environment in the package, say; what is linked to is looked into."""
    (root / ".git").mkdir()
    (root / ".gitignore").write_text("venv/\n")
    (root / "a" / "venv").mkdir()
    (root / "a" / "venv" / "python").symlink_to("/usr/bin/env")
    (root / "a" / "__pycache__").symlink_to("/tmp")
    (root / "a" / "itself").symlink_to(".")
    lines = 'support_modules = ["a"]'
    assert stack(root, RUNTIME, application("x", lines)).layers
    (root / "c").mkdir()
    (root / "a" / "c").symlink_to("../c")
    (root / "c" / "stray.py").symlink_to("/etc/hostname")
    found = mistake(root, RUNTIME, application("x", lines))
    assert found.endswith(f"'{Path('a', 'c', 'stray.py')}' is a link that leads out of the project")
