"""Records, absolute paths, and modules that hide each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.checked import SITE, checked_layer, found
from support.layers import FileContent, Link, Program
from support.program_files import elf
from venvlayers.build.sources import AppModules
from venvlayers.project.model import ProjectWheel
from venvlayers.spec.kinds import LayerKind
from venvlayers.spec.model import Accepted, FindingKind, Launch

MADE_IN = "/home/somebody/project/_build"


def test_a_record_that_differs(tmp_path: Path) -> None:
    layer = checked_layer(
        tmp_path, {"pkg": {"pkg/a.py": b"A = 1\n", "pkg/b.py": b"", "c.pyc": b""}}
    )
    (layer.environment.path / SITE / "pkg/a.py").write_bytes(b"A = 22\n")
    (layer.environment.path / SITE / "pkg/b.py").unlink()
    (layer.environment.path / SITE / "c.pyc").unlink()
    texts = [text for _, _, text in found(layer)]
    begin = f"framework-checked: pkg: {SITE}/pkg/"
    again = "; something else wrote to the environment; build the layer again [record]"
    assert texts == [
        f"{begin}a.py is not what was recorded: its size differs{again}",
        f"{begin}b.py is recorded, and missing{again}",
    ]
    assert {severity for severity, _, _ in found(layer)} == {"error"}


def test_files_that_nobody_recorded(tmp_path: Path) -> None:
    others: dict[str, FileContent] = {
        f"{SITE}/pkg/more.py": b"",
        f"{SITE}/pkg/__pycache__/a.cpython-312.pyc": b"",
        f"{SITE}/pkg-1.0.dist-info/RECORD.jws": b"",
        f"{SITE}/sitecustomize.py": b"",
        f"{SITE}/_venvstacks.pth": b"../../../../base/lib\n",
        f"{SITE}/_venvstacks_run.py": b"",
        f"{SITE}/demo.py": b"",
        f"{SITE}/helpers/__init__.py": b"",
        "postinstall.py": b"",
    }
    layer = checked_layer(
        tmp_path,
        {"pkg": {"pkg/a.py": b""}},
        others=others,
        kind=LayerKind.APPLICATION,
        launch=Launch(module="demo"),
        modules=AppModules(launch="sha256:1", support={"helpers": "sha256:2"}),
    )
    ((severity, kind, text),) = found(layer)
    assert (severity, kind) == ("warning", "record")
    assert text.startswith(f"framework-checked: {SITE}/pkg/more.py is among the packages and in")


def test_a_module_of_two_packages(tmp_path: Path) -> None:
    shared = {
        "cv2/__init__.py": b"A = 1\n",
        "cv2/cv2.abi3.so": elf(),
        "LICENSE": b"text",
        "google/__init__.py": b"__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n",
        "empty/__init__.py": b"\n",
    }
    packages = {"opencv-python": shared, "opencv-python-headless": shared}
    ((severity, kind, text),) = found(checked_layer(tmp_path, packages))
    assert (severity, kind) == ("warning", "file-of-two")
    assert text == (
        f"framework-checked: opencv-python and opencv-python-headless: {SITE}/cv2/__init__.py (and"
        " 1 more) is brought by both, and there can be only one; leave out one of the packages"
        " [file-of-two]"
    )


@pytest.mark.parametrize("pattern", ["cv2", "opencv-python", "opencv-*-headless", "cv2/*"])
def test_a_module_of_two_packages_is_accepted(tmp_path: Path, pattern: str) -> None:
    """By the module, by either package, and by paths."""
    shared = {"cv2/__init__.py": b"A = 1\n", "cv2/cv2.abi3.so": elf()}
    accepted = (Accepted(kind=FindingKind.FILE_OF_TWO, pattern=pattern),)
    packages = {"opencv-python": shared, "opencv-python-headless": shared}
    ((severity, _, _),) = found(checked_layer(tmp_path, packages, accepted=accepted))
    assert severity == "note"


@pytest.mark.parametrize(
    ("path", "content", "severity", "what"),
    [
        ("bin/tool", Link("/usr/bin/tool"), "error", "is a link to /usr/bin/tool"),
        (
            "bin/tool",
            Program(b"#!/opt/python/bin/python3\n"),
            "warning",
            "leads to /opt/python",
        ),
        ("bin/tool", Program(b"#!/bin/sh\nexec x\n"), None, ""),
        ("bin/tool", Program(b"#!/usr/bin/env python3\n"), None, ""),
        ("bin/tool", Program(f"#!{MADE_IN}/x/bin/python\n".encode()), "error", "where it was made"),
        ("pyvenv.cfg", b"home = /usr/bin\nversion = 3.12.7\n", "warning", "leads to /usr/bin"),
        ("pyvenv.cfg", b"version = 3.12.7\n", None, ""),
        (f"{SITE}/x.pth", b"import x\n# /a\n/opt/x\n", "warning", "leads to /opt/x"),
        (f"{SITE}/x.pth", b"C:\\x\n", "warning", "leads to C:\\x"),
        (f"{SITE}/_venvstacks.pth", b"../../../../base/lib\n", None, ""),
        (f"{SITE}/demo/where.py", f"P = '{MADE_IN}'".encode(), "warning", "where it was made"),
        (f"{SITE}/sitecustomize.py", f"P = '{MADE_IN}'".encode(), "error", "where it was made"),
        ("share/x/settings.json", f"{MADE_IN}/x".encode(), "error", "where it was made"),
    ],
)
def test_absolute_paths(
    tmp_path: Path, path: str, content: FileContent, severity: str | None, what: str
) -> None:
    layer = checked_layer(
        tmp_path,
        others={path: content},
        traces=(MADE_IN, "/b"),
        kind=LayerKind.APPLICATION,
        launch=Launch(module="demo"),
        modules=None,
    )
    findings = [entry for entry in found(layer) if entry[1] == "absolute-path"]
    assert [entry[0] for entry in findings] == ([severity] if severity else [])
    assert all(what in text for _, _, text in findings)


def test_what_wheels_and_interpreters_bring_is_not_read(tmp_path: Path) -> None:
    """It was made elsewhere, and an interpreter was searched when it was copied."""
    others: dict[str, FileContent] = {"lib/python3.12/_sysconfigdata.py": MADE_IN.encode()}
    layer = checked_layer(
        tmp_path,
        {"pkg": {"pkg/notes.txt": MADE_IN.encode()}},
        others=others,
        traces=(MADE_IN,),
        kind=LayerKind.RUNTIME,
    )
    assert found(layer) == []


def test_the_projects_own_wheel_was_made_here(tmp_path: Path) -> None:
    files = {"pkg/where.py": f"PREFIX = '{MADE_IN}/x'".encode(), "pkg/_m.abi3.so": elf()}
    files["pkg/_debug.abi3.so"] = elf() + MADE_IN.encode()
    wheel = ProjectWheel(
        path=Path("my_pkg-1.0-py3-none-any.whl"),
        name="my-pkg",
        version="1.0",
        sha256="1",
        content_hash="sha256:1",
        code_hash="sha256:2",
    )
    layer = checked_layer(tmp_path, {"My.Pkg": files}, traces=(MADE_IN,), wheel=wheel)
    ((severity, kind, text),) = found(layer)
    assert (severity, kind) == ("warning", "absolute-path")
    assert "_debug.abi3.so (and 1 more) names /home/somebody/project/_build, which is" in text


def test_where_libraries_are_also_looked_for_is_a_note(tmp_path: Path) -> None:
    files = {"pkg/_m.abi3.so": elf(runpath="$ORIGIN:/usr/lib64:/opt/ci/lib")}
    ((severity, kind, text),) = found(checked_layer(tmp_path, {"pkg": files}))
    assert (severity, kind) == ("note", "absolute-path")
    assert "looks for libraries in /opt/ci/lib too" in text


EXTENDED = b"from pkgutil import extend_path\n__path__ = extend_path(__path__, __name__)\n"


@pytest.mark.parametrize(
    ("above", "below", "hidden"),
    [
        ({"yaml.py": b"A = 1\n"}, {"yaml.py": b"A = 2\n"}, "yaml"),
        ({"yaml.py": b"A = 1\n"}, {"yaml.py": b"A = 1\n"}, None),
        ({"yaml.py": b"A = 1\n"}, {"toml.py": b"A = 2\n"}, None),
        ({"yaml/__init__.py": b"", "yaml/a.py": b""}, {"yaml.py": b"A = 2\n"}, "yaml"),
        ({"yaml/__init__.py": b"", "yaml/a.py": b"1"}, {"yaml/__init__.py": b""}, None),
        ({"yaml/__init__.py": b""}, {"yaml/__init__.py": b"", "yaml/a.py": b"2"}, "yaml"),
        ({"yaml.abi3.so": elf()}, {"yaml.py": b"A = 2\n"}, "yaml"),
        # Packages that several distributions are parts of.
        ({"google/a/__init__.py": b"1"}, {"google/b/__init__.py": b"2"}, None),
        ({"google/a/__init__.py": b"1"}, {"google/a/__init__.py": b"2"}, "google.a"),
        ({"google/deep/a.py": b"1"}, {"google/deep/a.py": b"2"}, "google.deep.a"),
        ({"g/__init__.py": EXTENDED, "g/a.py": b"1"}, {"g/b.py": b"2"}, None),
        (
            {"g/__init__.py": EXTENDED, "g/a.py": b"1"},
            {"g/__init__.py": EXTENDED + b"\n", "g/a.py": b"2"},
            "g.a",
        ),
        # What is no module.
        ({"share/x.txt": b"1"}, {"share/x.txt": b"2"}, None),
        ({"LICENSE.txt": b"1"}, {"LICENSE.txt": b"2"}, None),
        ({"yaml.libs/liba.so": b"1"}, {"yaml.libs/liba.so": b"2"}, None),
    ],
)
def test_a_module_that_hides_another(
    tmp_path: Path, above: dict[str, bytes], below: dict[str, bytes], hidden: str | None
) -> None:
    lower = checked_layer(tmp_path, {"two": below}, name="framework-lower")
    upper = checked_layer(tmp_path, {"one": above}, name="app-top", lower=(lower,))
    findings = [text for _, kind, text in found(upper, lower) if kind == "hidden-module"]
    assert len(findings) == bool(hidden)
    if hidden:
        said = f"is of {hidden} in app-top, and hides that of two in framework-lower; leave out"
        assert said in findings[0]


def test_a_part_of_a_package_is_hidden_by_a_whole_one_further_down(tmp_path: Path) -> None:
    lower = checked_layer(tmp_path, {"two": {"g/__init__.py": b"2"}}, name="framework-lower")
    upper = checked_layer(tmp_path, {"one": {"g/a.py": b"1"}}, name="app-top", lower=(lower,))
    ((severity, _kind, text),) = found(upper, lower)
    assert severity == "warning"
    assert "is of g in framework-lower, and hides that of one in app-top" in text


def test_another_version_of_a_package_is_meant(tmp_path: Path) -> None:
    """The lock has it, and said so."""
    lower = checked_layer(tmp_path, {"my-pkg": {"pkg.py": b"2"}}, name="framework-lower")
    upper = checked_layer(tmp_path, {"My.Pkg": {"pkg.py": b"1"}}, name="app-top", lower=(lower,))
    assert found(upper, lower) == []


def test_what_nobody_imports_is_a_note(tmp_path: Path) -> None:
    lower = checked_layer(tmp_path, {"a": {"tests/__init__.py": b"2"}}, name="framework-lower")
    upper = checked_layer(
        tmp_path, {"b": {"tests/__init__.py": b"1"}}, name="app-top", lower=(lower,)
    )
    assert [entry[0] for entry in found(upper, lower)] == ["note"]


def test_frameworks_are_compared_where_an_application_joins_them(tmp_path: Path) -> None:
    """And once: not again where one of them stands on the other."""
    runtime = checked_layer(tmp_path, {"r": {"yaml.py": b"3"}}, name="base")
    one = checked_layer(
        tmp_path, {"one": {"yaml.py": b"1"}}, name="framework-one", lower=(runtime,)
    )
    two = checked_layer(
        tmp_path, {"two": {"yaml.py": b"2"}}, name="framework-two", lower=(runtime,)
    )
    app = checked_layer(tmp_path, name="app-top", lower=(one, two, runtime))
    ((_severity, _kind, text),) = found(app, one, two, runtime)
    assert text.startswith(f"app-top: one: {SITE}/yaml.py is of yaml in framework-one, and hides")
