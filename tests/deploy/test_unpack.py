from __future__ import annotations

import gzip
import io
import lzma
import os
import shutil
import subprocess
import sys
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard

from support.layers import SMALL_FILES, make_layer, make_runtime, packed_times
from venvlayers.build.model import LayerEnvironment
from venvlayers.deploy.unpack import unpack
from venvlayers.errors import UnpackError
from venvlayers.files import sha256_file
from venvlayers.publish.contents import plan_contents
from venvlayers.publish.format import ArchiveFormat
from venvlayers.publish.frames import KnownFrames
from venvlayers.publish.tars import GzipTar, PlainTar, XzTar
from venvlayers.publish.zips import Zip
from venvlayers.publish.zstd import ZstdTar

FORMATS: dict[str, Callable[[], ArchiveFormat]] = {
    "tar.zst": ZstdTar,
    "tar.xz": XzTar,
    "tar.gz": GzipTar,
    "tar": PlainTar,
    "zip": Zip,
}


def pack(environment: LayerEnvironment, place: Path) -> Path:
    """Pack in the format that the name of *place* ends with."""
    format_ = next(make() for name, make in FORMATS.items() if place.name.endswith(f".{name}"))
    contents, level = plan_contents(environment), format_.default_level
    format_.write(contents, place, level=level, advance=lambda _amount: None, frames=KnownFrames())
    return place


@pytest.fixture(params=FORMATS)
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return pack(make_layer(tmp_path / "env"), tmp_path / f"app-demo.{request.param}")


def tree(root: Path) -> dict[str, Any]:
    """Return everything below *root*: content, target, kind and executable bit."""
    return {
        path.relative_to(root).as_posix(): str(path.readlink())
        if path.is_symlink()
        else (path.is_dir() or path.read_bytes(), os.access(path, os.X_OK))
        for path in root.rglob("*")
    }


def nothing_new(destination: Path) -> bool:
    return not destination.exists() or not list(destination.iterdir())


def test_a_layer_comes_back_as_it_was(tmp_path: Path, archive: Path) -> None:
    place = unpack(archive, tmp_path / "deployed")
    assert place == tmp_path / "deployed" / "app-demo"
    assert tree(place) == tree(tmp_path / "env")
    times = packed_times(plan_contents(make_layer(tmp_path / "env")))
    assert times == {
        path.relative_to(place.parent).as_posix(): path.lstat().st_mtime
        for path in [place, *place.rglob("*")]
    }
    assert [path.name for path in (tmp_path / "deployed").iterdir()] == ["app-demo"]


def test_siblings_are_found_through_links(tmp_path: Path, archive: Path) -> None:
    deployed = tmp_path / "deployed"
    unpack(archive, deployed)
    unpack(pack(make_runtime(tmp_path / "rt"), tmp_path / "rt.tar.zst"), deployed)
    assert (deployed / "app-demo" / "bin" / "python").read_bytes().startswith(b"\x7fELF")


def test_the_umask_is_the_user_s(tmp_path: Path, archive: Path) -> None:
    before = os.umask(0o027)
    try:
        place = unpack(archive, tmp_path / "deployed")
    finally:
        os.umask(before)
    modes = [(place / name).stat().st_mode & 0o777 for name in ("bin", "bin/tool", "empty")]
    assert modes == [0o750, 0o750, 0o640]


@pytest.mark.parametrize("prefix", ["", "sha256:"])
def test_the_expected_digest_is_compared(tmp_path: Path, archive: Path, prefix: str) -> None:
    digest = prefix + sha256_file(archive).removeprefix("sha256:")
    assert unpack(archive, tmp_path / "deployed", expected_sha256=digest).is_dir()
    with pytest.raises(UnpackError, match=rf"{archive.name} is not what was published"):
        unpack(archive, tmp_path / "other", expected_sha256=prefix + "0" * 64)
    assert nothing_new(tmp_path / "other")


def test_a_layer_that_is_there_is_only_replaced_on_request(tmp_path: Path, archive: Path) -> None:
    place = unpack(archive, tmp_path / "deployed")
    (place / "mine").write_bytes(b"")
    with pytest.raises(UnpackError, match="app-demo is there already"):
        unpack(archive, tmp_path / "deployed")
    assert (place / "mine").exists()
    assert unpack(archive, tmp_path / "deployed", replace=True) == place
    assert tree(place) == tree(tmp_path / "env")
    assert [path.name for path in (tmp_path / "deployed").iterdir()] == ["app-demo"]


def test_x25_what_a_killed_unpacking_left_is_removed(tmp_path: Path, archive: Path) -> None:
    leftover = tmp_path / "out" / ".venvstacks-unpack-abc" / "unpacked" / "half"
    leftover.mkdir(parents=True)
    place = unpack(archive, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == [place]


def test_a_damaged_archive_replaces_nothing(tmp_path: Path, archive: Path) -> None:
    place = unpack(archive, tmp_path / "deployed")
    before = tree(place)
    os.truncate(archive, archive.stat().st_size - 20)
    with pytest.raises(UnpackError):
        unpack(archive, tmp_path / "deployed", replace=True)
    assert tree(place) == before


def test_wherever_an_archive_is_cut_it_is_noticed(tmp_path: Path, archive: Path) -> None:
    data = archive.read_bytes()
    for size in [*range(0, len(data), 37), *range(len(data) - 30, len(data))]:
        archive.write_bytes(data[:size])
        with pytest.raises(UnpackError, match=rf"{archive.name} is (damaged|empty)"):
            unpack(archive, tmp_path / "deployed")
        assert nothing_new(tmp_path / "deployed")


def test_whichever_byte_is_damaged_it_is_noticed(tmp_path: Path, archive: Path) -> None:
    """Or does not matter, as the byte in which gzip names an operating system does not."""
    if archive.suffix == ".tar":
        pytest.skip("has no checksums: whoever unpacks it compares the digest that is published")
    data, place = archive.read_bytes(), tmp_path / "deployed" / "app-demo"
    for at in range(0, len(data), 53):
        archive.write_bytes(data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :])
        try:
            unpack(archive, tmp_path / "deployed")
        except UnpackError:
            assert nothing_new(tmp_path / "deployed")
        else:
            assert archive.suffix != ".zst"
            assert contents(place) == contents(tmp_path / "env")
            shutil.rmtree(place)


def contents(root: Path) -> dict[str, bytes]:
    """Return all files that are not links: a zip guards content, and no header."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


def test_what_is_appended_is_noticed(tmp_path: Path, archive: Path) -> None:
    data = archive.read_bytes()
    for more in (b"garbage", zstandard.compress(b"more"), data):
        archive.write_bytes(data + more)
        with pytest.raises(UnpackError):
            unpack(archive, tmp_path / "deployed")
    assert nothing_new(tmp_path / "deployed")


def member(name: str, kind: bytes = tarfile.REGTYPE, **fields: Any) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.mode = 0o755
    for field, value in fields.items():
        setattr(info, field, value)
    return info


def write_hostile(place: Path, *members: tarfile.TarInfo) -> Path:
    """Write an archive of exactly *members*, whose content is ``evil``."""
    data = io.BytesIO()
    for info in members:
        info.size = 4 if info.isreg() else 0
        data.write(
            info.tobuf(tarfile.PAX_FORMAT) + (b"evil".ljust(512, b"\0") if info.isreg() else b"")
        )
    data.write(bytes(1024))
    place.write_bytes(COMPRESS[place.suffix](data.getvalue()))
    return place


COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    ".zst": zstandard.ZstdCompressor(write_checksum=True).compress,
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".tar": bytes,
}


def top() -> tarfile.TarInfo:
    return member("top", tarfile.DIRTYPE)


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    return member(name, kind, linkname=target)


def test_the_hostile_archives_below_would_be_good_otherwise(tmp_path: Path) -> None:
    archive = write_hostile(tmp_path / "a.tar.zst", top(), member("top/x"), link("top/y", "x"))
    assert tree(unpack(archive, tmp_path / "deployed")) == {"x": (b"evil", True), "y": "x"}


@pytest.mark.parametrize(
    "members",
    [
        [top(), member("/tmp/evil")],
        [top(), member("top/../../evil")],
        [top(), member("../evil")],
        [top(), member("top/./x")],
        [top(), member("top//x")],
        [top(), member("top/a\\..\\x")],
        [member("..", tarfile.DIRTYPE)],
        [member(".", tarfile.DIRTYPE)],
        [member("file-at-the-top")],
        [link("top", "/etc")],
        [top(), member("other", tarfile.DIRTYPE)],
        [member("top/x")],
        [top(), member("top/missing/x")],
        [top(), member("top/x"), member("top/x/y")],
        [top(), member("top/x"), member("top/x")],
        [top(), top()],
        [top(), link("top/x", "/etc/passwd")],
        [top(), link("top/x", "../../etc/passwd")],
        [top(), link("top/x", "..")],
        [top(), link("top/x", "a/../../../evil")],
        [top(), link("top/x", "C:\\evil")],
        [top(), link("top/x", "")],
        [top(), link("top/x", "."), member("top/x/y")],
        [top(), link("top/x", "../other"), member("top/x/y")],
        [top(), link("top/x", "."), link("top/y", "x/../../../evil")],
        [top(), member("top/x"), link("top/y", "top/x", tarfile.LNKTYPE)],
        [top(), link("top/y", "/etc/passwd", tarfile.LNKTYPE)],
        [top(), member("top/x", tarfile.CHRTYPE)],
        [top(), member("top/x", tarfile.BLKTYPE)],
        [top(), member("top/x", tarfile.FIFOTYPE)],
        [top(), member("top/x", tarfile.CONTTYPE)],
        [top(), member("top/x", mode=0o4755)],
        [top(), member("top/x", mode=0o2755)],
        [top(), member("top/x", mtime=-1)],
        [top(), member("top/x", pax_headers={"mtime": "nan"})],
        [top(), member("top/x", pax_headers={"mtime": "1e300"})],
        [top(), member("top/x", pax_headers={"path": "../../evil"})],
        [top(), member("top/x", pax_headers={"GNU.sparse.size": "9", "GNU.sparse.map": "0,1"})],
    ],
    ids=lambda members: " ".join(f"{m.name} {m.type.decode()} {m.linkname}" for m in members),
)
def test_hostile_archives_are_refused(tmp_path: Path, members: list[tarfile.TarInfo]) -> None:
    for name in ("bad.tar.zst", "bad.tar.gz", "bad.tar.xz", "bad.tar"):
        archive = write_hostile(tmp_path / name, *members)
        with pytest.raises(UnpackError, match=name) as failure:
            unpack(archive, tmp_path / "deep" / "deployed")
        assert failure.value.hint
        assert nothing_new(tmp_path / "deep" / "deployed")
    assert {path.name.partition(".")[0] for path in tmp_path.iterdir()} == {"bad", "deep"}


def test_the_member_is_named(tmp_path: Path) -> None:
    archive = write_hostile(tmp_path / "bad.tar.zst", top(), member("top/../../evil"))
    with pytest.raises(UnpackError, match=r"bad.tar.zst: 'top/../../evil' has a name"):
        unpack(archive, tmp_path / "deployed")


def test_headers_without_end_are_refused(tmp_path: Path) -> None:
    """tarfile goes a level deeper for each.

    In a process of its own, because Python stops tracing where recursion ends, and
    the coverage of every later test would be lost.
    """
    header = tarfile.TarInfo("x").create_pax_global_header({"comment": "x"})
    place = tmp_path / "bad.tar.zst"
    place.write_bytes(zstandard.compress(header * 3000))
    program = (
        "import sys; from pathlib import Path; from venvlayers.deploy.unpack import unpack\n"
        "unpack(Path(sys.argv[1]), Path(sys.argv[2]))"
    )
    command = [sys.executable, "-c", program, place, tmp_path / "deployed"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "UnpackError: bad.tar.zst is damaged" in result.stderr
    assert nothing_new(tmp_path / "deployed")


def garbage(place: Path) -> None:
    place.write_bytes(b"no archive at all")


def plain_tar(place: Path) -> None:
    place.write_bytes(bytes(10240))


def names_that_are_no_text(place: Path) -> None:
    info = member("top/caf\udce9")
    header = info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
    data = top().tobuf() + header + bytes(1024)
    place.write_bytes(zstandard.compress(data))


def a_large_window(place: Path) -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=30, write_content_size=False)
    stream = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    place.write_bytes(stream.compress(bytes(5000)) + stream.flush())


@pytest.mark.parametrize("write", [garbage, plain_tar, names_that_are_no_text, a_large_window])
def test_what_is_no_archive_is_refused(tmp_path: Path, write: Callable[[Path], None]) -> None:
    write(tmp_path / "bad.tar.zst")
    with pytest.raises(UnpackError, match=r"bad.tar.zst is damaged"):
        unpack(tmp_path / "bad.tar.zst", tmp_path / "deployed")


def test_a_missing_archive(tmp_path: Path) -> None:
    with pytest.raises(UnpackError, match=r"cannot unpack .*gone.tar.zst .* No such file"):
        unpack(tmp_path / "gone.tar.zst", tmp_path / "deployed")


def test_a_destination_that_is_a_file(tmp_path: Path, archive: Path) -> None:
    (tmp_path / "deployed").write_bytes(b"")
    with pytest.raises(UnpackError, match=r"cannot unpack .*deployed"):
        unpack(archive, tmp_path / "deployed")


def test_a_file_in_place_of_the_layer(tmp_path: Path, archive: Path) -> None:
    (tmp_path / "deployed").mkdir()
    (tmp_path / "deployed" / "app-demo").symlink_to("nowhere")
    with pytest.raises(UnpackError, match="there already"):
        unpack(archive, tmp_path / "deployed")


def test_names_that_need_care(tmp_path: Path) -> None:
    files = {f"{'n' * 200}/{'m' * 200}": b"long", "gr\u00fc\u00df gott": b"x"}
    env = make_layer(tmp_path / "env", SMALL_FILES | files)
    place = unpack(pack(env, tmp_path / "a.tar.zst"), tmp_path / "deployed")
    assert tree(place) == tree(env.path)


def test_extended_headers_cannot_fill_the_memory(tmp_path: Path) -> None:
    """A few bytes of zstd can be gigabytes of a header, which tarfile would read at once."""
    header = tarfile.TarInfo("././@PaxHeader")
    header.type = tarfile.XHDTYPE
    header.size = 1 << 30
    archive = tmp_path / "bomb.tar.zst"
    with archive.open("wb") as file, zstandard.ZstdCompressor().stream_writer(file) as stream:
        stream.write(header.tobuf(tarfile.PAX_FORMAT))
        for _ in range(1 << 10):
            stream.write(bytes(1 << 20))
    assert archive.stat().st_size < 1 << 17
    with pytest.raises(UnpackError, match="an extended header is too long"):
        unpack(archive, tmp_path / "deployed")
    assert nothing_new(tmp_path / "deployed")


@pytest.mark.parametrize("name", ["a.tar.gz", "a.tar.xz", "a.tar.zst"])
def test_streams_that_hold_nothing(tmp_path: Path, name: str) -> None:
    archive = tmp_path / name
    archive.write_bytes(COMPRESS[archive.suffix](b""))
    with pytest.raises(UnpackError, match=f"{name} is (damaged|empty)"):
        unpack(archive, tmp_path / "deployed")


def test_a_stream_that_ends_in_the_middle_of_a_tar(tmp_path: Path) -> None:
    """Its own checksums are right."""
    tar = pack(make_layer(tmp_path / "env"), tmp_path / "a.tar").read_bytes()
    for suffix, compress in COMPRESS.items():
        for size in (512, 700, 5120, len(tar) - 512):
            archive = tmp_path / f"cut{suffix}"
            archive.write_bytes(compress(tar[:size]))
            with pytest.raises(UnpackError, match=f"cut{suffix} is damaged"):
                unpack(archive, tmp_path / "deployed")


def test_a_stream_that_asks_for_all_the_memory(tmp_path: Path) -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 20}]
    data = bytearray(lzma.compress(b"x", lzma.FORMAT_XZ, lzma.CHECK_CRC64, filters=filters))
    assert data[16] == 16  # LZMA2's window: 2 ** 20
    data[16] = 40  # 4 GiB - 1
    data[20:24] = zlib.crc32(data[12:20]).to_bytes(4, "little")
    (tmp_path / "bad.tar.xz").write_bytes(data)
    with pytest.raises(UnpackError, match=r"bad\.tar\.xz is damaged.*[Mm]emory"):
        unpack(tmp_path / "bad.tar.xz", tmp_path / "deployed")
