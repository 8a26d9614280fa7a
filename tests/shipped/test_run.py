"""What runs launch modules, beside ``python -m``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import venvlayers.shipped

RUN = Path(venvlayers.shipped.__file__).parent / "run.py"
TELL = """
def tell():
    import sys
    main = sys.modules["__main__"]
    assert vars(main) is globals()
    plain = ("__name__", "__file__", "__cached__", "__doc__", "__package__")
    print(sys.argv, [globals().get(name) for name in plain])
    print(sorted(set(globals()) - {"__annotations__"}), __spec__.name, __spec__.origin)
    print(type(__loader__), __builtins__)
tell()
"""
FILES = {
    "plain.py": f"'''Documented.'''{TELL}",
    "pkg/__init__.py": "print('pkg')\n",
    "pkg/__main__.py": TELL,
    "pkg/inner.py": TELL,
    "pkg/sub/__init__.py": "",
    "pkg/sub/__main__.py": TELL,
    "spread/__main__.py": TELL,  # of a namespace package
    "spread/other/more.py": "",
    "nothing/__init__.py": "",
    "eager/__init__.py": "from eager import __main__\n",
    "eager/__main__.py": "print(__name__)\n",
    "broken/__init__.py": "import there_is_no_such_thing\n",
    "wrong.py": "def (\n",
    "raising.py": "raise SystemExit('it says')\n",
}
ORDINARY = ("plain", "pkg", "pkg.inner", "pkg.sub", "spread", "raising")
OTHERS = ("eager", "nothing", "missing", "pkg.missing", "spread.other", "math", "sys")
LEGACY = """
import sys
class Legacy:
    def find_module(self, name, path=None): return None
sys.meta_path.insert(0, Legacy())
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    (tmp_path / "_run.py").write_bytes(RUN.read_bytes())
    return tmp_path


def python(place: Path, *arguments: str) -> tuple[int, str, str]:
    environment = {**os.environ, "PYTHONPATH": str(place)}
    command = [sys.executable, *arguments, "an", "argument"]
    result = subprocess.run(
        command, cwd=place, env=environment, capture_output=True, text=True, check=False
    )
    return result.returncode, result.stdout, result.stderr


def launched(place: Path, module: str, before: str = "") -> tuple[int, str, str]:
    """Run *module* as a launcher does, and have it told whether that took `runpy`."""
    asked = "import atexit, sys\natexit.register(lambda m=sys.modules: print('runpy' in m))\n"
    launcher = place / "launcher"
    launcher.write_text(f"{before}{asked}from _run import run\nrun({module!r})\n", "utf-8")
    return python(place, str(launcher))


@pytest.mark.parametrize("module", ORDINARY)
def test_it_is_as_python_m_does_it_without_runpy(place: Path, module: str) -> None:
    status, said, wrong = python(place, "-m", module)
    assert launched(place, module) == (status, f"{said}False\n", wrong)
    assert "Traceback" not in wrong


@pytest.mark.parametrize("module", OTHERS)
def test_of_the_rest_runpy_says_what_it_says(place: Path, module: str) -> None:
    status, said, wrong = python(place, "-m", module)
    told = launched(place, module)
    assert told[:2] == (status, f"{said}True\n")
    assert told[2] == wrong


@pytest.mark.parametrize(
    ("module", "last"),
    [
        ("wrong", "SyntaxError: "),
        ("broken", "ModuleNotFoundError: No module named 'there_is_no_such_thing'"),
        ("absent.inner", "ModuleNotFoundError: No module named 'absent'"),
    ],
)
def test_mistakes_in_what_is_run_are_shown(place: Path, module: str, last: str) -> None:
    status, said, wrong = launched(place, module)
    assert (status, said) == (1, "False\n")
    assert wrong.splitlines()[-1].startswith(last)


def test_a_finder_of_old_is_left_to_runpy(place: Path) -> None:
    """Only Python before 3.12 asks those, and knows how."""
    status, said, wrong = launched(place, "plain", LEGACY)
    assert status == (sys.version_info >= (3, 12)), wrong
    assert said.endswith("True\n")
