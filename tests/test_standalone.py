"""A ``venvstacks.toml`` as users of venvstacks have it, taken to an export that runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import tomli_w

from support.command import venvstacks
from support.index import Index
from support.projects import RUNNING_PYTHON

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="local runtimes are for Linux")

SPECIFICATION = f"""
runtime_source = "local"

[[applications]]
name = "report"
launch_module = "launch/report"
support_modules = ["../common/naming.py", "helpers"]
frameworks = ["numbers"]
requirements = []
build_requirements = []

[[frameworks]]
name = "numbers"
runtime = "python"
requirements = ["Fast_Numbers"]
package_indexes = {{ "fast.numbers" = "second" }}
versioned = true

[[runtimes]]
name = "python"
fully_versioned_name = "{RUNNING_PYTHON}"
requirements = []
platforms = ["linux_x86_64", "linux_aarch64"]
linux_target = "glibc@2.34"

[tool.other]
nobody = "minds"
"""

MODULES = {
    "launch/report/__main__.py": (
        "import fast_numbers, helpers.text, naming\n"
        "print(naming.NAME, helpers.text.NAME, fast_numbers.__version__)\n"
    ),
    "launch/report/notes.tmp": "not to be shipped",
    "../common/naming.py": "NAME = 'naming'\n",
    "helpers/text.py": "NAME = 'text'\n",
    "../.gitignore": "*.tmp\n",
    "../.git": "gitdir: elsewhere\n",
}


@pytest.fixture
def stack(tmp_path: Path, index: Index) -> Path:
    """Give the directory of a stack, in a worktree of git."""
    root = tmp_path / "repo" / "stack"
    for name, text in {"venvstacks.toml": SPECIFICATION, **MODULES}.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    index.add("fast-numbers", "9.0")
    return root


def test_a_standalone_stack_is_exported_and_runs(stack: Path, index: Index, tmp_path: Path) -> None:
    """E2 B10 C7 C9 C10 I17: the package comes from the index that the layer names."""
    with Index(tmp_path / "second") as second:
        second.add("fast-numbers", "1.0")
        indexes = [
            *index.uv_table()["index"],
            {"name": "second", "url": second.url, "explicit": True},
        ]
        settings = tomli_w.dumps({**index.uv_table(), "index": indexes})
        (stack / "venvstacks.uv.toml").write_text(settings, "utf-8")
        locked = venvstacks("lock", cwd=stack, check=True)
        venvstacks("local-export", "venvstacks.toml", cwd=stack, check=True)
    assert "warning: runtimes[0].fully_versioned_name: is deprecated" in locked.stderr
    assert "warning: applications[0].build_requirements: is deprecated" in locked.stderr
    app = stack / "_export" / "app-report"
    command = [app / "bin" / "python", "-m", "report"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    assert shown.stdout == "naming text 1.0\n"
    assert list(app.rglob("__main__.py"))
    assert not list(app.rglob("*.tmp"))
    assert (stack / "_export" / "framework-numbers@1").is_dir()
    (file,) = (stack / "_export" / "__venvstacks__" / "env_metadata").glob("app-report*.json")
    described = json.loads(file.read_text("utf-8"))["app_support_modules"]
    assert [module["name"] for module in described] == ["helpers", "naming"]
