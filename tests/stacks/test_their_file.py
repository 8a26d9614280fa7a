"""A ``venvstacks.toml`` with everything that venvstacks knows, and the commands of its users."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from support.command import venvstacks
from support.deployments import Deployment, layers
from support.index import Index
from support.projects import RUNNING_PYTHON
from venvlayers.platforms import PLATFORMS, host_platform

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="local runtimes are for Linux")

HERE = host_platform() if sys.platform == "linux" else PLATFORMS["linux_x86_64"]

STACK = f"""
[[applications]]
name = "report"
launch_module = "launch/report"
support_modules = ["../shared/helper.py", "launch/extra"]
frameworks = ["models", "web"]
requirements = ["table"]
index_overrides = {{ gpu = "cpu" }}

[[runtimes]]
name = "cpython3"
fully_versioned_name = "{RUNNING_PYTHON}"
platforms = ["{HERE}"]
requirements = ["ground"]
build_requirements = []
linux_target = "glibc@2.34"
macosx_target = "14.0"

[[frameworks]]
name = "models"
runtime = "cpython3"
versioned = true
requirements = ["accel"]
dynlib_exclude = ["libtbb*"]
package_indexes = {{ accel = "cpu" }}

[[frameworks]]
name = "web"
runtime = "cpython3"
requirements = ["serve"]
package_indexes = {{ accel = "gpu" }}
priority_indexes = ["gpu"]

[[applications]]
name = "gone"
launch_module = "launch/nowhere.py"
runtime = "cpython3"
platforms = []
requirements = []

[tool.other]
key = "of somebody else"
"""

LAUNCH = """
import accel, extra, ground, helper, serve, table
print(accel.BUILD, serve.BUILD, helper.HELP, extra.MORE)
"""
WARNED = "runtimes[0].{}: is deprecated"


@pytest.fixture
def root(tmp_path: Path, index: Index) -> Any:
    with Index(tmp_path / "cpu") as cpu, Index(tmp_path / "gpu") as gpu:
        for name in ("ground", "table"):
            index.add(name)
        index.add("serve", modules={"serve.py": "BUILD = 'main'\n"})
        gpu.add("serve", modules={"serve.py": "BUILD = 'gpu'\n"})
        for build, served in (("cpu", cpu), ("gpu", gpu)):
            served.add("accel", modules={"accel.py": f"BUILD = {build!r}\n"})
        root = tmp_path / "project"
        files = {
            "venvstacks.toml": STACK,
            "venvstacks.uv.toml": uv_file(main=index, cpu=cpu, gpu=gpu),
            "launch/report/__main__.py": LAUNCH,
            "launch/extra/__init__.py": "MORE = 'more'\n",
            "../shared/helper.py": "HELP = 'help'\n",
        }
        for name, text in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text, "utf-8")
        yield root


def uv_file(*, main: Index, **explicit: Index) -> str:
    tables = [f'[[index]]\nname = "main"\nurl = "{main.url}"\ndefault = true\n']
    tables += [
        f'[[index]]\nname = "{name}"\nurl = "{index.url}"\nexplicit = true\n'
        for name, index in explicit.items()
    ]
    return "\n".join(tables)


def test_their_file_and_their_commands(root: Path, tmp_path: Path) -> None:
    """A2, B6, B8, B9, B10, B11, B12, C7, C9, C10, E2, G5, G8, G11, L6: in one stack."""
    locked = venvstacks("lock", "--if-needed", "venvstacks.toml", cwd=root, check=True)
    assert WARNED.format("fully_versioned_name") in locked.stderr
    assert WARNED.format("build_requirements") in locked.stderr
    assert sorted(path.name for path in (root / "requirements").iterdir()) == [
        *("app-report", "cpython3", "framework-models", "framework-web")
    ]
    shown = venvstacks("show", "--json", "venvstacks.toml", cwd=root, check=True)
    (app,) = json.loads(shown.stdout)["applications"]
    assert (app["name"], app["has_valid_lock"]) == ("app-report", True)
    arguments = ("--lock-if-needed", "--publish", "--tag-outputs", "venvstacks.toml")
    venvstacks("build", *arguments, cwd=root, check=True)
    artifacts = root / "_artifacts"
    names = {path.name for path in artifacts.glob("*.tar.zst")}
    assert f"framework-models@1-{HERE}.tar.zst" in names
    described = layers(artifacts)["app-report"]
    assert described["required_layers"] == ["framework-models@1", "framework-web"]
    assert [module["name"] for module in described["app_support_modules"]] == ["extra", "helper"]
    deployment = Deployment.unpacked(artifacts, tmp_path / "deployed")
    said = deployment.python("app-report", "-m", "report")
    assert (said.stdout, said.stderr) == ("cpu gpu help more\n", "")
    venvstacks("local-export", "--include", "app-*", "venvstacks.toml", cwd=root, check=True)
    exported = json.loads((root / "_export/__venvstacks__/venvstacks.json").read_text("utf-8"))
    assert [layer["layer_name"] for layer in exported["layers"]["applications"]] == ["app-report"]
    assert (root / "_export/app-report").is_dir()
    assert not (root / "_export/framework-web").exists(), "only what was included"
