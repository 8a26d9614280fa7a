from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from support.layers import make_layer, make_runtime
from venvlayers.platforms import PLATFORMS
from venvlayers.publish.format import Frame, WrittenArchive
from venvlayers.publish.manifest import (
    combined,
    left_behind,
    listed_entries,
    manifest_path,
    metadata_path,
    write_export_manifests,
)
from venvlayers.publish.metadata import archive_metadata, layer_metadata
from venvlayers.publish.state import Recipe, Record
from venvlayers.spec.kinds import LayerKind

LINUX = PLATFORMS["linux_x86_64"]


def test_an_application(tmp_path: Path) -> None:
    assert layer_metadata(make_layer(tmp_path / "env")) == {
        "layer_name": "app-demo",
        "install_target": "app-demo",
        "requirements_hash": "sha256:two",
        "lock_version": 1,
        "locked_at": "2026-03-04T05:06:07+00:00",
        "runtime_layer": "cpython-3.12",
        "python_implementation": "cpython@3.12.7",
        "bound_to_implementation": False,
        "required_layers": ["framework-lower"],
        "app_launch_module": "demo",
        "app_launcher": "bin/x",
        "app_launch_module_hash": f"sha256:{3:064x}",
    }


def test_a_runtime(tmp_path: Path) -> None:
    fields = layer_metadata(make_runtime(tmp_path / "env"))
    assert fields["bound_to_implementation"] is True
    assert fields["python_source"] == {"source": "managed", "build": "20251120"}
    assert fields["runtime_layer"] == "cpython-3.12"
    assert fields.keys().isdisjoint({"required_layers", "app_launch_module"})


def test_a_framework(tmp_path: Path) -> None:
    env = make_layer(tmp_path / "env", kind=LayerKind.FRAMEWORK, launch=None)
    fields = layer_metadata(env)
    assert fields["required_layers"] == ["framework-lower"]
    assert fields.keys().isdisjoint({"python_source", "app_launch_module"})


def test_on_windows_layers_are_bound_to_the_exact_python(tmp_path: Path) -> None:
    env = replace(make_layer(tmp_path / "env"), platform=PLATFORMS["win_amd64"])
    assert layer_metadata(env)["bound_to_implementation"] is True


def test_an_archive(tmp_path: Path) -> None:
    frame = Frame(name=".", offset=0, size=5, tar_offset=0, tar_size=10)
    archive = WrittenArchive(
        path=tmp_path / "app-demo.tar.zst",
        size=5,
        sha256="ab",
        frames=(frame,),
        codec={"library": "x", "level": 9},
    )
    env = make_layer(tmp_path / "env")
    recipe = Recipe(key="k", deployed_name="d", format="f", codec={}, canonical=1, epoch=0)
    record = Record(recipe=recipe, archive=archive, content_sha256="cd", unpacked_size=7)
    fields = archive_metadata(env, record)
    assert {name: fields[name] for name in fields.keys() - layer_metadata(env).keys()} == {
        "target_platform": "linux_x86_64",
        "content_hash": "sha256:cd",
        "unpacked_size": 7,
        "archive_name": "app-demo.tar.zst",
        "archive_size": 5,
        "archive_hashes": {"sha256": "ab"},
        "archive_codec": {"library": "x", "level": 9},
        "archive_frames": [
            {"name": ".", "offset": 0, "size": 5, "tar_offset": 0, "tar_size": 10},
        ],
    }
    json.dumps(fields)


def test_where_things_lie(tmp_path: Path) -> None:
    meta = tmp_path / "__venvstacks__"
    assert manifest_path(tmp_path) == meta / "venvstacks.json"
    assert manifest_path(tmp_path, LINUX) == meta / "venvstacks-linux_x86_64.json"
    layers = meta / "env_metadata"
    assert metadata_path(tmp_path, "app-x") == layers / "app-x.json"
    assert metadata_path(tmp_path, "app-x", LINUX) == layers / "app-x-linux_x86_64.json"


def test_an_export_is_described_without_archives(tmp_path: Path) -> None:
    layers = [make_runtime(tmp_path / "a"), make_layer(tmp_path / "b")]
    entries = [(layer.kind, layer_metadata(layer)) for layer in layers]
    manifest = write_export_manifests(entries, tmp_path / "out")
    assert json.loads(manifest.read_text("utf-8")) == {
        "layers": {
            "runtimes": [layer_metadata(layers[0])],
            "frameworks": [],
            "applications": [layer_metadata(layers[1])],
        }
    }
    own = tmp_path / "out" / "__venvstacks__" / "env_metadata" / "app-demo.json"
    assert json.loads(own.read_text("utf-8")) == layer_metadata(layers[1])


def test_every_kind_has_a_list_and_keeps_its_order() -> None:
    entries = [(LayerKind.FRAMEWORK, {"n": 2}), (LayerKind.FRAMEWORK, {"n": 1})]
    assert combined(entries) == {
        "layers": {"runtimes": [], "frameworks": [{"n": 2}, {"n": 1}], "applications": []}
    }


@pytest.mark.parametrize(
    "content",
    [
        *("", "[]", "{", "\ufffe", '{"layers": []}', '{"layers": {"runtimes": 3}}', "null"),
        '{"layers": {"runtimes": ["x", 1, null]}}',
    ],
)
def test_manifests_that_are_not_ours_list_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / "m.json").write_text(content, "utf-8")
    assert listed_entries(tmp_path / "m.json") == []
    assert listed_entries(tmp_path / "m.json" / "below") == []


def test_layers_that_are_left_behind() -> None:
    """G29: by a number, not by a layer that is not there at all."""
    described = [
        {"layer_name": "base", "install_target": "base@3", "runtime_layer": "base@3"},
        {"layer_name": "framework-x", "install_target": "framework-x", "runtime_layer": "base@2"},
        {
            "layer_name": "app-y",
            "install_target": "app-y",
            "runtime_layer": "base@3",
            "required_layers": ["framework-x", "framework-gone@1", "framework-gone"],
        },
    ]
    assert list(left_behind(described)) == [("framework-x", "base@2")]
