"""Specifications of a test's own: read, or refused with their mistakes."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from venvlayers.errors import SpecError
from venvlayers.spec.model import StackSpec
from venvlayers.spec.parse import load

RUNTIME = """
[[runtimes]]
name = "base"
python_implementation = "cpython@3.12"
requirements = []
"""

INDEXES = """
[[tool.uv.index]]
name = "cpu"
url = "https://example.org/cpu"

[[tool.uv.index]]
name = "gpu"
url = "https://example.org/gpu"
explicit = true
"""
"""Two indexes that layers can name."""


def framework(name: str, *lines: str, on: str = 'runtime = "base"') -> str:
    """Return a framework's table."""
    return _table("frameworks", name, on, *lines)


def application(name: str, *lines: str, on: str = 'runtime = "base"') -> str:
    """Return an application's table; it is started by ``main.py``."""
    started = any(line.startswith("launch") for line in lines)
    return _table("applications", name, on, *lines, "" if started else 'launch_module = "main.py"')


def _table(kind: str, name: str, *lines: str) -> str:
    return "\n".join([f"[[{kind}]]", f'name = "{name}"', "requirements = []", *lines, ""])


def write_standalone(root: Path, *parts: str) -> Path:
    """Write a ``venvstacks.toml`` and the module that its applications start."""
    (root / "main.py").touch()
    file = root / "venvstacks.toml"
    file.write_text("\n".join(dedent(part) for part in parts), "utf-8")
    return file


def stack(root: Path, *parts: str) -> StackSpec:
    """Read a ``venvstacks.toml`` made of these parts."""
    return load(write_standalone(root, *parts))


def mistakes(root: Path, *parts: str) -> list[str]:
    """Return the mistakes in a ``venvstacks.toml`` made of these parts."""
    with pytest.raises(SpecError) as caught:
        load(write_standalone(root, *parts))
    return [str(problem) for problem in caught.value.problems]


def mistake(root: Path, *parts: str) -> str:
    """Return the only mistake in a ``venvstacks.toml`` made of these parts."""
    (found,) = mistakes(root, *parts)
    return found
