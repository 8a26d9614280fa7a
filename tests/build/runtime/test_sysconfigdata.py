"""`sysconfigdata.py`: what is written computes the same values for another prefix."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from venvlayers.build.runtime.origin import Origin
from venvlayers.build.runtime.sysconfigdata import built_for, read, relocatable
from venvlayers.errors import BuildError


def imported(text: str) -> dict[str, Any]:
    namespace: dict[str, Any] = {}
    exec(text, namespace)
    variables: dict[str, Any] = namespace["build_time_vars"]
    return variables


def test_paths_follow_the_running_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    variables: dict[str, str | int] = {
        "LIBDIR": "/home/me/py/lib",
        "LDFLAGS": "-L/home/me/py/lib -Wl,-rpath,/home/me/py/lib",
        "BLDSHARED": "gcc -I/install/include -L/install/lib '--prefix=/install'",
        "INSTALL": "/usr/bin/install -c",
        "SCRIPT": "/opt/src/install-sh /install-sh",
        "COVERAGE": "/tmp/build.7/Python/coverage",
        "abs_builddir": "/tmp/build.7/Python",
        "prefix": "/home/me/py",
        "EMPTY": "",
        "SIZE": 8,
    }
    text = relocatable(variables, Origin.of(["/home/me/py"]))
    monkeypatch.setattr(sys, "base_prefix", "/new place")
    assert imported(text) == {
        "LIBDIR": "/new place/lib",
        "LDFLAGS": "-L/new place/lib -Wl,-rpath,/new place/lib",
        "BLDSHARED": "gcc -I/new place/include -L/new place/lib '--prefix=/new place'",
        "INSTALL": "/usr/bin/install -c",
        "SCRIPT": "/opt/src/install-sh /install-sh",
        "COVERAGE": "/build/coverage",
        "abs_builddir": "/build",
        "prefix": "/new place",
        "EMPTY": "",
        "SIZE": 8,
    }


def test_the_text_does_not_depend_on_where_it_was() -> None:
    one = relocatable({"LIBDIR": "/a/lib", "B": 1}, Origin.of(["/a"]))
    two = relocatable({"B": 1, "LIBDIR": f"/{'b' * 90}/lib"}, Origin.of([f"/{'b' * 90}"]))
    assert one == two


def test_a_system_prefix_is_replaced_only_where_it_means_the_interpreter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    variables: dict[str, str | int] = {
        "prefix": "/usr",
        "DESTDIRS": "/usr /usr/lib/python3.11/lib-dynload",
        "INSTALL": "/usr/bin/install -c",
        "TK": "-I/usr/include/tcl8.6",
    }
    monkeypatch.setattr(sys, "base_prefix", "/layer")
    assert imported(relocatable(variables, Origin.of(["/usr"]))) == {
        "prefix": "/layer",
        "DESTDIRS": "/layer /layer/lib/python3.11/lib-dynload",
        "INSTALL": "/usr/bin/install -c",
        "TK": "-I/usr/include/tcl8.6",
    }


def test_it_is_read_without_being_run(tmp_path: Path) -> None:
    path = tmp_path / "_sysconfigdata_x.py"
    path.write_text("# header\nprint('run')\nbuild_time_vars = {'prefix': '/p', 'N': 1}\n")
    assert read(path) == {"prefix": "/p", "N": 1}
    assert built_for(tmp_path) == ("/p",)
    path.write_text("x = 1\n")
    with pytest.raises(BuildError, match="holds no build_time_vars"):
        read(path)
