"""What can be imported, told from files; and whether an application can be launched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from venvlayers.build.importable import find_module, names_bound, search_path
from venvlayers.build.launch import refuse_unlaunchable
from venvlayers.build.scheme import Scheme
from venvlayers.errors import BuildError
from venvlayers.platforms import PLATFORMS, Interpreter, PythonVersion
from venvlayers.spec.kinds import LayerKind
from venvlayers.spec.launch import entry_point
from venvlayers.spec.model import LayerSpec, SourceModule

SCHEME = Scheme(
    platform=PLATFORMS["linux_x86_64"], python=Interpreter("cpython", PythonVersion(3, 12, 1))
)

CLI = """
import sys, os.path
from json import dumps as as_text
try:
    import fast
except ImportError:
    fast = None
if sys.version_info:
    def main(): hidden = 1
class Tool:
    inside = 1
(first, [second]) = 1, [2]
"""

UPPER = {
    "app/__init__.py": "",
    "app/__main__.py": "",
    "app/cli.py": CLI,
    "no_main/__init__.py": "from .sub import *\n",
    "no_main/sub.py": "",
    "space/part/deep.py": "",
    "compiled.cpython-312-x86_64-linux-gnu.so": "",
    "more.pth": "# comment\n\nimport os; os.environ\nhidden_directory\n",
    "hidden_directory/by_pth.py": "def main(): pass\n",
}
LOWER = {
    "space/other.py": "",
    "tricky/__init__.py": "__path__ = []",
    "makes/__init__.py": "globals()['main'] = 1\n",
    "viewer-1.0.dist-info/entry_points.txt": "[console_scripts]\nlook = viewer.cli:main\n",
    "late.py": "def __getattr__(name): return print\n",
    "old.py": "print 'Python 2'\n",
}


@pytest.fixture
def environments(tmp_path: Path) -> list[Path]:
    stdlib = {"../http/__init__.py": "", "../http/server.py": "", "../only.py": ""}
    return [
        filled(tmp_path / "app-top", UPPER),
        filled(tmp_path / "framework", LOWER),
        filled(tmp_path / "base", stdlib),
    ]


def filled(env: Path, files: Mapping[str, str]) -> Path:
    for name, text in {**files, "anything.txt": ""}.items():
        file = env / SCHEME.site_packages / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return env


def refused(environments: list[Path], launch: str, **more: Any) -> tuple[str, str] | None:
    found = entry_point(launch)
    layer = LayerSpec(
        kind=LayerKind.APPLICATION,
        name="top",
        requirements=(),
        platforms=(SCHEME.platform,),
        launch=found and replace(found, scripts=("greet", "serve-it")),
        **more,
    )
    try:
        refuse_unlaunchable(layer, environments, SCHEME)
    except BuildError as error:
        return error.message, str(error.hint)
    return None


@pytest.mark.parametrize(
    "launch",
    [
        "app",
        "app.__main__",
        "app.cli",
        "app.cli:main",
        "app.cli:Tool.anything",
        "app.cli:as_text",
        "app.cli:fast",
        "app.cli:second",
        "app.cli:os.path.join",
        "app:cli.main",
        "no_main:anything",
        "space.part.deep",
        "space.other",
        "compiled:main",
        "by_pth:main",
        "tricky.anything",
        "tricky.anything:main",
        "tricky",
        "makes:main",
        "late:main",
        "old:main",
        "http.server",
        "only",
    ],
)
def test_what_is_there_or_may_be(environments: list[Path], launch: str) -> None:
    assert refused(environments, launch) is None


@pytest.mark.parametrize(
    ("launch", "what", "hint"),
    [
        ("elsewhere.cli:main", "none of its layers has the module 'elsewhere'", "add the package"),
        ("aap.cli:main", "has the module 'aap'", "did you mean 'app'?"),
        ("gret", "none of its layers has the module 'gret'", "did you mean 'greet'?"),
        ("serve_it", "has the module 'serve_it'", "did you mean 'serve-it'?"),
        ("gret:main", "has the module 'gret'", "add the package"),
        ("app.gret", "has the module 'app.gret'", "add the package"),
        ("look", "has the module 'look'", 'package: launch = "viewer.cli:main" does the same'),
        ("look:main", "has the module 'look'", "add the package"),
        ("app.cil:main", "has the module 'app.cil'", "in 'app': did you mean 'cli'?"),
        ("app.cli.deeper", "has the module 'app.cli.deeper'", "add the package"),
        ("app.cli:mian", "the module 'app.cli' has no 'mian'", "did you mean 'main'?"),
        ("app.cli:hidden", "the module 'app.cli' has no 'hidden'", "it has: Tool, as_text"),
        ("app:run", "the module 'app' has no 'run'", "it has: nothing"),
        ("no_main", "'no_main' has no __main__.py, so `python -m`", "as in 'no_main:main'"),
        ("space", "'space' has no __main__.py, so `python -m`", "name a function"),
    ],
)
def test_what_is_not(environments: list[Path], launch: str, what: str, hint: str) -> None:
    found = refused(environments, launch)
    assert found is not None
    assert found[0].startswith(f"app-top cannot launch '{launch}': ")
    assert what in found[0]
    assert hint in found[1]


def test_modules_that_are_copied_were_looked_at_before(environments: list[Path]) -> None:
    module = SourceModule(path=Path("elsewhere.py"))
    assert refused(environments, "elsewhere", launch_module=module) is None


def test_path_and_modules(environments: list[Path]) -> None:
    directories = [environment / SCHEME.site_packages for environment in environments]
    path = search_path([*directories, *directories])
    assert path == (directories[0], directories[0] / "hidden_directory", *directories[1:])
    found = find_module("space", path)
    assert getattr(found, "portions", None) == (directories[0] / "space", directories[1] / "space")
    assert names_bound(directories[1] / "old.py") is None
    assert names_bound(directories[0] / "hidden_directory" / "by_pth.py") == {"main"}
