"""Every archive format taken round: published, unpacked with its ordinary tool, and run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.deployments import Deployment, layers
from support.projects import Project
from support.stacks import run
from venvlayers.platforms import host_platform

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="local runtimes are for Linux")

TOOLS = {
    "tar.zst": ["tar", "--use-compress-program=zstd", "-xf"],
    "tar.xz": ["tar", "-xJf"],
    "tar.gz": ["tar", "-xzf"],
    "tar": ["tar", "-xf"],
    "zip": ["unzip", "-q"],
}
NEEDS = {"tar.zst": ("tar", "zstd"), "tar.xz": ("tar", "xz"), "zip": ("unzip",)}


def published_as(project: Project, name: str) -> list[Path]:
    """Publish *project* in a format, at its lowest level; return the archives."""
    level = {"tar": {}, "tar.xz": {"compression_level": 0}}.get(name, {"compression_level": 1})
    project.set_stack({**project.stack(), "archive_format": name, **level})
    run(project, tag_outputs=True)
    archives = [project.dist / layer["archive_name"] for layer in layers(project.dist).values()]
    assert all(archive.name.endswith(f".{name}") for archive in archives)
    return archives


@pytest.mark.parametrize("name", TOOLS)
def test_unpacked_with_the_ordinary_tool_it_runs(
    published_project: Project, tmp_path: Path, name: str
) -> None:
    if missing := [tool for tool in NEEDS.get(name, ("tar",)) if not shutil.which(tool)]:
        pytest.skip(f"needs {missing[0]}")  # Python's zipfile restores neither modes nor links
    deployed = tmp_path / "deployed"
    deployed.mkdir()
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    for archive in published_as(published_project, name):
        subprocess.run([*TOOLS[name], archive], check=True, cwd=deployed, env=environment)
    result = Deployment(deployed).python("app-top", "-m", "top")
    assert result.stdout == "versions: 1.0 1.0 1.0\n"


@pytest.mark.parametrize("name", [name for name in TOOLS if name != "tar.zst"])
def test_x19_unpacked_by_us_it_runs_and_the_old_format_is_gone(
    published_project: Project, tmp_path: Path, name: str
) -> None:
    archives = published_as(published_project, name)
    left = {path for path in published_project.dist.iterdir() if path.is_file()}
    assert left == {*archives, published_project.dist / f"SHA256SUMS-{host_platform()}"}
    deployment = Deployment.unpacked(published_project.dist, tmp_path / "deployed")
    assert deployment.python("app-top", "-m", "top").stdout == "versions: 1.0 1.0 1.0\n"
