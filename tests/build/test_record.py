"""A RECORD lists what is there, whatever installed it."""

from __future__ import annotations

import base64
import csv
import hashlib
from pathlib import Path

import pytest

from venvlayers.build.arrived import altered_files, read_records
from venvlayers.build.record import installed_distributions, normalize_records
from venvlayers.build.scheme import Scheme
from venvlayers.build.verified import Verified
from venvlayers.platforms import PLATFORMS, Interpreter, PythonVersion

LINUX = Scheme(
    platform=PLATFORMS["linux_x86_64"], python=Interpreter("cpython", PythonVersion(3, 12, 1))
)

TRUSTED = "sha256=" + "t" * 43
"""What a wheel says of a file, and nobody finds out again."""


def install(env: Path) -> Path:
    """Make what uv leaves when a Python 3.11 with Windows' separators ran it."""
    site = env / LINUX.site_packages
    info = site / "tool-1.0.dist-info"
    info.mkdir(parents=True)
    (env / "bin").mkdir()
    (env / "include/site/python3.12").mkdir(parents=True)
    (env / "bin/tool").write_text("rewritten")
    (env / "include/site/python3.12/tool.h").write_text("header")
    (site / "tool.py").write_text("pass")
    (site / 'odd,"name.py').write_text("pass")
    for name in ("METADATA", "REQUESTED", "INSTALLER", "direct_url.json"):
        (info / name).write_text("uv")
    rows = [
        ["tool-1.0.dist-info/RECORD", "", ""],
        ["tool.py", TRUSTED, "4"],
        ['odd,"name.py', TRUSTED, "4"],
        ["tool.py", "sha256=again", "4"],
        ["gone.py", "sha256=x", "4"],
        ["../../../bin/tool", "sha256=old", "3"],
        ["../../../include/site/python3.11/tool.h", TRUSTED, "6"],
        ["tool-1.0.dist-info/METADATA", TRUSTED, "2"],
        ["tool-1.0.dist-info/INSTALLER", "sha256=old", "2"],
        ["tool-1.0.dist-info/REQUESTED", "sha256=old", "2"],
        ["tool-1.0.dist-info/direct_url.json", "sha256=old", "2"],
    ]
    with (info / "RECORD").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return info


def digest(content: bytes) -> str:
    encoded = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
    return f"sha256={encoded.decode()}"


def test_28_records_equal_the_disk(tmp_path: Path) -> None:
    """#28: RECORD is there, sorted, without what is gone."""
    info = install(tmp_path)
    normalize_records(tmp_path, LINUX)
    text = (info / "RECORD").read_bytes().decode()
    assert "\r" not in text
    rows = list(csv.reader(text.splitlines()))
    assert rows == [
        ["../../../bin/tool", digest(b"rewritten"), "9"],
        ["../../../include/site/python3.12/tool.h", TRUSTED, "6"],
        ['odd,"name.py', TRUSTED, "4"],
        ["tool-1.0.dist-info/INSTALLER", digest(b"hatch-venvstacks\n"), "17"],
        ["tool-1.0.dist-info/METADATA", TRUSTED, "2"],
        ["tool-1.0.dist-info/RECORD", "", ""],
        ["tool.py", TRUSTED, "4"],
    ]
    assert not (info / "REQUESTED").exists()
    assert not (info / "direct_url.json").exists()


@pytest.mark.parametrize("said", ["sha512=" + "t" * 86, "sha256=short", "md5=x"])
def test_records_say_sha256_of_everything(tmp_path: Path, said: str) -> None:
    """What packing relies on without reading a file again."""
    info = install(tmp_path)
    text = (info / "RECORD").read_text().replace(f"tool.py,{TRUSTED}", f"tool.py,{said}")
    (info / "RECORD").write_text(text)
    normalize_records(tmp_path, LINUX)
    lines = (info / "RECORD").read_text().splitlines()
    rows = {name: told for name, told, _size in csv.reader(lines)}
    assert rows["tool.py"] == digest(b"pass")
    assert rows["tool-1.0.dist-info/METADATA"] == TRUSTED


def test_distributions_own_the_files_that_their_records_list(tmp_path: Path) -> None:
    install(tmp_path)
    normalize_records(tmp_path, LINUX)
    (tmp_path / LINUX.site_packages / "no_record-2.dist-info").mkdir()
    (found,) = installed_distributions(tmp_path, LINUX)
    assert (found.name, found.version) == ("tool", "1.0")
    assert found.files[:2] == ("bin/tool", "include/site/python3.12/tool.h")
    assert len(found.files) == 7


def test_a_record_that_names_what_is_outside(tmp_path: Path) -> None:
    """A hostile wheel's: it is neither read nor recorded."""
    secret = tmp_path / "secret"
    secret.write_text("not of the layer")
    env = tmp_path / "env"
    info = install(env)
    rows = ["../../../../secret", "../....//....//secret", "x/../../../../../secret", str(secret)]
    with (info / "RECORD").open("a", newline="") as file:
        csv.writer(file).writerows([row, "sha256=x", "1"] for row in rows)
    (env / "secret").mkdir()  # no file: nothing to record
    there = altered_files(env, read_records(env), Verified(tmp_path / "verified"))
    assert not [path for path in there if "secret" in path]
    assert "bin/tool" in there
    normalize_records(env, LINUX)
    assert "secret" not in (info / "RECORD").read_text()
