"""What is said about layers, field by field: in the manifest, and inside each layer.

Programs that deploy layers rely on these; every statement is held against what
is there after unpacking.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import venvlayers.shipped
from support.deployments import Deployment, layers, manifest
from support.interpreters import VERSION
from support.projects import RUNNING_PYTHON
from support.stock import Stock
from venvlayers.build.chain import LAYER_CONFIG
from venvlayers.platforms import host_platform

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="local runtimes are for Linux")

ALL = ("base", "framework-middle", "app-top")
SITE_PACKAGES = f"lib/python{VERSION.series}/site-packages"


@pytest.fixture(scope="module")
def deployed(stock: Stock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Give the stock's layers, unpacked; tests only read them."""
    root = tmp_path_factory.mktemp("deployed")
    yield Deployment.unpacked(stock.project.dist, root)
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(scope="module")
def described(stock: Stock) -> dict[str, dict[str, Any]]:
    return layers(stock.project.dist)


def config(deployed: Deployment, layer: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((deployed.root / layer / LAYER_CONFIG).read_text("utf-8"))
    return document


def test_a_layer_describes_itself(deployed: Deployment) -> None:
    """I10, M1, M2, M3, M4, M5, M6, M7."""
    assert config(deployed, "base") == {
        "python": f"bin/python{VERSION.series}",
        "py_version": str(VERSION),
        "base_python": f"bin/python{VERSION.series}",
        "site_dir": SITE_PACKAGES,
        "pylib_dirs": [],
        "dynlib_dirs": [],
    }
    assert config(deployed, "app-top") == {
        "python": "bin/python",
        "py_version": str(VERSION),
        "base_python": f"../base/bin/python{VERSION.series}",
        "site_dir": SITE_PACKAGES,
        "pylib_dirs": [f"../framework-middle/{SITE_PACKAGES}", f"../base/{SITE_PACKAGES}"],
        "dynlib_dirs": [],
        "launch_module": "top",
        "launcher": "bin/top",
    }
    assert "launch_module" not in config(deployed, "framework-middle")


def test_what_a_layer_says_of_itself_is_there(deployed: Deployment) -> None:
    """M1, M3, M4, M5, M8: every path is relative, exists, and stays among the layers."""
    for layer in ALL:
        root, said = deployed.root / layer, config(deployed, layer)
        for path in (said["python"], said["base_python"], said["site_dir"], *said["pylib_dirs"]):
            assert not path.startswith("/")
            assert (root / path).exists(), path
            assert (root / path).resolve().is_relative_to(deployed.root)


def test_an_application_is_started_from_its_description(deployed: Deployment) -> None:
    """M14: all that a launcher needs is in one file of the layer."""
    said, root = config(deployed, "app-top"), deployed.root / "app-top"
    command = [root / said["python"], "-m", said["launch_module"]]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout == "versions: 1.0 1.0 1.0\n"
    version = deployed.python("app-top", "-c", "import sys; print(sys.version.split()[0])").stdout
    assert version.strip() == said["py_version"]


def test_nothing_links_elsewhere(deployed: Deployment) -> None:
    """I13, I14: relative links, within a layer or to its runtime's Python."""
    series = VERSION.series
    links = {
        path.relative_to(deployed.root).as_posix(): str(path.readlink())
        for path in deployed.root.rglob("*")
        if path.is_symlink()
    }
    for layer in ("framework-middle", "app-top"):
        assert links.pop(f"{layer}/bin/python") == f"../../base/bin/python{series}"
        assert links.pop(f"{layer}/bin/python3") == "python"
        assert links.pop(f"{layer}/bin/python{series}") == "python"
    assert links.pop("base/bin/python") == links.pop("base/bin/python3") == f"python{series}"
    assert not [link for link in links.values() if link.startswith("/") or ".." in link]


def test_every_layer_brings_the_same_script(deployed: Deployment) -> None:
    """K8, M9: it says nothing about its layer, and its lines end as they do everywhere."""
    shipped = (Path(venvlayers.shipped.__file__).parent / "postinstall.py").read_bytes()
    for layer in ALL:
        assert (deployed.root / layer / "postinstall.py").read_bytes() == shipped
    assert b"\r" not in shipped


def test_what_was_generated_has_lf(deployed: Deployment) -> None:
    """PR #64: line endings of the building machine are in nothing that we write."""
    modules = (f"{SITE_PACKAGES}/sitecustomize.py", f"{SITE_PACKAGES}/_venvstacks_run.py")
    generated = ("postinstall.py", "pyvenv.cfg", LAYER_CONFIG, *modules)
    for name in generated:
        content = (deployed.root / "app-top" / name).read_bytes()
        assert b"\r" not in content
        assert content.endswith(b"\n")


def test_names_and_versions(described: dict[str, dict[str, Any]]) -> None:
    """K17, K18, K20, K22, K23, K25, K26."""
    for name in ALL:
        said = described[name]
        assert said["layer_name"] == said["install_target"] == name
        assert said["lock_version"] == 1
        assert said["runtime_layer"] == "base"
        assert said["python_implementation"] == RUNNING_PYTHON
    assert "required_layers" not in described["base"]
    assert described["framework-middle"]["required_layers"] == []
    assert described["app-top"]["required_layers"] == ["framework-middle"]
    assert described["app-top"]["app_launch_module"] == "top"
    assert "app_launch_module" not in described["framework-middle"]


def test_what_depends_on_the_exact_python(described: dict[str, dict[str, Any]]) -> None:
    """K24."""
    assert {name: described[name]["bound_to_implementation"] for name in ALL} == {
        "base": True,
        "framework-middle": False,
        "app-top": False,
    }


def test_hashes_and_times_are_those_of_the_lock(
    stock: Stock, described: dict[str, dict[str, Any]]
) -> None:
    """K19, K21."""
    for name in ALL:
        (record,) = (stock.project.root / "requirements" / name).glob("*.meta.json")
        recorded = json.loads(record.read_text("utf-8"))
        assert described[name]["requirements_hash"] == recorded["requirements_hash"]
        assert described[name]["locked_at"] == recorded["locked_at"]
        assert datetime.fromisoformat(described[name]["locked_at"]).utcoffset() is not None


def test_hashes_are_spelt_in_one_way(described: dict[str, dict[str, Any]]) -> None:
    """K27."""
    spelt = [described[name]["requirements_hash"] for name in ALL]
    spelt += [described[name]["content_hash"] for name in ALL]
    for text in (*spelt, described["app-top"]["app_launch_module_hash"]):
        assert re.fullmatch("sha256:[0-9a-f]{64}", text)


def test_an_archive_is_what_is_said_of_it(
    stock: Stock, described: dict[str, dict[str, Any]]
) -> None:
    """K30, K31, K32, K33; K29 is replaced: a digest identifies what is in the archive."""
    here = host_platform().name
    for name in ALL:
        said = described[name]
        archive = stock.project.dist / said["archive_name"]
        assert archive.name == f"{name}-{here}.tar.zst"
        assert archive.stat().st_size == said["archive_size"]
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        assert said["archive_hashes"] == {"sha256": digest}
        assert said["target_platform"] == here
        assert said["content_hash"].startswith("sha256:")
        assert "archive_build" not in said


def test_nothing_is_said_of_the_contents_of_other_layers(
    described: dict[str, dict[str, Any]],
) -> None:
    """K34: a lower layer can be replaced by one that does as well."""
    for name in ALL:
        said = json.dumps(described[name])
        for other in set(ALL) - {name}:
            for field in ("requirements_hash", "content_hash"):
                assert described[other][field] not in said


def test_a_file_a_layer_and_one_for_all(stock: Stock, described: dict[str, dict[str, Any]]) -> None:
    """K14, K15: the same statements, by layer and in one manifest."""
    listed = manifest(stock.project.dist)["layers"]
    assert [layer["layer_name"] for layer in listed["runtimes"]] == ["base"]
    assert [layer["layer_name"] for layer in listed["frameworks"]] == ["framework-middle"]
    assert [layer["layer_name"] for layer in listed["applications"]] == ["app-top"]
    directory = stock.project.dist / "__venvstacks__" / "env_metadata"
    for name in ALL:
        file = directory / f"{name}-{host_platform()}.json"
        assert json.loads(file.read_text("utf-8")) == described[name]
