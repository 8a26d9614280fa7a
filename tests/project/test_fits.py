"""Whether the project's wheel can be in a layer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from support.specs import RUNTIME, framework, stack
from venvlayers.errors import BuildError
from venvlayers.platforms import PLATFORMS, Interpreter, PythonVersion
from venvlayers.project.fits import refuse_misfit
from venvlayers.project.model import ProjectWheel

PYTHON = Interpreter("cpython", PythonVersion(3, 12, 1))
PURE = ProjectWheel(
    path=Path("demo-1.0-py3-none-any.whl"),
    name="demo",
    version="1.0",
    sha256="",
    content_hash="",
    code_hash="",
)


def native(tag: str) -> ProjectWheel:
    return replace(PURE, path=Path(f"demo-1.0-{tag}.whl"))


@pytest.mark.parametrize(
    "wheel",
    [
        PURE,
        replace(PURE, requires_python=">=3.11,<4"),
        replace(PURE, requires_python="who knows"),
        native("cp312-cp312-linux_x86_64"),
        native("cp38-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64"),
    ],
)
def test_it_can(tmp_path: Path, wheel: ProjectWheel) -> None:
    layer = stack(tmp_path, RUNTIME, framework("f")).layer("framework-f")
    refuse_misfit(wheel, layer, PLATFORMS["linux_x86_64"], PYTHON)


@pytest.mark.parametrize(
    ("wheel", "platform", "message"),
    [
        (replace(PURE, requires_python=">=3.13"), "linux_x86_64", "framework-f has Python 3.12.1"),
        (native("cp311-cp311-linux_x86_64"), "linux_x86_64", "does not run with Python 3.12.1 on"),
        (
            native("cp312-cp312-linux_x86_64"),
            "win_amd64",
            "on win_amd64 as framework-f is declared",
        ),
        (native("cp312-cp312-manylinux_2_34_x86_64"), "linux_x86_64", "see `linux_target`"),
    ],
)
def test_it_cannot(tmp_path: Path, wheel: ProjectWheel, platform: str, message: str) -> None:
    """Only for the platform of its tags, and no older system than those name."""
    layer = stack(tmp_path, RUNTIME, framework("f")).layer("framework-f")
    with pytest.raises(BuildError) as caught:
        refuse_misfit(wheel, layer, PLATFORMS[platform], PYTHON)
    assert message in str(caught.value)
