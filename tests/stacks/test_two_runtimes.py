"""Two runtimes in one stack: what happens to one is no business of the other."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from support.index import Index
from support.interpreters import VERSION, standalone_downloads
from support.journeys import Journey, change, in_layer
from support.projects import Project
from venvlayers.platforms import PLATFORMS, PythonVersion, host_platform

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="stand-in runtimes run on Linux")

HERE = host_platform() if sys.platform == "linux" else PLATFORMS["linux_x86_64"]
NEWER = PythonVersion(VERSION.major, VERSION.minor, (VERSION.patch or 0) + 1)

STACK = f"""
runtime_source = "managed"
platforms = ["{HERE}"]

[[runtimes]]
name = "old.base"
python_implementation = "cpython@{VERSION}"
requirements = ["ground==1.0"]

[[runtimes]]
name = "new.base"
python_implementation = "cpython@{VERSION}"
requirements = ["ground==2.0"]

[[frameworks]]
name = "old-tools"
runtime = "old.base"
requirements = ["tool"]

[[frameworks]]
name = "new-tools"
runtime = "new.base"
requirements = ["tool"]

[[applications]]
name = "old"
launch_module = "report.py"
frameworks = ["old-tools"]
requirements = []

[[applications]]
name = "new"
launch_module = "report.py"
frameworks = ["new-tools"]
requirements = []
"""

ON_OLD = frozenset({"old.base", "framework-old-tools", "app-old"})
ON_NEW = frozenset({"new.base", "framework-new-tools", "app-new"})


@pytest.fixture
def journey(
    tmp_path: Path, index: Index, archives: Path, monkeypatch: pytest.MonkeyPatch
) -> Journey:
    served = standalone_downloads(
        tmp_path / "list", versions=[VERSION, NEWER], platforms=[HERE], shared=archives
    )
    for name, value in served.environment.items():
        monkeypatch.setenv(name, value)
    for version in ("1.0", "2.0"):
        index.add("ground", version)
        index.add("tool", version, requires=[f"ground=={version}"])
    files = {"report.py": "import ground, tool; print(ground.__version__, tool.__version__)\n"}
    project = Project.create(tmp_path / "project", STACK, index=index, files=files)
    return Journey(project, tmp_path)


def test_a_patch_release_of_one_of_two_runtimes(journey: Journey) -> None:
    """X2: everything on that runtime is new, and says so; the other half is as it was."""
    everything = ON_OLD | ON_NEW
    assert journey.go().did == {"locked": everything, "built": everything, "packed": everything}
    assert (journey.says("app-old"), journey.says("app-new")) == ("1.0 1.0\n", "2.0 2.0\n")
    change(journey.project, in_layer("new.base", python_implementation=f"cpython@{NEWER}"))
    leg = journey.go(keeping=everything - {"new.base"})
    assert leg.did == {"locked": ON_NEW, "built": ON_NEW, "packed": ON_NEW}
    for layer in ON_OLD | ON_NEW:
        wanted = NEWER if layer in ON_NEW else VERSION
        assert journey.published(layer)["python_implementation"] == f"cpython@{wanted}"
        assert journey.config(layer)["py_version"] == str(wanted)
    assert (journey.says("app-old"), journey.says("app-new")) == ("1.0 1.0\n", "2.0 2.0\n")
    journey.expect_done()
    move_an_application(journey)


def move_an_application(journey: Journey) -> None:
    """It keeps nothing of the runtime that it stood on."""
    change(journey.project, in_layer("app-old", frameworks=["new-tools"]))
    leg = journey.go(keeping=(ON_OLD | ON_NEW) - {"app-old"})
    assert leg.did == {"locked": {"app-old"}, "built": {"app-old"}, "packed": {"app-old"}}
    assert journey.says("app-old") == "2.0 2.0\n"
    assert not [path for path in journey.config("app-old")["pylib_dirs"] if "old" in path]
