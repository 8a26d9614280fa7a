"""The documented interface for Python: the page about it is a program that runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.deployments import Deployment
from support.projects import Project
from venvlayers import api, errors

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="local runtimes are for Linux")

PAGE = Path(__file__).parent.parent / "docs" / "how-to" / "use-from-python.md"


def test_the_page_about_it_is_a_program(published_project: Project) -> None:
    """A8, N3, N4, N6."""
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    program = published_project.write("program.py", "\n".join(blocks))
    result = subprocess.run(
        [sys.executable, program],
        cwd=published_project.root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert "['base', 'framework-middle', 'app-top']" in result.stdout
    assert "runtimes[0]: has no 'requirements', which is required" in result.stdout
    assert "publish app-top yes" in result.stdout
    assert "app-top app-top.tar.zst sha256:" in result.stdout
    deployment = Deployment(published_project.root / "deployed")
    assert deployment.python("app-top", "-m", "top").stdout == "versions: 1.0 1.0 1.0\n"


def test_everything_that_stays_is_in_one_place() -> None:
    """N3 N7: sorted, each name once, and every kind of failure among them."""
    assert api.__all__ == sorted(set(api.__all__))
    assert all(hasattr(api, name) for name in api.__all__)
    own = [value for value in vars(errors).values() if isinstance(value, type)]
    failures = {value.__name__ for value in own if value.__module__ == errors.__name__}
    assert failures <= set(api.__all__)
