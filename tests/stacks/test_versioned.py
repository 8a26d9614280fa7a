"""Versioned layers at every level, and one in between that is not.

A number stands for what is in a directory: what changes gets another one, and
what stands on it finds it by that name, where it was built and where it is deployed.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support.deployments import layers
from support.index import Index
from support.interpreters import VERSION
from support.journeys import NOTHING, Journey, change, in_layer
from support.projects import Project
from venvlayers.layout import Layout
from venvlayers.platforms import host_platform

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="local runtimes are for Linux")

STACK = """
[[runtimes]]
name = "base"
versioned = true
requirements = ["ground"]

[[frameworks]]
name = "middle"
versioned = true
runtime = "base"
requirements = ["storey", "closet"]

[[frameworks]]
name = "plain"
frameworks = ["middle"]
requirements = ["shelf"]

[[applications]]
name = "top"
versioned = true
launch_module = "apps/top"
frameworks = ["plain"]
requirements = ["roof"]

[[applications]]
name = "other"
launch_module = "apps/other.py"
runtime = "base"
requirements = []
"""

BASE, MIDDLE, PLAIN = "base", "framework-middle", "framework-plain"
TOP, OTHER = "app-top", "app-other"
ALL = frozenset({BASE, MIDDLE, PLAIN, TOP, OTHER})


@pytest.fixture
def journey(tmp_path: Path, index: Index) -> Journey:
    index.add("ground")
    index.add("closet")
    index.add("storey", requires=["ground"])
    index.add("shelf", requires=["storey"])
    index.add("roof", requires=["shelf", "ground"])
    files = {
        "apps/top/__main__.py": "import ground, roof, shelf, storey; print('top')\n",
        "apps/top/spare.py": "",
        "apps/other.py": "import ground; print('other')\n",
    }
    return Journey(Project.create(tmp_path / "project", STACK, index=index, files=files), tmp_path)


def names(journey: Journey) -> dict[str, str]:
    """Return the names under which layers are deployed; archives are called by them."""
    described = layers(journey.project.dist)
    for layer in described.values():
        assert layer["archive_name"] == f"{layer['install_target']}.tar.zst"
    return {name: str(layer["install_target"]) for name, layer in described.items()}


def test_numbers_follow_contents(journey: Journey) -> None:
    """H19, K12, #188, #189, #196, B8, D3, H15, #24."""
    assert journey.go().did == {"locked": ALL, "built": ALL, "packed": ALL}
    assert names(journey) == {
        BASE: "base@1",
        MIDDLE: "framework-middle@1",
        PLAIN: "framework-plain",
        TOP: "app-top@1",
        OTHER: "app-other",
    }
    assert (journey.says(TOP), journey.says(OTHER)) == ("top\n", "other\n")
    check_links(journey)
    check_built(journey)
    journey.expect_done()
    delete_a_file(journey)
    edit_without_a_number(journey)
    remove_a_requirement(journey)
    journey.expect_done()
    journey.expect_same_from_scratch()


def check_links(journey: Journey) -> None:
    """K12, #188, #189: links, paths and descriptions name what is deployed."""
    series = VERSION.series
    link = (journey.deployed(TOP) / "bin" / "python").readlink()
    assert str(link) == f"../../base@1/bin/python{series}"
    assert journey.config(TOP)["base_python"] == f"../base@1/bin/python{series}"
    assert [path.split("/")[1] for path in journey.config(TOP)["pylib_dirs"]] == [
        "framework-plain",
        "framework-middle@1",
        "base@1",
    ]
    described = journey.published(TOP)
    assert described["layer_name"] == TOP
    assert described["runtime_layer"] == "base@1"
    assert described["required_layers"] == ["framework-plain", "framework-middle@1"]
    assert described["lock_version"] == 1


def check_built(journey: Journey) -> None:
    """#24: it also runs where it was built."""
    place = Layout.beside(journey.project.root).environment("app-top@1", host_platform())
    command = [str(place / "bin" / "python"), "-B", "-m", "top"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout == "top\n"


def delete_a_file(journey: Journey) -> None:
    """H19, X5: an application's own modules are a part of what its number stands for."""
    (journey.project.root / "apps/top/spare.py").unlink()
    leg = journey.go()
    assert leg.did == {"locked": {TOP}, "built": {TOP}, "packed": {TOP}}
    assert names(journey)[TOP] == "app-top@2"
    assert journey.published(TOP)["lock_version"] == 2
    assert "top/spare.py" not in journey.shipped(TOP)
    assert journey.says(TOP) == "top\n"


def edit_without_a_number(journey: Journey) -> None:
    """#196, #201: locks of layers that are not versioned have nothing to do with modules."""
    journey.project.write("apps/other.py", "import ground; print('another')\n")
    leg = journey.go(keeping=ALL)
    assert leg.did == {"locked": NOTHING, "built": {OTHER}, "packed": {OTHER}}
    assert journey.says(OTHER) == "another\n"


def remove_a_requirement(journey: Journey) -> None:
    """X4: what stands on it refers to it by its new name, and so is new itself."""
    change(journey.project, in_layer(MIDDLE, requirements=["storey"]))
    leg = journey.go(keeping={BASE, PLAIN, OTHER})
    above = {MIDDLE, PLAIN, TOP}
    assert leg.did == {"locked": above, "built": above, "packed": above}
    assert names(journey) == {
        BASE: "base@1",
        MIDDLE: "framework-middle@2",
        PLAIN: "framework-plain",
        TOP: "app-top@3",
        OTHER: "app-other",
    }
    assert not [name for name in journey.shipped(MIDDLE) if "closet" in name]
    assert (journey.says(TOP), journey.says(OTHER)) == ("top\n", "another\n")
    assert not [path for path in journey.config(TOP)["pylib_dirs"] if "middle@1" in path]
    there = {path.name for path in built_environments(journey)}
    assert there == set(names(journey).values()), "superseded environments are gone"


def built_environments(journey: Journey) -> list[Path]:
    layout = Layout.beside(journey.project.root)
    return list(layout.environments(host_platform()).iterdir())
