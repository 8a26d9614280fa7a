"""Which files of launch and support modules ship, and what their digests tell apart."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from venvlayers.build.sources import AppModules, app_modules, module_files, module_hash
from venvlayers.errors import BuildError
from venvlayers.platforms import PLATFORMS
from venvlayers.spec.kinds import LayerKind
from venvlayers.spec.model import LayerSpec, SourceModule

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="there is no git")


def write(root: Path, *names: str, **texts: str) -> None:
    for name, text in (dict.fromkeys(names, "") | texts).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def shipped(module: Path) -> list[str]:
    return [place for place, _ in module_files(SourceModule(path=module))]


def checkout(root: Path) -> Path:
    (root / ".git").mkdir(parents=True)
    return root


def test_i17_outside_of_git_only_bytecode_is_left_out(tmp_path: Path) -> None:
    pkg = tmp_path / "pkg"
    write(pkg, "a.py", "a.pyc", "b.log", "__pycache__/a.cpython-312.pyc", "sub/.gitmodules")
    (pkg / ".gitignore").write_text("*.log\n")
    assert shipped(pkg) == ["pkg/a.py", "pkg/b.log"]


def test_i17_ignored_files_are_left_out(tmp_path: Path) -> None:
    """I17, #214."""
    root = checkout(tmp_path / "repo")
    write(root, "src/pkg/a.py", "src/pkg/a.log", "src/pkg/kept.log", "src/pkg/sub/b.log")
    write(root, "src/pkg/sub/deep/c.py", "src/pkg/gen/d.py", "src/pkg/data/gen/e.csv")
    (root / ".gitignore").write_text("*.log\n/src/pkg/gen/\n")
    (root / "src/pkg/.gitignore").write_text("!kept.log\n")
    (root / "src/pkg/sub/.gitignore").write_text("deep\n!b.log\n")
    expected = ["pkg/a.py", "pkg/data/gen/e.csv", "pkg/kept.log", "pkg/sub/b.log"]
    assert shipped(root / "src/pkg") == expected


@pytest.mark.parametrize("kind", ["worktree", "submodule"])
def test_i17_a_git_file_counts_as_well(tmp_path: Path, kind: str) -> None:
    """I17: worktrees and submodules have a file, not a directory."""
    outer = checkout(tmp_path / "outer")
    (outer / ".gitignore").write_text("*.csv\n")
    root = outer / "inner" if kind == "submodule" else tmp_path / "tree"
    write(root, "pkg/a.py", "pkg/a.csv", "pkg/a.log")
    (root / ".git").write_text("gitdir: elsewhere\n")
    (root / ".gitignore").write_text("*.log\n")
    assert shipped(root / "pkg") == ["pkg/a.csv", "pkg/a.py"]


def test_i17_a_checkout_inside_of_a_module_has_rules_of_its_own(tmp_path: Path) -> None:
    root = checkout(tmp_path / "repo")
    write(root, "pkg/a.py", "pkg/a.log", "pkg/vendored/b.log", "pkg/vendored/b.txt")
    (root / ".gitignore").write_text("*.log\n")
    (root / "pkg/vendored/.git").write_text("gitdir: elsewhere\n")
    (root / "pkg/vendored/.gitignore").write_text("*.txt\n")
    assert shipped(root / "pkg") == ["pkg/a.py", "pkg/vendored/b.log"]


@pytest.mark.parametrize("pattern", ["generated/", "/generated/pkg", "pkg/", "*.py", "pkg/**"])
def test_a_module_that_is_ignored_was_named_nevertheless(tmp_path: Path, pattern: str) -> None:
    root = checkout(tmp_path / "repo")
    write(root, "generated/pkg/a.py", "generated/single.py")
    (root / ".gitignore").write_text(f"{pattern}\n")
    if pattern not in ("*.py", "pkg/**"):
        assert shipped(root / "generated/pkg") == ["pkg/a.py"]
    assert shipped(root / "generated/single.py") == ["single.py"]


def test_lines_that_are_no_patterns_are_passed_over(tmp_path: Path) -> None:
    root = checkout(tmp_path / "repo")
    write(root, "pkg/a.py", "pkg/a.log", "pkg/kept.txt")
    (root / ".gitignore").write_bytes(b"!\n\\\n# no\n\xff\xfe\n*.log\n")
    (root / "pkg/.gitignore").mkdir()
    assert shipped(root / "pkg") == ["pkg/a.py", "pkg/kept.txt"]


NAMES = ("a", "b", "c.log", "d.txt", "gen", "keep")
PATTERNS = ("*.log", "gen", "gen/", "/a", "a/b", "**/b", "!keep", "!*.log", "a/**", "[ab]", "d.*")


@needs_git
def test_i17_the_same_files_as_git_on_random_trees(tmp_path: Path) -> None:
    generator = random.Random(11)
    environment = {"PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1", "HOME": str(tmp_path)}
    for number in range(25):
        root = tmp_path / str(number)
        pkg = root / "pkg"
        write(pkg, "always.py")
        for _ in range(25):
            parts = generator.choices(NAMES, k=generator.randint(1, 4))
            place = pkg.joinpath(*parts)
            if not place.exists() and not any(p.is_file() for p in place.parents):
                write(place.parent, place.name)
        folders = [root, *(path for path in pkg.rglob("*") if path.is_dir())]
        for folder in generator.sample(folders, min(3, len(folders))):
            lines = generator.choices(PATTERNS, k=3)
            (folder / ".gitignore").write_text("\n".join(lines) + "\n")
        git = ["git", "-C", str(root)]
        subprocess.run([*git, "init", "-q"], check=True, env=environment)
        ls_files = [*git, "ls-files", "--others", "--exclude-standard", "--", "pkg"]
        listed = subprocess.run(
            ls_files, check=True, env=environment, capture_output=True, text=True
        ).stdout.split()
        expected = sorted(name for name in listed if not name.endswith(".gitignore"))
        assert sorted(shipped(pkg)) == expected


def layer(*paths: Path) -> LayerSpec:
    launch, *support = (SourceModule(path=path) for path in paths)
    return LayerSpec(
        kind=LayerKind.APPLICATION,
        name="main",
        requirements=(),
        platforms=tuple(PLATFORMS.values()),
        launch_module=launch,
        support_modules=tuple(support),
    )


def test_the_digest_of_all_modules_covers_each_of_them(tmp_path: Path) -> None:
    """C7, I17: what is ignored does not count, what ships does."""
    root = checkout(tmp_path)
    write(root, "main.py", "helpers/__init__.py", "helpers/b.log")
    (root / ".gitignore").write_text("*.log\n")
    application = layer(root / "main.py", root / "helpers")
    before = app_modules(application)
    assert before is not None
    assert before.support == {"helpers": module_hash(SourceModule(path=root / "helpers"))}
    write(root, **{"helpers/b.log": "more"})
    assert app_modules(application) == before
    write(root, **{"helpers/c.py": ""})
    after = app_modules(application)
    assert after is not None
    assert after.launch == before.launch
    assert after.all != before.all != before.launch


def test_without_support_modules_the_launch_modules_digest_stands_for_all() -> None:
    assert AppModules(launch="sha256:1").all == "sha256:1"


def test_a_support_module_that_is_gone(tmp_path: Path) -> None:
    write(tmp_path, "main.py")
    with pytest.raises(BuildError, match=r"the module .*gone\.py cannot be read"):
        app_modules(layer(tmp_path / "main.py", tmp_path / "gone.py"))
