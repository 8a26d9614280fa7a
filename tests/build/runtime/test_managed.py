"""`managed.py` with the real uv, and an archive made from the running interpreter."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from support.interpreters import BUILD, VERSION, Downloads, standalone_downloads
from support.program_files import binary
from support.pypy import STAND_IN, can_fetch, stand_in_downloads
from support.runtime_layers import Said, assert_clean, contents, files_with, names_in, portrait
from venvlayers.build.runtime.managed import ManagedSource
from venvlayers.build.runtime.source import RuntimeContext
from venvlayers.cache.place import cache_directory, download_cache
from venvlayers.errors import PythonUnavailableError
from venvlayers.lock.model import PythonPin
from venvlayers.platforms import PLATFORMS, Platform, PythonVersion
from venvlayers.report import Kind
from venvlayers.spec.model import PythonRequest

PIN = PythonPin(implementation="cpython", version=VERSION, source="managed", build=BUILD)
SOURCE = ManagedSource()

Serve = Callable[[list[str], list[Platform]], Downloads]


def request_for(version: str, implementation: str = "cpython") -> PythonRequest:
    return PythonRequest(implementation=implementation, version=PythonVersion.parse(version))


@pytest.fixture
def pypys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let uv know of one PyPy, which does not run."""
    for name, value in stand_in_downloads(tmp_path / "pypys").items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def serve(tmp_path: Path, archives: Path, monkeypatch: pytest.MonkeyPatch) -> Serve:
    def listing(versions: list[str], platforms: list[Platform]) -> Downloads:
        made = standalone_downloads(
            tmp_path / "list",
            versions=[PythonVersion.parse(version) for version in versions],
            platforms=platforms,
            shared=archives,
        )
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        return made

    return listing


def test_a_layer_runs_and_has_no_trace_of_where_it_was_made(
    downloads: Downloads, host: Platform, context: RuntimeContext, tmp_path: Path
) -> None:
    layer = tmp_path / "layers" / "cpython"
    SOURCE.materialize(PIN, host, layer, context)
    assert_clean(layer, VERSION.series)
    for place in ("elsewhere", "späces and ümlauts/x"):
        moved = tmp_path / place / "cpython"
        moved.parent.mkdir(parents=True)
        layer.rename(moved)
        described = portrait(moved)
        assert described["prefix"] == str(moved)
        assert described["variables"]["LIBDIR"] == str(moved / "lib")
        assert described["variables"]["LDFLAGS"] == f"-L{moved}/lib -Wl,-rpath,{moved}/lib"
        assert described["variables"]["INSTALL"] == "/usr/bin/install -c"
        assert str(context.work_dir) not in repr(described)
        layer = moved
    assert files_with(layer, str(context.work_dir)) == []
    details = (layer / "lib" / f"python{VERSION.series}" / "build-details.json").read_text()
    assert '"base_prefix": "../.."' in details
    assert '"dynamic": "../../lib/libpython3.so"' in details


def test_a_layer_is_the_same_bytes_every_time(
    downloads: Downloads, host: Platform, context: RuntimeContext, tmp_path: Path
) -> None:
    SOURCE.materialize(PIN, host, tmp_path / "one", context)
    elsewhere = replace(context, work_dir=tmp_path / "a much longer name for private files")
    SOURCE.materialize(PIN, host, tmp_path / "two", elsewhere)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_finding_leaves_the_archive_for_building_offline(
    downloads: Downloads,
    this_series: PythonRequest,
    host: Platform,
    context: RuntimeContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert SOURCE.find(this_series, (host,), context) == PIN
    assert list(context.work_dir.iterdir()) == []
    assert any(path.name.endswith(".tar.zst") for path in download_cache().iterdir())
    layer = context.work_dir / "layer"
    monkeypatch.setenv("UV_OFFLINE", "1")
    SOURCE.materialize(PIN, host, layer, context)
    assert (layer / "bin" / "python3").exists()
    shutil.rmtree(download_cache())
    shutil.rmtree(layer)
    downloads.list_file.write_text(downloads.list_file.read_text().replace("this%2B", "gone%2B"))
    with pytest.raises(PythonUnavailableError, match="cannot be fetched"):
        SOURCE.materialize(PIN, host, layer, context)


@pytest.mark.usefixtures("downloads")
def test_an_archive_stays_while_uv_may_read_it(
    host: Platform, context: RuntimeContext, tmp_path: Path
) -> None:
    """Cleaning the cache, here just before uv works, leaves what it uses."""
    SOURCE.materialize(PIN, host, tmp_path / "first", context)
    cleaning = tmp_path / "cleaning-uv"
    clean = f'"{sys.executable}" -m venvlayers cache clean'
    cleaning.write_text(
        f'#!/bin/sh\n[ "$1" = python ] && {clean} > "{tmp_path}/said"\n'
        f'exec "{context.uv.path}" "$@"\n'
    )
    cleaning.chmod(0o755)
    meanwhile = replace(context, named_uv=replace(context.uv, path=cleaning))
    SOURCE.materialize(PIN, host, tmp_path / "second", meanwhile)
    assert (
        "left, being used or not ours to remove: python-downloads"
        in (tmp_path / "said").read_text()
    )
    assert any(download_cache().glob("*.tar.zst"))
    said = subprocess.run(["sh", "-c", clean], check=True, capture_output=True, text=True).stdout
    assert said.startswith("removed: ")
    assert not cache_directory().exists()


@pytest.mark.usefixtures("downloads")
def test_the_users_cache_of_archives_is_respected(
    this_series: PythonRequest,
    host: Platform,
    context: RuntimeContext,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("UV_PYTHON_CACHE_DIR", str(tmp_path / "own"))
    SOURCE.find(this_series, (host,), context)
    assert len(list((tmp_path / "own").iterdir())) == 1
    assert not download_cache().exists()


@pytest.mark.parametrize("name", ["macosx_arm64", "macosx_x86_64", "linux_aarch64"])
def test_layers_for_other_unixes_are_made_here(
    downloads: Downloads, context: RuntimeContext, tmp_path: Path, name: str
) -> None:
    """I5: programs and libraries are left as they are signed, links stay, no place is named."""
    layer, platform = tmp_path / "layer", PLATFORMS[name]
    SOURCE.materialize(PIN, platform, layer, context)
    assert_clean(layer, VERSION.series)
    assert files_with(layer, str(context.work_dir)) == []
    library = "dylib" if platform.sys_platform == "darwin" else "so.1.0"
    for place, note in (
        (f"bin/python{VERSION.series}", f"python{VERSION.series} /install/lib"),
        *((path.relative_to(layer).as_posix(), "") for path in layer.rglob(f"lib*.{library}")),
        *((path.relative_to(layer).as_posix(), "") for path in layer.rglob("_ssl.*.so")),
    ):
        content = (layer / place).read_bytes()
        assert content.startswith(binary(platform)[:32])
        assert content.endswith(b"/install/lib\0")
        assert note.encode() in content
    (variables,) = layer.rglob("_sysconfigdata_*.py")
    assert "'prefix': _prefix" in variables.read_text("utf-8")
    again = tmp_path / "again"
    SOURCE.materialize(PIN, platform, again, replace(context, work_dir=tmp_path / "other place"))
    assert contents(again) == contents(layer)


@pytest.mark.parametrize("name", ["win_amd64", "win_arm64"])
def test_a_layer_for_windows_is_made_here(
    downloads: Downloads, context: RuntimeContext, tmp_path: Path, name: str
) -> None:
    layer, platform = tmp_path / "layer", PLATFORMS[name]
    SOURCE.materialize(PIN, platform, layer, context)
    files = {name for name in names_in(layer) if (layer / name).is_file()}
    launchers = {name for name in files if name.startswith("Lib/venv/scripts/nt/")}
    assert len(launchers) == 3
    assert files - launchers == {
        *("python.exe", "pythonw.exe", "python3.dll", "vcruntime140.dll"),
        f"python{VERSION.major}{VERSION.minor}.dll",
        *("DLLs/_ssl.pyd", "DLLs/libssl-3.dll"),
        *("Lib/os.py", "Lib/ntpath.py", "Lib/venv/__init__.py"),
        *("libs/python3.lib", "include/Python.h", "tcl/tcl8.6/init.tcl", "LICENSE.txt"),
    }
    assert not any(path.is_symlink() for path in layer.rglob("*"))
    assert (layer / "python.exe").read_bytes().startswith(binary(platform)[:32])
    assert list((layer / "Lib" / "site-packages").iterdir()) == []
    assert not (layer / "Scripts").exists()


def test_the_newest_release_for_all_platforms_is_chosen(
    serve: Serve, context: RuntimeContext
) -> None:
    mac, windows = PLATFORMS["macosx_arm64"], PLATFORMS["win_amd64"]
    serve(["3.12.4", "3.12.11", "3.13.1"], [mac, windows])
    pin = SOURCE.find(request_for("3.12"), (mac, windows), context)
    assert (str(pin.version), pin.source, pin.build) == ("3.12.11", "managed", BUILD)
    assert str(SOURCE.find(request_for("3.12.4"), (mac,), context).version) == "3.12.4"


def test_what_does_not_exist_is_answered_with_what_is_near(
    serve: Serve, context: RuntimeContext
) -> None:
    mac = PLATFORMS["macosx_arm64"]
    serve([*(f"3.12.{patch}" for patch in range(10)), "3.11.2", "3.11.9"], [mac])
    for wanted, nearest in (
        ("3.12.12", "3.12.4, 3.12.5, 3.12.6, 3.12.7, 3.12.8, 3.12.9"),
        ("3.14", "3.11.9, 3.12.9"),
    ):
        with pytest.raises(PythonUnavailableError) as caught:
            SOURCE.find(request_for(wanted), (mac,), context)
        assert caught.value.message.endswith(
            f"has no cpython@{wanted}; the nearest that it has: {nearest}"
        )


def test_platforms_that_lack_it_are_left_out(
    serve: Serve, context: RuntimeContext, said: Said
) -> None:
    """A venvstacks.toml without `platforms` asks for six; 3.11.7 is older than win_arm64."""
    mac, arm = PLATFORMS["macosx_arm64"], PLATFORMS["win_arm64"]
    serve(["3.12.4"], [mac])
    assert SOURCE.find(request_for("3.12"), (mac, arm), context).version.patch == 4
    (warning,) = said.of(Kind.WARNING)
    assert "has no cpython@3.12 for win_arm64, so the runtime cannot be built there" in warning


def test_a_platform_that_lacks_it_is_named_when_it_is_this_machines(
    serve: Serve, context: RuntimeContext, host: Platform
) -> None:
    other = PLATFORMS["macosx_arm64"]
    serve(["3.12.4"], [other])
    with pytest.raises(PythonUnavailableError, match=rf"has no cpython@3\.12 for {host}\n"):
        SOURCE.find(request_for("3.12"), (other, host), context)


def test_a_pypy_that_uv_does_not_know_is_answered_with_those_that_it_knows(
    pypys: None, context: RuntimeContext, host: Platform
) -> None:
    """C1: one error, as for CPython."""
    with pytest.raises(PythonUnavailableError) as caught:
        SOURCE.find(request_for("3.7", "pypy"), (host,), context)
    assert caught.value.message == (
        "uv's list of PyPys has no pypy@3.7; the nearest that it has: 3.11.15"
    )
    assert "newer uv" in str(caught.value.hint)


def test_a_pypy_is_pinned_with_its_own_release(
    pypys: None, context: RuntimeContext, host: Platform, said: Said
) -> None:
    """C1."""
    arm = PLATFORMS["win_arm64"]
    pin = SOURCE.find(request_for("3.11", "pypy"), (host, arm), context)
    assert (str(pin), pin.source, pin.build) == ("pypy@3.11.15", "managed", STAND_IN.release)
    assert pin.interpreter == STAND_IN
    (warning,) = said.of(Kind.WARNING)
    assert "uv's list of PyPys has no pypy@3.11 for win_arm64" in warning


def test_without_a_network_the_mirror_of_pypys_is_named(
    pypys: None, context: RuntimeContext, host: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C1."""
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS_JSON_URL", "")
    monkeypatch.setenv("UV_OFFLINE", "1")
    with pytest.raises(PythonUnavailableError, match="cannot be fetched") as caught:
        SOURCE.find(request_for("3.11", "pypy"), (host,), context)
    assert "UV_PYPY_INSTALL_MIRROR" in str(caught.value.hint)


@pytest.mark.parametrize("name", ["linux_x86_64", "macosx_arm64", "win_amd64"])
def test_pypys_for_other_platforms_are_made_here(
    pypys: None, context: RuntimeContext, tmp_path: Path, name: str
) -> None:
    """C1: what belongs to PyPy stays, and nothing else."""
    if not can_fetch(PLATFORMS[name]):
        pytest.skip("this uv cannot install Windows' PyPy here")
    pin = SOURCE.find(request_for("3.11", "pypy"), (PLATFORMS[name],), context)
    layer = tmp_path / "layer"
    SOURCE.materialize(pin, PLATFORMS[name], layer, context)
    expected = PYPY_ON_WINDOWS if PLATFORMS[name].is_windows else PYPY_ON_UNIX
    assert {name for name in names_in(layer) if not (layer / name).is_dir()} == expected
    site_packages = layer / PLATFORMS[name].site_packages(STAND_IN)
    assert list(site_packages.iterdir()) == []
    assert files_with(layer, str(context.work_dir)) == []


PYPY_ON_UNIX = {
    *(f"bin/{name}" for name in ("pypy", "pypy3", "pypy3.11", "python", "python3", "python3.11")),
    *("bin/libpypy3.11-c.so", "bin/libpypy3.11-c.dylib", "include/pypy3.11/Python.h"),
    *("lib/libffi.so.8", "lib/pypy3.11/os.py", "lib/pypy3.11/_sysconfigdata.py", "README.rst"),
    "lib/pypy3.11/_sysconfigdata__linux_x86_64-linux-gnu.py",
}
PYPY_ON_WINDOWS = {
    *("python.exe", "pythonw.exe", "pypy3.11.exe", "libpypy3.11-c.dll", "LICENSE"),
    *("Lib/os.py", "include/Python.h"),
}


def test_without_a_network_uv_says_so(
    this_series: PythonRequest,
    host: Platform,
    context: RuntimeContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("UV_OFFLINE", "1")
    with pytest.raises(PythonUnavailableError, match="cannot be fetched") as caught:
        SOURCE.find(this_series, (host,), context)
    assert "offline" in str(caught.value.details)
    assert "UV_PYTHON_INSTALL_MIRROR" in str(caught.value.hint)


def test_an_archive_that_was_changed_is_refused(
    downloads: Downloads, host: Platform, context: RuntimeContext, tmp_path: Path
) -> None:
    listed = downloads.list_file.read_text()
    downloads.list_file.write_text(re.sub(r'"sha256": "....', '"sha256": "0000', listed))
    with pytest.raises(PythonUnavailableError, match="cannot be fetched") as caught:
        SOURCE.materialize(PIN, host, tmp_path / "layer", context)
    assert "ash mismatch" in str(caught.value.details)
    assert not (tmp_path / "layer").exists()


def test_a_build_that_uv_forgot_is_explained(
    downloads: Downloads, host: Platform, context: RuntimeContext, tmp_path: Path
) -> None:
    with pytest.raises(PythonUnavailableError) as caught:
        SOURCE.materialize(replace(PIN, build="20200101"), host, tmp_path / "layer", context)
    assert f"does not know build 20200101 of cpython@{VERSION}" in caught.value.message
    assert f"(it has build {BUILD})" in caught.value.message


def test_a_list_that_cannot_be_read_is_an_error_of_its_own(
    this_series: PythonRequest,
    host: Platform,
    context: RuntimeContext,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS_JSON_URL", (tmp_path / "none.json").as_uri())
    with pytest.raises(PythonUnavailableError, match="list of Pythons cannot be read"):
        SOURCE.find(this_series, (host,), context)


def test_a_fingerprint_is_a_text(host: Platform, context: RuntimeContext) -> None:
    assert SOURCE.fingerprint(PIN, host, context) == f"managed:{VERSION}:{BUILD}:{host}"
