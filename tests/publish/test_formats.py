"""tar.xz, tar.gz, tar and zip: what holds for each of them, and what is special."""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import os
import shutil
import stat
import subprocess
import sys
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support.layers import SMALL_FILES, FileContent, Link, make_layer, make_runtime, packed_times
from venvlayers.build.model import LayerEnvironment
from venvlayers.errors import PublishError
from venvlayers.files import sha256_file
from venvlayers.platforms import PLATFORMS
from venvlayers.plugins import archive_formats, plugin_manager
from venvlayers.publish import canonical_tar, deflate, tars, zips
from venvlayers.publish.canonical_tar import tar_parts
from venvlayers.publish.contents import LayerContents, plan_contents
from venvlayers.publish.format import EPOCH, ArchiveFormat, WrittenArchive, best_level
from venvlayers.publish.frames import KnownFrames
from venvlayers.publish.outputs import Outputs
from venvlayers.publish.publish import Kept, publish
from venvlayers.publish.tars import GzipTar, PlainTar, XzTar
from venvlayers.publish.zips import Zip
from venvlayers.publish.zstd import ZstdTar
from venvlayers.report import silent
from venvlayers.spec.kinds import LayerKind

FORMATS: dict[str, Callable[..., ArchiveFormat]] = {
    "tar.xz": XzTar,
    "tar.gz": GzipTar,
    "tar": PlainTar,
    "zip": Zip,
}
every_format = pytest.mark.parametrize("name", FORMATS)
OPENERS: dict[str, Callable[[bytes], bytes]] = {
    "tar.xz": lzma.decompress,
    "tar.gz": gzip.decompress,
    "tar": bytes,
}


def pack(
    environment: LayerEnvironment,
    place: Path,
    format_: ArchiveFormat,
    *,
    level: int | None = None,
    mtime: int = EPOCH,
    advance: Callable[[int], None] = lambda _amount: None,
) -> WrittenArchive:
    place.unlink(missing_ok=True)
    used = format_.default_level if level is None else level
    contents = plan_contents(environment, mtime)
    return write(format_, contents, place, used, advance)


def write(
    format_: ArchiveFormat,
    contents: LayerContents,
    place: Path,
    level: int,
    advance: Callable[[int], None] = lambda _amount: None,
) -> WrittenArchive:
    return format_.write(contents, place, level=level, advance=advance, frames=KnownFrames())


@pytest.fixture(scope="module")
def varied(tmp_path_factory: pytest.TempPathFactory) -> LayerEnvironment:
    """A layer with a file of several pieces of each format, and many of less than one."""
    large = b"".join(hashlib.sha256(bytes([n % 251])).digest() * 40 for n in range(11_000))
    small: dict[str, FileContent] = {f"small/{n}": b"%d" % n * n for n in range(300)}
    owners = {"large": ("large.so",), "small": tuple(small)}
    place = tmp_path_factory.mktemp("varied") / "env"
    return make_layer(place, {**SMALL_FILES, "large.so": large, **small}, owners)


@pytest.fixture
def outputs(tmp_path: Path) -> Outputs:
    return Outputs(
        directory=tmp_path / "dist",
        platform=PLATFORMS["linux_x86_64"],
        tagged=False,
        format=ZstdTar(),
        state_file=tmp_path / "state" / "published.json",
    )


def test_all_formats_are_registered() -> None:
    assert set(archive_formats(plugin_manager())) == {"tar.zst", *FORMATS}


def test_the_best_level_of_every_format(tmp_path: Path, varied: LayerEnvironment) -> None:
    for name, format_ in archive_formats(plugin_manager()).items():
        usual = pack(varied, tmp_path / "usual", format_)
        best = pack(varied, tmp_path / "best", format_, level=best_level(format_))
        assert best.size <= usual.size, name


def test_a_format_that_does_not_say_what_its_best_level_is() -> None:
    """Plugins can be older than the question."""

    class Older(PlainTar):
        name = "older"

        def __getattribute__(self, name: str) -> Any:
            if name == "best_level":
                raise AttributeError(name)
            return super().__getattribute__(name)

    with pytest.raises(PublishError, match="archive format older does not say which level"):
        best_level(Older())


@every_format
def test_x6_neither_threads_nor_reading_matter(
    tmp_path: Path, varied: LayerEnvironment, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = (pack(varied, tmp_path / str(n), FORMATS[name](threads=n)) for n in (1, 2))
    monkeypatch.setattr(canonical_tar, "CHUNK", 100_001)
    three = pack(varied, tmp_path / "3", FORMATS[name](threads=3))
    assert one.sha256 == two.sha256 == three.sha256
    assert one.frames == two.frames == three.frames


@every_format
def test_what_is_told_is_true(tmp_path: Path, varied: LayerEnvironment, name: str) -> None:
    advanced: list[int] = []
    archive = pack(varied, tmp_path / "a", FORMATS[name](), advance=advanced.append)
    data = archive.path.read_bytes()
    assert (archive.size, archive.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert sum(advanced) == sum(part.size for part in tar_parts(plan_contents(varied)))
    if name == "zip":
        assert archive.frames == ()
    else:
        tar = OPENERS[name](data)
        for frame in archive.frames:
            part = OPENERS[name](data[frame.offset : frame.offset + frame.size])
            assert part == tar[frame.tar_offset : frame.tar_offset + frame.tar_size]
        assert [frame.name for frame in archive.frames] == [
            *(".", "./", "./bin", "./site", "./site", "large", "large", "small", ".end")
        ]


@every_format
def test_what_is_there_is_not_overwritten(tmp_path: Path, name: str) -> None:
    place = tmp_path / "a"
    place.write_bytes(b"mine")
    format_ = FORMATS[name]()
    contents = plan_contents(make_layer(tmp_path / "env"))
    with pytest.raises(FileExistsError):
        write(format_, contents, place, format_.default_level)


@every_format
def test_a_file_that_changes_meanwhile(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = make_layer(tmp_path / "env")
    contents = plan_contents(env)
    (env.path / "postinstall.py").write_bytes(b"longer than it was before")
    format_ = FORMATS[name]()
    with pytest.raises(PublishError, match=r"postinstall\.py changed while it was packed"):
        write(format_, contents, tmp_path / "a", format_.default_level)


@pytest.mark.parametrize(
    ("name", "level", "message"),
    [
        ("tar.xz", 10, "tar.xz has levels 0 to 9, not 10"),
        ("tar.xz", -1, "tar.xz has levels 0 to 9, not -1"),
        ("tar.gz", 0, "tar.gz has levels 1 to 9, not 0"),
        ("zip", 19, "zip has levels 1 to 9, not 19"),
        ("tar", 6, "tar is not compressed, so it has no level 6"),
    ],
)
def test_levels_that_are_not_there(name: str, level: int, message: str) -> None:
    with pytest.raises(PublishError, match=message) as failure:
        FORMATS[name]().codec(level)
    assert "leave the level out" in (failure.value.hint or "")


@pytest.mark.parametrize(("name", "levels"), [("tar.xz", (0, 9)), ("tar.gz", (1, 9))])
def test_higher_levels_are_smaller(
    tmp_path: Path, varied: LayerEnvironment, name: str, levels: tuple[int, ...]
) -> None:
    low, high = (pack(varied, tmp_path / str(n), FORMATS[name](), level=n) for n in levels)
    assert high.size < low.size


def test_nr293_the_zlib_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """#293: other Pythons bring other zlibs, which make other bytes."""
    usual = GzipTar().codec(6)
    assert f"zlib {zlib.ZLIB_RUNTIME_VERSION}/" in str(usual["library"])
    assert usual["library"] == Zip().codec(6)["library"] != GzipTar().codec(9)["library"]
    monkeypatch.setattr(zlib, "ZLIB_RUNTIME_VERSION", "1.3.1.zlib-ng")
    deflate.deflate_library.cache_clear()
    assert GzipTar().codec(6) != usual
    deflate.deflate_library.cache_clear()


def test_nr293_an_encoder_without_version_is_known_by_what_it_makes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """#293, for liblzma, whose version Python does not tell."""
    usual = XzTar().codec(6)
    assert str(usual["library"]).startswith("liblzma/")
    compress = lzma.compress
    monkeypatch.setattr(lzma, "compress", lambda *a, **k: compress(*a, **k) + b"other")
    tars._xz_library.cache_clear()
    assert XzTar().codec(6) != usual
    tars._xz_library.cache_clear()


def test_a_gzip_member_tells_neither_name_nor_time(tmp_path: Path) -> None:
    data = pack(make_layer(tmp_path / "env"), tmp_path / "a.tar.gz", GzipTar()).path.read_bytes()
    assert data[:10] == b"\x1f\x8b\x08" + bytes(6) + b"\xff"


PROGRAM = """
import os, sys, time
from pathlib import Path
sys.path[:0] = {path!r}
os.umask({umask}); time.tzset()
from support.layers import packed_times, make_layer
from test_formats import FORMATS, pack
for name, make in FORMATS.items():
    pack(make_layer(Path("env")), Path({place!r} + name), make())
"""


def digests_elsewhere(directory: Path, umask: int, **variables: str) -> list[str]:
    directory.mkdir()
    path = [str(Path(__file__).parent), *sys.path]
    program = PROGRAM.format(path=path, umask=umask, place=f"{directory}/a.")
    environment = {**os.environ, **variables}
    subprocess.run([sys.executable, "-c", program], check=True, cwd=directory, env=environment)
    return [sha256_file(directory / f"a.{name}") for name in FORMATS]


@pytest.mark.skipif(sys.platform == "win32", reason="zones are set in another way")
def test_x33_neither_machine_nor_user_can_be_seen(tmp_path: Path) -> None:
    """X6 as well: all formats have the same bytes under other umasks, zones, seeds and places."""
    first = digests_elsewhere(tmp_path / "a", 0o022, TZ="UTC", PYTHONHASHSEED="1")
    place = tmp_path / "a longer place \u00e4"
    second = digests_elsewhere(place, 0o077, TZ="Asia/Kathmandu", PYTHONHASHSEED="2", LC_ALL="C")
    assert first == second


MEMORY = """
import sys
from pathlib import Path
sys.path[:0] = {path!r}
from support.layers import packed_times, make_layer
from test_formats import FORMATS, pack
env = make_layer(Path({env!r}), {{"small": b"x"}})
for name in ("sparse-1", "sparse-2"):
    with (env.path / name).open("wb") as file:
        file.truncate(120_000_000)
pack(env, Path({env!r} + ".archive"), FORMATS[{name!r}](threads=4), level={level})
status = Path("/proc/self/status").read_text()
print(status.partition("VmHWM:")[2].split()[0])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads what Linux tells of a process")
@pytest.mark.parametrize(
    ("name", "level"), [("tar.xz", 6), ("tar.xz", 7), ("tar.gz", 1), ("tar", 0), ("zip", 1)]
)
def test_memory_does_not_grow_with_files(tmp_path: Path, name: str, level: int) -> None:
    path = [str(Path(__file__).parent), *sys.path]
    program = MEMORY.format(path=path, env=str(tmp_path / "env"), name=name, level=level)
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert int(run.stdout) < 300_000  # kB


@every_format
def test_x19_another_format_takes_the_place_of_the_first(
    tmp_path: Path, outputs: Outputs, name: str
) -> None:
    layers = [make_runtime(tmp_path / "runtime"), make_layer(tmp_path / "app")]
    publish(layers, outputs, reporter=silent())
    (outputs.directory / "mine.tar.zst").write_bytes(b"mine")
    other = replace(outputs, format=FORMATS[name]())
    _runtime, app = publish(layers, other, reporter=silent())
    assert {path.name for path in outputs.directory.iterdir()} == {
        *(
            f"cpython-3.12.{name}",
            f"app-demo.{name}",
            "mine.tar.zst",
            "__venvstacks__",
            "SHA256SUMS",
        )
    }
    assert app.metadata["archive_name"] == f"app-demo.{name}"
    assert app.metadata["archive_hashes"] == {"sha256": sha256_file(app.archive)[7:]}
    assert ("archive_frames" in app.metadata) == (name != "zip")
    assert all(layer.reused for layer in publish(layers, other, reporter=silent()))


def test_x19_a_layer_that_is_kept_stays_in_its_format(tmp_path: Path, outputs: Outputs) -> None:
    runtime, app = make_runtime(tmp_path / "runtime"), make_layer(tmp_path / "app")
    publish([runtime, app], outputs, reporter=silent())
    kept = Kept(kind=LayerKind.RUNTIME, env_name="cpython-3.12", platform=PLATFORMS["linux_x86_64"])
    publish([kept, app], replace(outputs, format=Zip()), reporter=silent())
    names = {path.name for path in outputs.directory.iterdir()}
    assert names == {"cpython-3.12.tar.zst", "app-demo.zip", "__venvstacks__", "SHA256SUMS"}


def attributes(place: Path) -> dict[str, zipfile.ZipInfo]:
    with zipfile.ZipFile(place) as archive:
        assert archive.testzip() is None
        return {info.filename: info for info in archive.infolist()}


def test_what_a_zip_says_of_its_entries(tmp_path: Path) -> None:
    env = make_layer(tmp_path / "env")
    found = attributes(pack(env, tmp_path / "a.zip", Zip()).path)
    with tarfile.open(pack(env, tmp_path / "a.tar", PlainTar()).path) as tar:
        assert [name.rstrip("/") for name in found] == tar.getnames()
    modes = {name: info.external_attr >> 16 for name, info in found.items()}
    assert modes["app-demo/bin/"] == stat.S_IFDIR | 0o755
    assert modes["app-demo/bin/tool"] == stat.S_IFREG | 0o755
    assert modes["app-demo/site/beta.py"] == stat.S_IFREG | 0o644
    assert modes["app-demo/bin/python"] == stat.S_IFLNK | 0o777
    assert {info.create_system for info in found.values()} == {3}
    assert {info.date_time for info in found.values()} <= {
        time.gmtime(moment)[:6] for moment in packed_times(plan_contents(env)).values()
    }
    assert found["app-demo/bin/"].external_attr & 0x10


@pytest.mark.parametrize(
    ("mtime", "expected"),
    [
        (0, (1980, 1, 1, 0, 0, 0)),
        (1_000_000_001, (2001, 9, 9, 1, 46, 40)),
        (1 << 31, (2038, 1, 19, 3, 14, 8)),
        (8**11 - 1, (2107, 12, 31, 23, 59, 58)),
    ],
)
def test_times_that_a_zip_can_hold(tmp_path: Path, mtime: int, expected: tuple[int, ...]) -> None:
    env = make_layer(tmp_path / "env", {"directory": None})  # files have less exact times
    archive = pack(env, tmp_path / "a.zip", Zip(), mtime=mtime)
    assert {info.date_time for info in attributes(archive.path).values()} == {expected}


@pytest.mark.parametrize("limit", ["size", "offset", "count"])
def test_zip64_where_32_bits_do_not_hold(
    tmp_path: Path, varied: LayerEnvironment, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limits are lowered: what is written for 4 GB is written for these files."""
    expected = attributes(pack(varied, tmp_path / "plain.zip", Zip()).path)
    if limit == "count":
        monkeypatch.setattr(zips, "MOST_ENTRIES", 10)
    else:
        monkeypatch.setattr(zips, "LARGEST", 2000 if limit == "size" else 100_000)
    archive = pack(varied, tmp_path / "large.zip", Zip()).path
    assert b"PK\x06\x06" in archive.read_bytes()
    found = attributes(archive)
    assert {
        name: (info.CRC, info.file_size, info.header_offset > 0) for name, info in found.items()
    } == {
        name: (info.CRC, info.file_size, info.header_offset > 0) for name, info in expected.items()
    }
    if shutil.which("unzip"):
        subprocess.run(["unzip", "-tqq", archive], check=True)


def test_the_parts_of_a_layer_of_nothing(tmp_path: Path) -> None:
    env = make_layer(tmp_path / "env", {})
    for name, make in FORMATS.items():
        frames = pack(env, tmp_path / name, make()).frames
        assert [frame.tar_size for frame in frames] == ([] if name == "zip" else [512, 1024])


TOOLS = {
    "tar.xz": ["tar", "-xJf"],
    "tar.gz": ["tar", "-xzf"],
    "tar": ["tar", "-xf"],
    "zip": ["unzip", "-q"],
}


@every_format
def test_ordinary_tools_unpack_it(tmp_path: Path, name: str) -> None:
    tool = TOOLS[name]
    if not shutil.which(tool[0]) or (name == "tar.xz" and not shutil.which("xz")):
        pytest.skip(f"needs {tool[0]} for {name}")
    long: dict[str, FileContent] = {f"{'long ' * 15}/{'name' * 50}": b"long", "l": Link("t" * 150)}
    env = make_layer(tmp_path / "env", SMALL_FILES | long)
    archive = pack(env, tmp_path / f"a.{name}", FORMATS[name]()).path
    times = packed_times(plan_contents(env))
    out = tmp_path / "out"
    out.mkdir()
    subprocess.run([*tool, archive], check=True, cwd=out, env={**os.environ, "LC_ALL": "C.UTF-8"})
    found = {path.relative_to(out / "app-demo") for path in (out / "app-demo").rglob("*")}
    assert found == {path.relative_to(env.path) for path in env.path.rglob("*")}
    for path in (path for path in found if not (env.path / path).is_dir()):
        there, here = out / "app-demo" / path, env.path / path
        assert there.is_symlink() == here.is_symlink()
        if here.is_symlink():
            assert there.readlink() == here.readlink()
        else:
            assert there.stat().st_mtime == times[f"app-demo/{path.as_posix()}"]
            assert there.read_bytes() == here.read_bytes()
            assert os.access(there, os.X_OK) == os.access(here, os.X_OK)


def test_python_reads_a_zip_as_well(tmp_path: Path, varied: LayerEnvironment) -> None:
    data = io.BytesIO(pack(varied, tmp_path / "a.zip", Zip()).path.read_bytes())
    with zipfile.ZipFile(data) as archive:
        content = archive.read("app-demo/large.so")
    assert content == (varied.path / "large.so").read_bytes()
