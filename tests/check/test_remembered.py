"""Reports that are remembered: whole, of the same only, and never of what is refused."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support.checked import SITE, checked_layer, report_on
from support.program_files import AARCH64, elf
from venvlayers.check import remembered
from venvlayers.check.model import CheckedLayer, Report, Severity
from venvlayers.check.remembered import Remembered, identity, identity_together
from venvlayers.platforms import Targets
from venvlayers.spec.model import Accepted, FindingKind

KEY = "0" * 64
RECORD = f"{SITE}/pkg-1.0.dist-info/RECORD"


def made(root: Path, **more: Any) -> CheckedLayer:
    packages = {"pkg": {"pkg/_m.abi3.so": elf("liba.so.1", "libb.so.2")}}
    return checked_layer(root, packages, others={RECORD: b"pkg/_m.abi3.so,sha256=1,9\n"}, **more)


def test_a_report_comes_back_as_it_was(tmp_path: Path) -> None:
    report = report_on(made(tmp_path))
    assert report.findings
    assert report.unknown
    memory = Remembered(tmp_path / "memory")
    assert memory.report(KEY) is None
    memory.remember(KEY, report)
    assert Remembered(tmp_path / "memory").report(KEY) == report
    again = memory.report(KEY)
    assert again is not None
    assert again.as_json() == report.as_json()
    assert [str(finding) for finding in again.findings] == [str(one) for one in report.findings]


def test_errors_are_not_remembered(tmp_path: Path) -> None:
    layer = checked_layer(tmp_path, {"pkg": {"pkg/_m.abi3.so": elf(machine=AARCH64)}})
    report = report_on(layer)
    assert report.of(Severity.ERROR)
    memory = Remembered(tmp_path / "memory")
    memory.remember(KEY, report)
    assert memory.report(KEY) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "[]",
        "{}",
        '{"findings": [{}]}',
        '{"findings": [1]}',
        '{"findings": [], "unknown": [], "other": 1}',
    ],
)
def test_what_another_program_wrote_does_not_count(tmp_path: Path, text: str) -> None:
    memory = Remembered(tmp_path)
    memory._memory.remember(KEY, text)
    assert memory.report(KEY) is None


def test_the_same_made_again_elsewhere_is_the_same(tmp_path: Path) -> None:
    first, second = made(tmp_path / "one"), made(tmp_path / "two")
    (second.environment.path / SITE / "__pycache__").mkdir()
    (second.environment.path / SITE / "__pycache__/x.cpython-312.pyc").write_bytes(b"made since")
    assert identity(first) == identity(second)
    assert len(identity(first)) == 64


def edit(path: str, content: bytes) -> Callable[[CheckedLayer], CheckedLayer]:
    def edited(layer: CheckedLayer) -> CheckedLayer:
        (layer.environment.path / path).write_bytes(content)
        return layer

    return edited


def link(layer: CheckedLayer) -> CheckedLayer:
    (layer.environment.path / "link").symlink_to(os.devnull)
    return layer


def rebuild(layer: CheckedLayer) -> CheckedLayer:
    return replace(layer, environment=replace(layer.environment, key="sha256:other"))


@pytest.mark.parametrize(
    "change",
    [
        edit(f"{SITE}/more.py", b""),
        edit(RECORD, b"pkg/_m.abi3.so,sha256=2,9\n"),
        link,
        rebuild,
        lambda layer: replace(layer, targets=Targets(glibc=(2, 17))),
        lambda layer: replace(layer, accepted=(Accepted(kind=FindingKind.RECORD),)),
        lambda layer: replace(layer, hidden_libraries=("liba.so.*",)),
        lambda layer: replace(layer, lower=("base",)),
        lambda layer: replace(layer, traces=("/home/me/project/_build",)),
    ],
)
def test_whatever_a_report_follows_from_makes_another(
    tmp_path: Path, change: Callable[[CheckedLayer], CheckedLayer]
) -> None:
    layer = made(tmp_path)
    before = identity(layer)
    assert identity(change(layer)) != before


def test_another_release_looks_for_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = made(tmp_path)
    before = identity(layer)
    monkeypatch.setattr(remembered, "__version__", "99.0")
    assert identity(layer) != before


def test_together_is_not_alone() -> None:
    one, two = "1" * 64, "2" * 64
    told = [[one], [two], [one, two], [two, one]]
    assert len({one, two, *(identity_together(some) for some in told)}) == 6


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    layer = made(tmp_path)
    before = identity(layer)
    place = os.fsencode(layer.environment.path) + b"/\xff"
    try:
        with open(place, "wb"):  # noqa: PTH123 - a name in bytes
            pass
    except OSError:
        pytest.skip("this file system has no such names")
    assert identity(layer) != before
    report = Report(layer="x", platform="y", files=1, binaries=0, findings=(), unknown=("\udcff",))
    memory = Remembered(tmp_path / "memory")
    memory.remember(KEY, report)
    assert memory.report(KEY) == report
    assert json.loads(next((tmp_path / "memory").iterdir()).read_text("utf-8").split("\n")[1])
