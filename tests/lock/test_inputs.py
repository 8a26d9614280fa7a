"""What counts as an input of a lock, and how a change of one is told. Nothing is run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from venvlayers.lock.inputs import LockInputs, difference, lock_inputs
from venvlayers.platforms import PLATFORMS, PythonVersion, Targets
from venvlayers.spec.kinds import LayerKind
from venvlayers.spec.model import (
    LayerSpec,
    PythonRequest,
    RuntimeSourceChoice,
    SourceModule,
    StackOptions,
    StackSpec,
)

BASE = LayerSpec(
    kind=LayerKind.RUNTIME,
    name="base",
    requirements=("lib",),
    platforms=tuple(PLATFORMS.values()),
    python=PythonRequest(implementation="cpython", version=PythonVersion(3, 12)),
)
UPPER = LayerSpec(
    kind=LayerKind.FRAMEWORK,
    name="upper",
    requirements=("tool",),
    platforms=tuple(PLATFORMS.values()),
    lower=("framework-a", "framework-b", "base"),
)
A, B = (replace(UPPER, name=name, lower=("base",)) for name in "ab")
SPEC = StackSpec(
    path=Path("/nowhere/venvstacks.toml"),
    layers=(BASE, A, B, UPPER),
    uv_settings={"index": [{"name": "x", "url": "http://x/"}], "resolution": "highest"},
)


class Locked(NamedTuple):
    """A lock of a layer below."""

    requirements_hash: str
    lock_version: int = 1


def locks(*names: str) -> list[Locked]:
    """Return locks of layers below, each with a set of its own."""
    return [Locked(f"sha256:{name}") for name in names]


LOWER = locks("a", "b", "base")


def reason(before: LayerSpec, after: LayerSpec, **spec: Any) -> str | None:
    """Return what is told of a layer that was locked as *before* and is declared as *after*."""
    lower = LOWER if before.lower else ()
    changed = replace(SPEC, **spec)
    return difference(lock_inputs(SPEC, before, lower), lock_inputs(changed, after, lower))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, None),
        ({"requirements": ("lib>1",)}, "its requirements changed"),
        (
            {"platforms": (PLATFORMS["linux_x86_64"], PLATFORMS["win_amd64"])},
            "its platforms changed from linux_x86_64, linux_aarch64, macosx_arm64, macosx_x86_64,",
        ),
        ({"targets": Targets(glibc=(2, 17))}, "its linux_target changed from glibc@2.28 to"),
        ({"targets": Targets(macos=(14, 2))}, "its macosx_target changed from 13.0 to 14.2"),
        (
            {"python": PythonRequest(implementation="cpython", version=PythonVersion(3, 12, 4))},
            "its Python changed from cpython@3.12 to cpython@3.12.4",
        ),
        ({"package_indexes": {"lib": "x"}}, "tool.uv.sources is new"),
        ({"versioned": True}, "its versioned changed from false to true"),
        ({"dynlib_exclude": ("*",)}, None),
    ],
)
def test_h14_h16_h21_each_input_is_told(change: dict[str, Any], told: str | None) -> None:
    """H14, H16, H21, X12."""
    found = reason(BASE, replace(BASE, **change))
    assert (found or "").startswith(told or "")
    assert (found is None) == (told is None)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"index": [{"name": "x", "url": "http://y/"}]}, "tool.uv.index changed; tool.uv.resol"),
        ({"index": SPEC.uv_settings["index"]}, "tool.uv.resolution is gone"),
        ({**SPEC.uv_settings, "prerelease": "allow"}, "tool.uv.prerelease is new"),
        ({**SPEC.uv_settings, "exclude-newer": "2024-01-31"}, "its exclude-newer is now 2024-02"),
        ({**SPEC.uv_settings, "link-mode": "copy", "workspace": {"members": []}}, None),
        ({**SPEC.uv_settings, "upgrade": True, "no-sources": False}, None),
        ({**SPEC.uv_settings, "python-preference": "system", "reinstall": True}, None),
    ],
)
def test_e7_x12_settings_of_uv_are_inputs_if_they_bear_on_a_choice(
    settings: dict[str, Any], told: str | None
) -> None:
    """E7, X12, H16."""
    found = reason(BASE, BASE, uv_settings=settings)
    assert (found or "").startswith(told or "")
    assert (found is None) == (told is None)


def test_where_a_runtime_comes_from_is_an_input_of_runtimes() -> None:
    options = StackOptions(runtime_source=RuntimeSourceChoice.LOCAL)
    assert reason(BASE, BASE, options=options) == "its runtime_source changed from auto to local"
    assert reason(UPPER, UPPER, options=options) is None


def test_x14_layers_below_are_inputs_one_by_one() -> None:
    """X14, H14: what they have, and their order."""
    before = lock_inputs(SPEC, UPPER, LOWER)
    other = locks("a", "other", "base")
    assert difference(before, lock_inputs(SPEC, UPPER, other)) == "framework-b below it changed"
    turned = replace(UPPER, lower=("framework-b", "framework-a", "base"))
    swapped = locks("b", "a", "base")
    assert difference(before, lock_inputs(SPEC, turned, swapped)) == (
        "the layers below it changed from framework-a, framework-b, base "
        "to framework-b, framework-a, base"
    )
    fewer = replace(UPPER, lower=("framework-a", "base"))
    assert str(difference(before, lock_inputs(SPEC, fewer, locks("a", "base")))) == (
        "the layers below it changed from framework-a, framework-b, base to framework-a, base"
    )


def test_183_a_format_of_another_release_is_told() -> None:
    """#183."""
    now = lock_inputs(SPEC, BASE, ())
    for others in ({}, {**now.others, "format": "1"}):
        before = LockInputs(lock_input_hash=now.lock_input_hash, others=others, version=now.version)
        assert difference(before, now) == "it was made by another release of hatch-venvstacks"


def test_h15_modules_are_inputs_of_versioned_layers_alone(tmp_path: Path) -> None:
    """H15, #89, #196, #201: content and name."""
    top, other = tmp_path / "top.py", tmp_path / "other.py"
    for path in (top, other):
        path.write_text("print('top')\n", "utf-8")
    plain = replace(
        UPPER, kind=LayerKind.APPLICATION, name="top", launch_module=SourceModule(path=top)
    )
    versioned = replace(plain, versioned=True)
    locked = {layer.versioned: lock_inputs(SPEC, layer, LOWER) for layer in (plain, versioned)}
    renamed = lock_inputs(SPEC, replace(versioned, launch_module=SourceModule(path=other)), LOWER)
    assert difference(locked[True], renamed) == (
        "its launch module other is new; its launch module top is gone"
    )
    top.write_text("print('changed')\n", "utf-8")
    assert difference(locked[True], lock_inputs(SPEC, versioned, LOWER)) == (
        "its launch module top changed"
    )
    assert difference(locked[False], lock_inputs(SPEC, plain, LOWER)) is None
    assert lock_inputs(SPEC, versioned, LOWER).same_set(locked[True])


def test_a_versioned_layer_below_is_told_once() -> None:
    """K22, K25: its number is a part of what a versioned layer above it refers to."""
    spec = replace(SPEC, layers=(BASE, A, replace(B, versioned=True), UPPER))
    upper = replace(UPPER, versioned=True)
    other = [LOWER[0], Locked("sha256:other", 2), LOWER[2]]
    before, after = lock_inputs(spec, upper, LOWER), lock_inputs(spec, upper, other)
    assert difference(before, after) == "framework-b below it changed"
    assert before.version != after.version


def test_a_number_that_changed_alone_is_a_change() -> None:
    """K22: a lock that lost its record gets another number for the same set."""
    spec = replace(SPEC, layers=(BASE, A, replace(B, versioned=True), UPPER))
    upper = replace(UPPER, versioned=True)
    other = [LOWER[0], Locked("sha256:b", 2), LOWER[2]]
    before, after = lock_inputs(spec, upper, LOWER), lock_inputs(spec, upper, other)
    assert difference(before, after) == "its link to framework-b changed from @1 to @2"
    assert before.same_set(after)
    plain = replace(UPPER, versioned=False)
    assert difference(lock_inputs(spec, plain, LOWER), lock_inputs(spec, plain, other)) is None
