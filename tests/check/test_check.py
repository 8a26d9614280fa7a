"""What becomes of findings: accepted, told, kept."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from support.checked import SITE, checked_layer, found, report_on
from support.program_files import AARCH64, elf
from venvlayers.check.model import Severity, require_sound
from venvlayers.errors import BuildError
from venvlayers.spec.model import Accepted, FindingKind

FILES = {"pkg/_m.abi3.so": elf("liba.so.1", "libb.so.2"), "pkg/_n.abi3.so": elf(machine=AARCH64)}


@pytest.mark.parametrize(
    ("kind", "pattern", "left"),
    [
        (FindingKind.FOREIGN_MODULE, "*", {"missing-library"}),
        (FindingKind.FOREIGN_MODULE, "my-pkg", {"missing-library"}),
        (FindingKind.FOREIGN_MODULE, "pkg/_n.*.so", {"missing-library"}),
        (FindingKind.FOREIGN_MODULE, "pkg/_m.*.so", {"missing-library", "foreign-module"}),
        (FindingKind.MISSING_LIBRARY, "lib[ab].so.*", {"foreign-module"}),
        (FindingKind.MISSING_LIBRARY, "liba.so.1", {"missing-library", "foreign-module"}),
        (FindingKind.OTHER_PYTHON, "*", {"missing-library", "foreign-module"}),
    ],
)
def test_what_is_accepted_is_a_note(
    tmp_path: Path, kind: FindingKind, pattern: str, left: set[str]
) -> None:
    accepted = (Accepted(kind=kind, pattern=pattern),)
    report = report_on(checked_layer(tmp_path, {"my.pkg": FILES}, accepted=accepted))
    serious = (*report.of(Severity.ERROR), *report.of(Severity.WARNING))
    assert {finding.kind.value for finding in serious} == left
    if pattern == "liba.so.1":  # the other is still missing
        assert [one.about for one in report.findings if one.kind is kind] == [
            ("libb.so.2",),
            ("liba.so.1",),
        ]
    for finding in report.of(Severity.NOTE):
        assert finding.is_accepted
        assert finding.as_json()["severity"] == "note"


def test_an_unsound_layer_is_refused_with_all_its_errors(tmp_path: Path) -> None:
    report = report_on(checked_layer(tmp_path, {"pkg": {**FILES, "pkg/_o.abi3.so": b"\x7fELF"}}))
    with pytest.raises(BuildError) as failure:
        require_sound(report)
    text = str(failure.value)
    assert text.startswith(
        "framework-checked cannot work on linux_x86_64:\n  - framework-checked: "
    )
    assert "_n.abi3.so is for aarch64" in text
    assert "_o.abi3.so cannot be imported" in text
    assert 'put "damaged-file" and "foreign-module" into the layer\'s `accepted_findings`' in text
    assert "liba" not in text
    require_sound(report_on(checked_layer(tmp_path, {"pkg": {"pkg/_m.abi3.so": elf("liba.so")}})))


def test_a_report_as_json(tmp_path: Path) -> None:
    report = report_on(checked_layer(tmp_path, {"pkg": {"pkg/_n.abi3.so": elf(machine=AARCH64)}}))
    document = report.as_json()
    assert document["layer"] == "framework-checked"
    assert document["platform"] == "linux_x86_64"
    assert (document["files"], document["binaries"]) == (2, 1)
    (finding,) = document["findings"]
    assert finding["files"] == ("lib/python3.12/site-packages/pkg/_n.abi3.so",)
    assert {key: finding[key] for key in ("kind", "severity", "package", "layer")} == {
        "kind": "foreign-module",
        "severity": "error",
        "package": "pkg",
        "layer": "framework-checked",
    }
    assert document["unknown"][-1].startswith("which libraries and modules are loaded by a name")


def test_long_lists_are_cut_in_sentences_only(tmp_path: Path) -> None:
    needs = [f"lib{number}.so" for number in range(9)]
    report = report_on(checked_layer(tmp_path, {"pkg": {"pkg/_m.abi3.so": elf(*needs)}}))
    (finding,) = report.findings
    assert "needs lib0.so, lib1.so, lib2.so, lib3.so, lib4.so (and 4 more): not in" in str(finding)
    assert finding.as_json()["what"].startswith(f"needs {', '.join(needs)}: ")


def test_an_empty_layer(tmp_path: Path) -> None:
    assert found(checked_layer(tmp_path)) == []


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such a name")
def test_names_that_are_not_utf_8(tmp_path: Path) -> None:
    """Archives refuse them, with what to do; the check can speak of them all the same."""
    layer = checked_layer(tmp_path)
    site = layer.environment.path / SITE
    site.mkdir(parents=True)
    Path(os.fsdecode(os.fsencode(site) + b"/gr\xfcn.py")).touch()
    (finding,) = report_on(layer).findings
    assert finding.files == (f"{SITE}/gr\\udcfcn.py",)
    str(finding).encode()
