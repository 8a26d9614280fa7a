"""Outputs of several platforms side by side: each with its manifest, and an index of those."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from support.layers import SMALL_FILES, make_layer
from venvlayers.build.model import LayerEnvironment
from venvlayers.errors import PublishError
from venvlayers.files import sha256_file
from venvlayers.platforms import PLATFORMS
from venvlayers.publish.outputs import Outputs, clean, published_before, published_outputs
from venvlayers.publish.publish import publish
from venvlayers.publish.zstd import ZstdTar
from venvlayers.report import LineReporter, silent

NAMES = ("linux_x86_64", "macosx_arm64")


@pytest.fixture
def outputs(tmp_path: Path) -> tuple[Outputs, ...]:
    return tuple(
        Outputs(
            directory=tmp_path / "dist",
            platform=PLATFORMS[name],
            tagged=True,
            format=ZstdTar(),
            state_file=tmp_path / "state" / name,
        )
        for name in NAMES
    )


@pytest.fixture
def layers(tmp_path: Path) -> list[LayerEnvironment]:
    files = {**SMALL_FILES, "site/of.txt": b""}
    return [
        make_layer(tmp_path / name, files | {"of": name.encode()}, platform=PLATFORMS[name])
        for name in reversed(NAMES)
    ]


def index(directory: Path) -> list[dict[str, str]]:
    document = json.loads((directory / "__venvstacks__" / "index.json").read_text("utf-8"))
    listed: list[dict[str, str]] = document["manifests"]
    return listed


def contents(directory: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_each_has_its_manifest_and_the_index_lists_them(
    layers: list[LayerEnvironment], outputs: tuple[Outputs, ...]
) -> None:
    directory, said = outputs[0].directory, []
    reporter = LineReporter(lambda _kind, text: said.append(text))
    published = publish(layers, *outputs, reporter=reporter)
    assert [layer.platform.name for layer in published] == list(NAMES), "in the order of outputs"
    assert any(text.startswith("publishing app-demo for macosx_arm64") for text in said)
    for listed, one in zip(index(directory), outputs, strict=True):
        manifest = directory / "__venvstacks__" / listed["manifest"]
        assert manifest == one.manifest
        assert sha256_file(manifest) == f"sha256:{listed['sha256']}"
        assert listed["target_platform"] == one.platform.name
        (app,) = json.loads(manifest.read_text("utf-8"))["layers"]["applications"]
        assert app["archive_name"] == f"app-demo-{one.platform}.tar.zst"
        assert (directory / app["archive_name"]).is_file()
        assert set(published_before(one)) == {"app-demo"}
    before = contents(directory)
    assert all(layer.reused for layer in publish(layers, *outputs, reporter=silent()))
    assert contents(directory) == before


def test_what_was_published_elsewhere_is_indexed_too(
    layers: list[LayerEnvironment], outputs: tuple[Outputs, ...]
) -> None:
    """Jobs for single platforms may put their outputs into one directory."""
    directory = outputs[0].directory
    publish(layers[1:], outputs[0], reporter=silent())
    assert not (directory / "__venvstacks__" / "index.json").exists(), "there is one manifest"
    publish(layers[:1], outputs[1], reporter=silent())
    assert [entry["target_platform"] for entry in index(directory)] == list(NAMES)
    changed = replace(
        layers[1], key="sha256:other", locked_at=layers[1].locked_at.replace(year=2027)
    )
    before = index(directory)
    publish([changed], outputs[0], reporter=silent())
    assert index(directory)[0] != before[0]
    assert index(directory)[1] == before[1]


@pytest.mark.parametrize("damage", [None, b"{}", b"\xff"])
def test_an_index_that_is_not_right_is_mended(
    layers: list[LayerEnvironment], outputs: tuple[Outputs, ...], damage: bytes | None
) -> None:
    publish(layers, *outputs, reporter=silent())
    place = outputs[0].directory / "__venvstacks__" / "index.json"
    before = place.read_bytes()
    place.unlink()
    if damage is not None:
        place.write_bytes(damage)
    assert [published_before(one) for one in outputs] == [{}, {}]
    assert all(layer.reused for layer in publish(layers, *outputs, reporter=silent()))
    assert place.read_bytes() == before


def test_one_platform_left_needs_no_index(
    layers: list[LayerEnvironment], outputs: tuple[Outputs, ...]
) -> None:
    publish(layers, *outputs, reporter=silent())
    outputs[1].manifest.unlink()
    assert published_before(outputs[0]) == {}, "the index lists what is not there"
    publish(layers[1:], outputs[0], reporter=silent())
    assert not (outputs[0].directory / "__venvstacks__" / "index.json").exists()
    assert set(published_before(outputs[0])) == {"app-demo"}


def test_all_or_none(
    layers: list[LayerEnvironment],
    outputs: tuple[Outputs, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """That one platform fails leaves all as they were."""
    publish(layers, *outputs, reporter=silent())
    before = contents(outputs[0].directory)
    changed = [replace(layer, key="sha256:other") for layer in layers]
    for layer in changed:
        (layer.path / "of").write_bytes(b"changed")
    real = Path.replace

    def failing(path: Path, target: Path) -> Path:
        if target == outputs[1].manifest and path.suffix == ".text":
            raise OSError(28, os.strerror(28), str(target))
        return real(path, target)

    monkeypatch.setattr(Path, "replace", failing)
    with pytest.raises(PublishError, match="No space left"):
        publish(changed, *outputs, reporter=silent())
    assert contents(outputs[0].directory) == before
    shutil.rmtree(layers[0].path)
    monkeypatch.undo()
    with pytest.raises(PublishError):
        publish(changed, *outputs, reporter=silent())
    assert contents(outputs[0].directory) == before


def test_cleaning_removes_all_of_it(
    layers: list[LayerEnvironment], outputs: tuple[Outputs, ...]
) -> None:
    publish(layers, *outputs, reporter=silent())
    directory = outputs[0].directory
    assert directory / "__venvstacks__" / "index.json" in published_outputs(directory)
    clean(directory)
    assert list(directory.iterdir()) == []
