"""Files land where the target's Python looks, whichever Python ran uv."""

from __future__ import annotations

import pytest

from venvlayers.build.scheme import Scheme
from venvlayers.platforms import PLATFORMS, Interpreter, PythonVersion

PYTHON = Interpreter("cpython", PythonVersion(3, 12, 1))
LINUX = Scheme(platform=PLATFORMS["linux_x86_64"], python=PYTHON)
WINDOWS = Scheme(platform=PLATFORMS["win_amd64"], python=PYTHON)


@pytest.mark.parametrize(
    "host",
    [
        "lib/python3.11/site-packages",
        "lib64/python3.11/site-packages",
        "local/lib/python3.11/dist-packages",
        "lib/python3.13t/site-packages",
        "Lib/site-packages",
    ],
)
def test_modules(host: str) -> None:
    assert LINUX.place(f"{host}/a/b.py") == "lib/python3.12/site-packages/a/b.py"
    assert WINDOWS.place(f"{host}/a/b.py") == "Lib/site-packages/a/b.py"


@pytest.mark.parametrize("host", ["bin", "Scripts", "local/bin"])
def test_scripts(host: str) -> None:
    assert LINUX.place(f"{host}/tool") == "bin/tool"
    assert WINDOWS.place(f"{host}/tool") == "Scripts/tool"


def test_headers_and_data() -> None:
    header = "include/site/python3.11/greenlet/greenlet.h"
    assert LINUX.place(header) == "include/site/python3.12/greenlet/greenlet.h"
    assert LINUX.place("share/jupyter/kernel.json") == "share/jupyter/kernel.json"
    assert LINUX.place("lib/python3.11/other") == "lib/python3.11/other"


def test_records_are_relative_to_site_packages() -> None:
    assert LINUX.recorded("bin/tool") == "../../../bin/tool"
    assert WINDOWS.recorded("Scripts/tool.exe") == "../../Scripts/tool.exe"
    assert LINUX.from_record("../../../bin/tool") == "bin/tool"
    assert LINUX.from_record("a\\b.py") == "lib/python3.12/site-packages/a/b.py"
