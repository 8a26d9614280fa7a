"""`local.py` on a real interpreter, copied for the test and bound to its place."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from support.interpreters import VERSION
from support.runtime_layers import (
    Installed,
    Said,
    assert_clean,
    contents,
    files_with,
    portrait,
)
from venvlayers import process
from venvlayers.build.runtime.candidates import Survey, survey
from venvlayers.build.runtime.local import LocalSource
from venvlayers.build.runtime.source import RuntimeContext
from venvlayers.cache.place import local_record
from venvlayers.errors import PythonUnavailableError
from venvlayers.lock.model import PythonPin
from venvlayers.platforms import PLATFORMS, Interpreter, Platform, PythonVersion, host_platform
from venvlayers.report import Kind, silent
from venvlayers.spec.model import PythonRequest

PIN = PythonPin(implementation="cpython", version=VERSION, source="local")
DEBIAN = Path("/usr/bin/python3.11")


@pytest.fixture
def source(installed: Installed) -> LocalSource:
    return LocalSource(installed.search)


@pytest.fixture
def layer(
    source: LocalSource,
    installed: Installed,
    host: Platform,
    context: RuntimeContext,
    tmp_path: Path,
) -> Iterator[Path]:
    """Give a layer, made from an interpreter that is out of sight by now."""
    destination = tmp_path / "layers" / "cpython-3"
    source.materialize(PIN, host, destination, context)
    with installed.out_of_sight():
        yield destination


def test_it_runs_and_knows_nothing_of_the_original(layer: Path, installed: Installed) -> None:
    described = portrait(layer)
    assert described["version"].startswith(f"{VERSION} ")
    assert described["prefix"] == str(layer)
    assert described["variables"]["LIBDIR"].startswith(str(layer / "lib"))
    assert described["variables"]["INSTALL"].split() == ["/usr/bin/install", "-c"]
    assert [str(layer / "lib" / f"python{VERSION.series}" / "site-packages")] == [
        str(Path(entry).resolve()) for entry in described["path"] if "-packages" in entry
    ]
    traces = [str(installed.prefix)]
    if sys.base_prefix not in ("/usr", "/usr/local"):
        traces.append(sys.base_prefix)  # what the stand-in was built for
    assert [trace for trace in traces if trace in repr(described)] == []
    assert [files_with(layer, trace) for trace in traces] == [[] for _ in traces]


def test_it_has_what_belongs_to_it_and_nothing_else(layer: Path) -> None:
    assert_clean(layer, VERSION.series)
    stdlib = layer / "lib" / f"python{VERSION.series}"
    assert (stdlib / "inner.py").readlink() == Path("os.py")
    assert (stdlib / "outer.py").read_text() == "value = 1\n"
    assert not (stdlib / "outer.py").is_symlink()
    assert (layer / "share" / "terminfo" / "x" / "xterm").exists()
    text = (stdlib / "planted.txt").read_text()
    assert text.startswith("made in /install/lib, not in ")
    assert not (layer / "share" / "man").exists()


def test_it_runs_wherever_it_is_moved(layer: Path, tmp_path: Path) -> None:
    for place in ("elsewhere", "with späces and ümlauts/deep"):
        moved = tmp_path / place / "cpython"
        moved.parent.mkdir(parents=True)
        layer.rename(moved)
        described = portrait(moved)
        assert str(layer) not in repr(described)
        assert described["paths"]["include"] == str(moved / "include" / f"python{VERSION.series}")
        layer = moved


def test_it_runs_through_a_link_in_a_sibling(layer: Path) -> None:
    program = layer.parent / "app" / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.symlink_to("../../cpython-3/bin/python")
    (program.parent.parent / "pyvenv.cfg").write_text("include-system-site-packages = false\n")
    described = portrait(layer.parent / "app")
    assert described["prefix"] == str(layer.parent / "app")
    assert described["variables"]["LIBDIR"].startswith(str(layer / "lib"))


def test_it_is_the_same_bytes_every_time(
    source: LocalSource, host: Platform, context: RuntimeContext, tmp_path: Path
) -> None:
    elsewhere = replace(context, work_dir=tmp_path / "a much longer name for private files")
    source.materialize(PIN, host, tmp_path / "one", context)
    source.materialize(PIN, host, tmp_path / "two", elsewhere)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_it_finds_the_newest_that_is_admitted(
    source: LocalSource, this_series: PythonRequest, host: Platform, context: RuntimeContext
) -> None:
    assert source.find(this_series, (host,), context) == PIN
    exactly = replace(this_series, version=VERSION)
    assert source.find(exactly, (host,), context) == PIN


def test_what_is_not_here_says_what_is(
    source: LocalSource, installed: Installed, host: Platform, context: RuntimeContext
) -> None:
    wanted = PythonRequest(implementation="cpython", version=PythonVersion(3, 7, 99))
    with pytest.raises(PythonUnavailableError) as caught:
        source.find(wanted, (host,), context)
    assert caught.value.message == (
        f"cpython@3.7.99 is not on this machine; it has cpython@{VERSION} ({installed.prefix})"
    )
    assert "lock again" in str(caught.value.hint)


def test_one_implementation_does_not_stand_for_another(
    source: LocalSource, host: Platform, context: RuntimeContext
) -> None:
    """C1."""
    wanted = PythonRequest(implementation="pypy", version=VERSION)
    with pytest.raises(PythonUnavailableError, match=rf"pypy@{VERSION} is not on this machine"):
        source.find(wanted, (host,), context)


def test_another_release_of_pypy_is_told_by_its_release(
    installed: Installed, host: Platform, context: RuntimeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several implement one version of Python."""
    (here,) = survey(installed.search(context), context).pythons
    older = replace(here, interpreter=Interpreter("pypy", VERSION, "7.3.11"))
    found = Survey(pythons=(older,), passed_over=())
    monkeypatch.setattr("venvlayers.build.runtime.candidates.survey", lambda *_: found)
    pin = replace(PIN, implementation="pypy", build="7.3.17")
    with pytest.raises(PythonUnavailableError) as caught:
        LocalSource(installed.search).fingerprint(pin, host, context)
    assert caught.value.message == (
        f"pypy@{VERSION} of PyPy 7.3.17 is not on this machine; "
        f"it has pypy@{VERSION} of PyPy 7.3.11 ({installed.prefix})"
    )


def test_a_pinned_version_that_went_away_is_an_error_for_fingerprints_too(
    source: LocalSource, installed: Installed, host: Platform, context: RuntimeContext
) -> None:
    gone = replace(PIN, version=PythonVersion(3, 7, 99))
    with pytest.raises(PythonUnavailableError, match=r"cpython@3\.7\.99 is not on this machine"):
        source.fingerprint(gone, host, context)
    with installed.out_of_sight(), pytest.raises(PythonUnavailableError, match="no Python that"):
        source.materialize(PIN, host, context.work_dir / "layer", context)


def test_other_platforms_are_warned_of_and_refused(
    source: LocalSource,
    this_series: PythonRequest,
    host: Platform,
    context: RuntimeContext,
    said: Said,
) -> None:
    windows = PLATFORMS["win_amd64"]
    assert source.find(this_series, (host, windows), context) == PIN
    (warning,) = said.of(Kind.WARNING)
    assert f"only be built for {host}; not for win_amd64" in warning
    with pytest.raises(PythonUnavailableError, match="serves only"):
        source.find(this_series, (windows,), context)
    with pytest.raises(PythonUnavailableError, match="cannot be had for win_amd64") as caught:
        source.materialize(PIN, windows, context.work_dir / "layer", context)
    assert "managed" in str(caught.value.hint)


@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_it_says_where_it_is_not_supported(
    source: LocalSource,
    this_series: PythonRequest,
    context: RuntimeContext,
    monkeypatch: pytest.MonkeyPatch,
    system: str,
) -> None:
    host = host_platform()
    monkeypatch.setattr(sys, "platform", system)
    with pytest.raises(PythonUnavailableError, match=f"not supported on {system} yet"):
        source.find(this_series, (host,), context)


def test_a_fingerprint_starts_no_process_once_the_python_is_known(
    source: LocalSource,
    installed: Installed,
    host: Platform,
    context: RuntimeContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = source.fingerprint(PIN, host, context)
    assert str(installed.program) in first
    monkeypatch.setattr(process, "run", None)
    assert source.fingerprint(PIN, host, context) == first


def test_a_fingerprint_follows_the_program(
    source: LocalSource, installed: Installed, host: Platform, context: RuntimeContext
) -> None:
    before = source.fingerprint(PIN, host, context)
    installed.program.touch()
    assert source.fingerprint(PIN, host, context) != before


@pytest.mark.parametrize("damaged", ["", "{", '{"format": 0}'])
def test_a_damaged_record_is_made_anew(
    source: LocalSource, host: Platform, context: RuntimeContext, damaged: str
) -> None:
    before = source.fingerprint(PIN, host, context)
    local_record().write_text(damaged)
    assert source.fingerprint(PIN, host, context) == before
    assert str(VERSION) in local_record().read_text()


def test_a_cache_that_cannot_be_written_is_no_obstacle(
    source: LocalSource,
    context: RuntimeContext,
    said: Said,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("VENVSTACKS_CACHE_DIR", str(tmp_path / "file" / "cache"))
    assert source.fingerprint(PIN, host_platform(), context).startswith("local:")
    assert any("not remembered" in message for message in said.of(Kind.DETAIL))


def is_debian() -> bool:
    return DEBIAN.exists() and "deb_system" in Path("/usr/lib/python3.11/sysconfig.py").read_text()


@pytest.mark.skipif(not is_debian(), reason="there is no Python 3.11 of Debian here")
def test_debians_python_finds_site_packages_and_stays_in_its_place(
    host: Platform, tmp_path: Path
) -> None:
    source = LocalSource(lambda _context: iter([DEBIAN]))
    context = RuntimeContext(reporter=silent(), work_dir=tmp_path / "work")
    wanted = PythonRequest(implementation="cpython", version=PythonVersion(3, 11))
    pin = source.find(wanted, (host,), context)
    layer = tmp_path / "layer"
    source.materialize(pin, host, layer, context)
    assert_clean(layer, "3.11")
    described = portrait(layer)
    site_packages = layer / "lib" / "python3.11" / "site-packages"
    assert [Path(entry).resolve() for entry in described["path"] if "-packages" in entry] == [
        site_packages
    ]
    inside = ("path", "modules", "site")
    assert [
        place
        for key in inside
        for place in described[key]
        if place not in ("", "None") and not place.startswith(str(layer))
    ] == []
    assert described["variables"]["INCLUDEPY"] == str(layer / "include" / "python3.11")
    assert [library for library in described["mapped"] if "/usr/lib/python3" in library] == []
