"""Deploying a newer layer over an older one."""

from __future__ import annotations

import io
import sys
import tarfile
from pathlib import Path

import pytest
import zstandard

from support.deployments import Deployment, layers
from support.projects import Project
from support.stacks import run

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="local runtimes are for Linux")


def unpack_over(archive: Path, place: Path) -> None:
    """Unpack as an ordinary tool does, over whatever is there."""
    with archive.open("rb") as file:
        reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
        data = io.BytesIO(reader.read())
    with tarfile.open(fileobj=data) as members:
        members.extractall(place, filter="tar")


def test_the_new_code_runs_although_it_is_as_long_as_the_old(
    published_project: Project, tmp_path: Path
) -> None:
    """Python takes bytecode as valid when its source has the same time and size."""
    published_project.write("helper/__main__.py", "from helper.text import TEXT; print(TEXT)\n")
    published_project.write("helper/text.py", "TEXT = 'old'\n")
    stack = published_project.stack()
    stack["applications"][0]["launch_module"] = "helper"
    published_project.set_stack(stack)
    deployment = Deployment(tmp_path / "deployed")
    for text in ("old", "new"):
        published_project.write("helper/text.py", f"TEXT = {text!r}\n")
        run(published_project, tag_outputs=True)
        for layer in layers(published_project.dist).values():
            unpack_over(published_project.dist / layer["archive_name"], deployment.root)
        assert deployment.python("app-top", "-m", "helper").stdout == f"{text}\n"
    assert list((deployment.root / "app-top").rglob("text.*.pyc"))
