"""`candidates.py` on programs that answer as an interpreter of some kind would."""

from __future__ import annotations

import json
import os
import platform
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support.runtime_layers import Said
from venvlayers.build.runtime import records
from venvlayers.build.runtime.candidates import search, survey
from venvlayers.build.runtime.source import RuntimeContext
from venvlayers.report import Kind
from venvlayers.uv import Uv


def pretend(place: Path, version: str = "3.12.7", **differently: Any) -> Path:
    """Write a program that answers as a Python in *place* would."""
    series = version.rpartition(".")[0]
    program = place / "bin" / "python3"
    answer = {
        "implementation": "cpython",
        "release": version,
        "version": [int(part) for part in version.split(".")],
        "final": True,
        "executable": str(program),
        "prefix": str(place),
        "exec_prefix": str(place),
        "stdlib": str(place / "lib" / f"python{series}"),
        "lib": "lib",
        "multiarch": "",
        "free_threaded": False,
        "debug": False,
        "debian": False,
        "machine": platform.machine(),
        "bits": 64,
    }
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\ncat <<'.'\n{json.dumps(answer | differently)}\n.\n")
    program.chmod(0o755)
    return program


@pytest.mark.parametrize(
    ("differently", "reason"),
    [
        ({"implementation": "graalpy"}, "it is neither CPython nor PyPy"),
        ({"final": False}, "it is a pre-release"),
        ({"free_threaded": True}, "it is a free-threaded build"),
        ({"debug": True}, "it is a debug build"),
        ({"multiarch": "x86_64-linux-musl"}, "it is made for musl"),
        ({"machine": "vax"}, "it is made for another processor"),
        ({"bits": 32}, "it is made for another processor"),
        ({"lib": "lib64"}, "its standard library is not in lib/python3.12"),
        ({"exec_prefix": "/elsewhere"}, "its standard library is not in lib/python3.12"),
    ],
)
def test_what_cannot_become_a_layer_is_passed_over(
    tmp_path: Path, context: RuntimeContext, differently: dict[str, Any], reason: str
) -> None:
    found = survey(iter([pretend(tmp_path / "odd", **differently)]), context)
    assert found.pythons == ()
    assert found.passed_over == (f"3.12.7 in {tmp_path / 'odd'}: {reason}",)


def test_a_pypy_and_a_cpython_of_one_version_are_two(
    tmp_path: Path, context: RuntimeContext
) -> None:
    """C1."""
    stdlib = str(tmp_path / "pypy" / "lib" / "pypy3.12")
    differently = {"implementation": "pypy", "release": "8.0.1", "stdlib": stdlib}
    programs = [pretend(tmp_path / "pypy", **differently), pretend(tmp_path / "cpython")]
    found = survey(iter(programs), context).pythons
    assert {str(python.pin("local")) for python in found} == {"pypy@3.12.7", "cpython@3.12.7"}
    assert {python.pin("local").build for python in found} == {"8.0.1", None}
    records.remember(found)
    assert records.recall(found[0].pin("local")) is None  # its library is not there
    for python in found:
        python.stdlib.mkdir(parents=True)
        assert records.recall(python.pin("local")) == python


def test_what_does_not_run_is_a_detail(tmp_path: Path, context: RuntimeContext, said: Said) -> None:
    broken, silent, missing = (tmp_path / name for name in ("broken", "silent", "missing"))
    broken.write_text("#!/bin/sh\necho no >&2\nexit 127\n")
    silent.write_text("not a program")
    broken.chmod(0o755)
    found = survey(iter([broken, silent, missing]), context)
    assert (found.pythons, found.passed_over) == ((), ())
    assert sorted(said.of(Kind.DETAIL)) == [
        f"passed over {broken}: no",
        f"passed over {silent}: Permission denied",
    ]


def test_of_one_version_the_choice_does_not_depend_on_the_order(
    tmp_path: Path, context: RuntimeContext
) -> None:
    usr = {"prefix": "/usr", "exec_prefix": "/usr", "stdlib": "/usr/lib/python3.12"}
    system = pretend(tmp_path / "s", **usr)
    programs = [system, pretend(tmp_path / "b"), pretend(tmp_path / "a")]
    programs.append(pretend(tmp_path / "newer", "3.12.10"))
    for order in (programs, programs[::-1]):
        newest, best = survey(iter(order), context).pythons
        assert newest.prefix == tmp_path / "newer"
        assert best.prefix == tmp_path / "a"


def test_version_managers_are_searched_without_their_shims(
    tmp_path: Path, context: RuntimeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = {
        pretend(tmp_path / "home" / ".pyenv" / "versions" / "3.12.1"),
        pretend(tmp_path / "named" / "versions" / "3.12.2"),
        pretend(tmp_path / "on-path" / "versions" / "3.12.3"),
        pretend(tmp_path / "asdf" / "installs" / "python" / "3.12.4"),
    }
    shims = tmp_path / "on-path" / "shims"
    started = tmp_path / "started"
    shims.mkdir()
    (shims / "python3").write_text(f"#!/bin/sh\ntouch '{started}'\nexit 127\n")
    (shims / "python3").chmod(0o755)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "named"))
    path = [str(shims), str(tmp_path / "asdf" / "shims"), str(tmp_path / "empty")]
    monkeypatch.setenv("PATH", os.pathsep.join(path))
    found = set(search(context))
    assert found >= expected
    assert not started.exists()


def test_the_python_that_runs_us_is_a_candidate(context: RuntimeContext) -> None:
    first = next(iter(search(context)))
    assert first.samefile(Path(sys.base_prefix) / "bin" / first.name)
    (python,) = survey(iter([first, Path(sys.executable)]), context).pythons
    assert str(python.interpreter.version) == platform.python_version()
    assert python.stdlib == Path(os.__file__).parent


def test_a_uv_that_cannot_search_is_a_detail(
    tmp_path: Path, context: RuntimeContext, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "uv"
    program.write_text('#!/bin/sh\n[ "$1" = --version ] && echo uv 99.0.0 || exit 2\n')
    program.chmod(0o755)
    assert list(search(replace(context, named_uv=Uv(path=program))))
    assert any("uv cannot list" in message for message in said.of(Kind.DETAIL))
