"""Libraries that are in a lower layer: found out, and told."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import pytest

from support.layers import make_layer
from support.shared_objects import shared_object
from venvlayers.build.libraries import Elsewhere, libraries_elsewhere, matches_end
from venvlayers.build.model import LayerEnvironment
from venvlayers.platforms import PLATFORMS

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="its modules are ELF files")


def layer(place: Path, name: str, files: Mapping[str, bytes], **more: object) -> LayerEnvironment:
    return make_layer(place / name, files, {"package": tuple(files)}, name=name, **more)


@pytest.fixture
def lower(tmp_path: Path) -> LayerEnvironment:
    files = ("libcudart.so.12", "sub/.libs/libplain.so", "_zeros.cpython-311-x86_64-linux-gnu.so")
    return layer(tmp_path, "framework-lower", {f"site/{name}": b"" for name in files})


@on_linux
def test_libraries_of_a_lower_layer_are_noticed(tmp_path: Path, lower: LayerEnvironment) -> None:
    """J1, X7: also those with a version behind their suffix."""
    needs = ("libcudart.so.12", "libplain.so", "libown.so.1", "libnowhere.so.3")
    files = {
        "site/module.so": shared_object(tmp_path, *needs),
        "site/libs/libown.so.1": shared_object(tmp_path),
        "site/_zeros.cpython-311-x86_64-linux-gnu.so": shared_object(tmp_path),
        "site/no-library.txt": b"",
    }
    upper = layer(tmp_path, "framework-upper", files)
    assert libraries_elsewhere(upper, [lower], {}) == [
        Elsewhere(library="libcudart.so.12", layer="framework-lower"),
        Elsewhere(library="libplain.so", layer="framework-lower"),
    ]
    excluded = {"framework-lower": ["lib*.so.*", ".libs/*"]}
    assert libraries_elsewhere(upper, [lower], excluded) == []


@on_linux
def test_the_nearest_layer_is_named(tmp_path: Path, lower: LayerEnvironment) -> None:
    upper = layer(tmp_path, "app-top", {"site/m.so": shared_object(tmp_path, "libplain.so")})
    nearer = layer(tmp_path, "framework-nearer", {"site/libplain.so": b""})
    (found,) = libraries_elsewhere(upper, [nearer, lower], {})
    assert found.layer == "framework-nearer"


@on_linux
def test_on_windows_nothing_is_said(tmp_path: Path, lower: LayerEnvironment) -> None:
    """J7: packages look after themselves there."""
    files = {"site/m.so": shared_object(tmp_path, "libplain.so")}
    upper = layer(tmp_path, "app-top", files, platform=PLATFORMS["win_amd64"])
    assert libraries_elsewhere(upper, [lower], {}) == []


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("*", True),
        ("libx.so", True),
        ("lib?.so", True),
        ("lib[a-y].so", True),
        ("lib[!a-y].so", False),
        (".dylibs/libx.so", True),
        ("**/libx.so", True),
        ("pkg/**/libx.so", True),
        ("pkg/**/*", True),
        (".dylibs", False),
        ("lib", False),
        ("other/**/libx.so", False),
        ("site/pkg/.dylibs/libx.so", True),
        ("a/site/pkg/.dylibs/libx.so", False),
    ],
)
def test_patterns_match_the_end(pattern: str, *, matches: bool) -> None:
    """B9, #221: also through directories with a dot."""
    assert matches_end(PurePosixPath("site/pkg/.dylibs/libx.so"), pattern) is matches
