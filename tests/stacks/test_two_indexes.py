"""Two indexes that have different builds of one package under one name and version."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.index import Index
from support.journeys import Journey, change, in_layer
from support.projects import Project

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="local runtimes are for Linux")

STACK = """
[[runtimes]]
name = "base"
requirements = ["ground"]

[[frameworks]]
name = "slow"
runtime = "base"
requirements = ["accel"]
package_indexes = { accel = "cpu" }

[[frameworks]]
name = "fast"
runtime = "base"
requirements = ["accel"]
package_indexes = { Accel = "gpu" }

[[applications]]
name = "walk"
launch_module = "report.py"
frameworks = ["slow"]
requirements = []

[[applications]]
name = "run"
launch_module = "report.py"
frameworks = ["fast"]
requirements = ["wheels"]

[[applications]]
name = "stand"
launch_module = "report.py"
runtime = "base"
requirements = ["accel"]
"""

BASE, SLOW, FAST = "base", "framework-slow", "framework-fast"
WALK, RUN, STAND = "app-walk", "app-run", "app-stand"
ALL = frozenset({BASE, SLOW, FAST, WALK, RUN, STAND})


@pytest.fixture
def builds(tmp_path: Path) -> Iterator[dict[str, Index]]:
    """Give two indexes with a build of one package each, and a mirror of the second."""
    served = {name: Index(tmp_path / "indexes" / name) for name in ("cpu", "gpu", "mirror")}
    for name, index in served.items():
        build = "gpu" if name == "mirror" else name
        index.add("accel", "2.0", modules={"accel.py": f"BUILD = {build!r}\n"})
    yield served
    for index in served.values():
        index.stop()


@pytest.fixture
def journey(tmp_path: Path, index: Index, builds: dict[str, Index]) -> Journey:
    index.add("ground")
    index.add("wheels", requires=["accel"])
    index.add("accel", "1.0", modules={"accel.py": "BUILD = 'main'\n"})
    explicit = [
        {"name": name, "url": builds[name].url, "explicit": True} for name in ("cpu", "gpu")
    ]
    files = {"report.py": "import accel; print(accel.BUILD)\n"}
    uv = {"index": [*explicit, *index.uv_table()["index"]]}
    project = Project.create(tmp_path / "project", STACK, uv=uv, files=files)
    return Journey(project, tmp_path)


def test_each_layer_has_the_build_of_its_index(journey: Journey, builds: dict[str, Index]) -> None:
    """B10, E4, #270: parallel layers, one name, one version, two builds."""
    assert journey.go().did == {"locked": ALL, "built": ALL, "packed": ALL}
    said = {name: journey.says(name) for name in (WALK, RUN, STAND)}
    assert said == {WALK: "cpu\n", RUN: "gpu\n", STAND: "main\n"}
    assert journey.packages(SLOW) == journey.packages(FAST) == {"accel": "2.0"}
    assert journey.packages(RUN) == {"wheels": "1.0"}, "the build below is the one it has"
    journey.expect_done()
    another_index_for_one_layer(journey)
    an_index_moves(journey, builds["mirror"])
    journey.expect_done()
    journey.expect_same_from_scratch()


def another_index_for_one_layer(journey: Journey) -> None:
    """H16: the lock of a layer is for its index; others keep theirs."""
    change(journey.project, in_layer(SLOW, package_indexes={"accel": "gpu"}))
    leg = journey.go(keeping=ALL - {SLOW})
    assert leg.did == {"locked": {SLOW, WALK}, "built": {SLOW}, "packed": {SLOW}}
    assert (journey.says(WALK), journey.says(STAND)) == ("gpu\n", "main\n")


def an_index_moves(journey: Journey, mirror: Index) -> None:
    """X12, H16: only what came from there has to do with it."""

    def edit(tool: dict[str, Any]) -> None:
        (gpu,) = (index for index in tool["uv"]["index"] if index["name"] == "gpu")
        gpu["url"] = mirror.url

    change(journey.project, edit)
    leg = journey.go(keeping={BASE, STAND, WALK, RUN})
    assert leg.locked == {SLOW, FAST, WALK, RUN}
    assert leg.built == leg.packed
    assert leg.packed <= {SLOW, FAST}
    assert (journey.says(WALK), journey.says(RUN)) == ("gpu\n", "gpu\n")
    for name in (SLOW, FAST):
        (lock,) = (journey.project.root / "requirements" / name).glob("pylock.*.toml")
        assert mirror.url.removesuffix("simple/") in lock.read_text("utf-8")
