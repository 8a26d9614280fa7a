"""A diamond of frameworks under names that need care, for several platforms.

It has a disabled layer, layers for other platforms only, and requirements that
differ by platform; everything that can change without another feature changes.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from support.index import Index
from support.interpreters import standalone_downloads
from support.journeys import NOTHING, Journey, change, in_layer
from support.projects import Project
from venvlayers.platforms import PLATFORMS, host_platform

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="stand-in runtimes run on Linux")

HERE = host_platform() if sys.platform == "linux" else PLATFORMS["linux_x86_64"]
ELSEWHERE = "win_amd64"
ADDED = "macosx_arm64"

STACK = f"""
runtime_source = "managed"
platforms = ["{HERE}", "{ELSEWHERE}", "{ADDED}"]

[[runtimes]]
name = "boden.ü@2"
requirements = ["ground"]

[[frameworks]]
name = "floor"
runtime = "boden.ü@2"
requirements = ["boards==1.0", "native", "fork; sys_platform != 'win32'", "bell; os_name == 'nt'"]

[[frameworks]]
name = "left.wing"
frameworks = ["floor"]
platforms = ["{HERE}", "{ELSEWHERE}"]
requirements = ["window==1.0", "paint"]

[[frameworks]]
name = "right@wing"
frameworks = ["floor"]
platforms = ["{HERE}", "{ELSEWHERE}"]
requirements = ["window==2.0", "roof"]

[[frameworks]]
name = "off"
runtime = "boden.ü@2"
platforms = []
requirements = ["nowhere-to-be-found"]

[[frameworks]]
name = "glass"
frameworks = ["floor"]
platforms = ["{ELSEWHERE}"]
requirements = ["pane"]

[[applications]]
name = "haus.tür@ä"
launch_module = "apps/haus"
frameworks = ["left.wing", "right@wing"]
requirements = ["bell"]

[[applications]]
name = "shed"
launch_module = "apps/shed.py"
frameworks = ["floor"]
platforms = ["{HERE}"]
requirements = ["paint"]

[[applications]]
name = "never"
launch_module = "apps/nowhere.py"
frameworks = ["off"]
requirements = []

[[applications]]
name = "conservatory"
launch_module = "apps/shed.py"
frameworks = ["glass"]
requirements = []
"""

RUNTIME, FLOOR = "boden.ü@2", "framework-floor"
LEFT, RIGHT, GLASS = "framework-left.wing", "framework-right@wing", "framework-glass"
HOUSE, SHED, CONSERVATORY = "app-haus.tür@ä", "app-shed", "app-conservatory"
PUBLISHED = {RUNTIME, FLOOR, LEFT, RIGHT, HOUSE, SHED}
LOCKED = PUBLISHED | {GLASS, CONSERVATORY}

HOUSE_MAIN = """
import importlib.util
import bell, boards, fork, native, roof, window
parts = [window.__version__, boards.__version__, native.WHERE, bell.__version__]
print("haus", *parts, *("extra" for found in [importlib.util.find_spec("haus.extra")] if found))
"""


def fill(index: Index) -> None:
    for name in ("ground", "fork", "bell", "paint"):
        index.add(name)
    for version in ("1.0", "1.1"):
        index.add("boards", version, requires=["ground"])
    for version in ("1.0", "2.0"):
        index.add("window", version)
    index.add("roof", requires=["window", "boards"])
    index.add("pane", tag="py3-none-win_amd64")
    for platform in PLATFORMS.values():
        tag = f"py3-none-{platform.wheel_platforms()[-1]}"
        index.add("native", tag=tag, modules={"native.py": f"WHERE = {platform.name!r}\n"})


@pytest.fixture
def house(tmp_path: Path, index: Index, archives: Path, monkeypatch: pytest.MonkeyPatch) -> Journey:
    served = standalone_downloads(tmp_path / "list", shared=archives)
    for name, value in served.environment.items():
        monkeypatch.setenv(name, value)
    fill(index)
    files = {
        "apps/haus/__init__.py": "",
        "apps/haus/__main__.py": HOUSE_MAIN,
        "apps/haus/extra.py": "",
        "apps/shed.py": "import boards; print('shed', boards.__version__)\n",
    }
    project = Project.create(tmp_path / "das Häus@chen", STACK, index=index, files=files)
    return Journey(project, tmp_path)


def names_in_lock(journey: Journey, layer: str) -> dict[str, str]:
    """Return the packages of a lock with their markers."""
    packages = journey.locks()[layer].document.packages
    return {package.name: str(package.marker or "") for package in packages}


def test_a_house_is_built_and_rebuilt(house: Journey) -> None:
    """PR #322, #337, B4, H2, H4: everything that can change, one thing at a time."""
    first = house.go()
    assert first.did == {"locked": LOCKED, "built": PUBLISHED, "packed": PUBLISHED}
    assert house.says(HOUSE) == f"haus 1.0 1.0 {HERE} 1.0 extra\n"
    assert house.says(SHED) == "shed 1.0\n"
    assert "fork" in house.packages(FLOOR)
    assert "bell" not in house.packages(FLOOR), "it is for Windows, and the house brings its own"
    house.expect_done()
    check_locks(house)
    remove_a_requirement(house)
    delete_a_file(house)
    add_a_platform(house)
    add_an_override(house)
    house.expect_done()
    house.expect_same_from_scratch()


def check_locks(house: Journey) -> None:
    """#303, #265: locks and summaries have what is for the layer's platforms, and no more."""
    (lock,) = (house.project.root / "requirements" / GLASS).glob("pylock.*.toml")
    assert lock.read_text("utf-8").startswith(f"# What the layer {GLASS} consists of")
    there = {path.name for path in (house.project.root / "requirements").iterdir()}
    assert there == LOCKED, "what is disabled is not locked"
    assert names_in_lock(house, FLOOR) == {
        "boards": "",
        "native": "",
        "fork": 'sys_platform == "linux" or sys_platform == "darwin"',
        "bell": 'sys_platform == "win32"',
    }
    assert names_in_lock(house, HOUSE) == {"bell": 'sys_platform == "linux"'}
    (summary,) = (house.project.root / "requirements" / GLASS).glob("packages-*.txt")
    assert "fork" not in summary.read_text("utf-8")
    assert "bell==1.0 (from framework-floor)" in summary.read_text("utf-8")


def remove_a_requirement(house: Journey) -> None:
    """X4, #222: it leaves with the next archive, and nothing else is made anew."""
    assert house.packages(LEFT) == {"window": "1.0", "paint": "1.0"}
    change(house.project, in_layer(LEFT, requirements=["window==1.0"]))
    leg = house.go(keeping=LOCKED - {LEFT})
    assert leg.did == {"locked": {LEFT, HOUSE}, "built": {LEFT}, "packed": {LEFT}}
    assert not [name for name in house.shipped(LEFT) if "paint" in name]
    assert house.says(HOUSE) == f"haus 1.0 1.0 {HERE} 1.0 extra\n"


def delete_a_file(house: Journey) -> None:
    """X5: a file of a launch package that is gone does not ship."""
    (house.project.root / "apps/haus/extra.py").unlink()
    leg = house.go(keeping=LOCKED)
    assert leg.did == {"locked": NOTHING, "built": {HOUSE}, "packed": {HOUSE}}
    assert "haus/extra.py" not in house.shipped(HOUSE)
    assert house.says(HOUSE) == f"haus 1.0 1.0 {HERE} 1.0\n"


def add_a_platform(house: Journey) -> None:
    """X12: a platform is a part of what a lock is for; other layers have nothing to do with it."""

    change(house.project, in_layer(SHED, platforms=[str(HERE), ADDED]))
    leg = house.go(keeping=LOCKED - {SHED})
    assert leg.did == {"locked": {SHED}, "built": {SHED}, "packed": {SHED}}
    (lock,) = (house.project.root / "requirements" / SHED).glob("pylock.*.toml")
    assert "darwin" in lock.read_text("utf-8")


def add_an_override(house: Journey) -> None:
    """X12: what an override changes is locked and ships; the rest is found to be as it was."""

    def edit(tool: dict[str, Any]) -> None:
        tool["uv"]["override-dependencies"] = ["boards==1.1"]

    change(house.project, edit)
    leg = house.go(keeping=LOCKED - {FLOOR})
    assert leg.did == {"locked": LOCKED, "built": {FLOOR}, "packed": {FLOOR}}
    assert house.packages(FLOOR)["boards"] == "1.1"
    assert house.says(HOUSE) == f"haus 1.0 1.1 {HERE} 1.0\n"
    assert house.says(SHED) == "shed 1.1\n"
