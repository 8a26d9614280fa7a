from __future__ import annotations

import hashlib
import random
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import zstandard

from support.compare import assert_same_archives, tar_bytes
from support.layers import FileContent, make_layer
from venvlayers.build.model import LayerEnvironment
from venvlayers.errors import PublishError
from venvlayers.publish import canonical_tar, zstd
from venvlayers.publish.contents import OWN_GROUP, plan_contents
from venvlayers.publish.format import WrittenArchive
from venvlayers.publish.frames import KnownFrames
from venvlayers.publish.zstd import DEFAULT_LEVEL, ZstdTar
from venvlayers.publish.zstd_frames import OpenFrame


def ignore(_amount: int) -> None:
    pass


def pack(
    environment: LayerEnvironment,
    place: Path,
    *,
    threads: int | None = None,
    level: int = DEFAULT_LEVEL,
    advance: Callable[[int], None] = ignore,
) -> WrittenArchive:
    contents = plan_contents(environment)
    format_ = ZstdTar(threads=threads)
    return format_.write(contents, place, level=level, advance=advance, frames=KnownFrames())


def text(size: int, seed: int = 0) -> bytes:
    """Return bytes that compress as code does, quickly made."""
    chance = random.Random(seed)
    words = [chance.randbytes(chance.randint(3, 12)) for _ in range(4000)]
    lines = [b" ".join(chance.choices(words, k=10)) for _ in range(3000)]
    return b"\n".join(chance.choices(lines, k=size // 80))[:size]


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> LayerEnvironment:
    """A layer of several pieces of work in one frame, and many frames of less than one."""
    big = {f"big/{n}.so": text(23_000_000 if n == 5 else 5_000_000, n) for n in range(6)}
    files: dict[str, FileContent] = {**big, "own": b"own"}
    small = {f"small{number}": text(40_000, number) for number in range(20)}
    owners = {"big": tuple(big), **{name: (name,) for name in small}}
    return make_layer(tmp_path_factory.mktemp("large") / "env", files | small, owners)


@pytest.mark.parametrize("size", ["small", "large"])
def test_the_number_of_threads_does_not_matter(
    tmp_path: Path, large: LayerEnvironment, size: str
) -> None:
    """X21, K11."""
    env = large if size == "large" else make_layer(tmp_path / "env")
    one, two, four = (pack(env, tmp_path / f"{n}.tar.zst", threads=n) for n in (1, 2, 4))
    assert_same_archives(one.path, two.path)
    assert_same_archives(one.path, four.path)
    assert one.frames == two.frames == four.frames


def test_no_thread_at_all_is_one() -> None:
    assert ZstdTar(threads=0)._threads == 1  # without a worker libzstd makes other bytes


def test_how_files_are_read_does_not_matter(
    tmp_path: Path, large: LayerEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = pack(large, tmp_path / "first.tar.zst")
    monkeypatch.setattr(canonical_tar, "CHUNK", 100_001)
    assert_same_archives(first.path, pack(large, tmp_path / "second.tar.zst").path)


def test_what_is_told_is_true(tmp_path: Path, large: LayerEnvironment) -> None:
    advanced: list[int] = []
    archive = pack(large, tmp_path / "a.tar.zst", advance=advanced.append)
    data, tar = archive.path.read_bytes(), tar_bytes(archive.path)
    assert archive.size == len(data)
    assert archive.sha256 == hashlib.sha256(data).hexdigest()
    assert sum(advanced) == len(tar)


def test_each_frame_stands_alone(tmp_path: Path, large: LayerEnvironment) -> None:
    archive = pack(large, tmp_path / "a.tar.zst")
    data, tar = archive.path.read_bytes(), tar_bytes(archive.path)
    for frame in archive.frames:
        compressed = data[frame.offset : frame.offset + frame.size]
        parameters = zstandard.get_frame_parameters(compressed)
        assert parameters.content_size == frame.tar_size
        assert parameters.has_checksum
        content = zstandard.ZstdDecompressor().decompress(compressed)
        assert content == tar[frame.tar_offset : frame.tar_offset + frame.tar_size]
    assert [frame.name for frame in archive.frames] == [
        *(OWN_GROUP, "./", "big", "big", "big"),
        *sorted(f"small{number}" for number in range(20)),
        ".end",
    ]
    ends = [frame.offset + frame.size for frame in archive.frames]
    assert [0, *ends] == [*(frame.offset for frame in archive.frames), archive.size]


def test_an_unchanged_distribution_keeps_its_frame(tmp_path: Path) -> None:
    def frame(env: LayerEnvironment, name: str) -> bytes:
        archive = pack(env, tmp_path / f"{name}.tar.zst")
        (found,) = [frame for frame in archive.frames if frame.name == "beta"]
        return archive.path.read_bytes()[found.offset : found.offset + found.size]

    env = make_layer(tmp_path / "env")
    first = frame(env, "first")
    (env.path / "site" / "alpha" / "__init__.py").write_bytes(text(5000))
    (env.path / "later").write_bytes(b"")
    assert frame(env, "second") == first


def test_a_layer_of_nothing(tmp_path: Path) -> None:
    archive = pack(make_layer(tmp_path / "env", {}), tmp_path / "a.tar.zst")
    assert len(tar_bytes(archive.path)) == 512 + 1024


@pytest.mark.parametrize("level", [0, -1, 23])
def test_levels_that_zstd_does_not_have(level: int) -> None:
    with pytest.raises(PublishError, match=f"levels 1 to 22, not {level}"):
        ZstdTar().codec(level)


def test_a_higher_level_is_smaller(tmp_path: Path) -> None:
    env = make_layer(tmp_path / "env", {"a": text(300_000)})
    sizes = [pack(env, tmp_path / f"{n}.tar.zst", level=n).size for n in (1, 9, 22)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > sizes[2]


@pytest.mark.parametrize("level", [3, DEFAULT_LEVEL, ZstdTar.best_level])
def test_what_is_not_as_libzstd_has_it_is_recorded(level: int) -> None:
    """Who wants to make the same bytes, or knows a frame by its codec, has to know of it."""
    own = zstd._own_parameters(level)
    assert own
    assert ZstdTar().codec(level).items() >= own.items()


def test_the_codec_is_recorded(tmp_path: Path) -> None:
    archive = pack(make_layer(tmp_path / "env"), tmp_path / "a.tar.zst", level=3)
    assert archive.codec["level"] == 3
    version = ".".join(map(str, zstandard.ZSTD_VERSION))
    assert archive.codec["library"] == f"zstandard {zstandard.__version__}/libzstd {version}"


def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    place = tmp_path / "a.tar.zst"
    place.write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        pack(make_layer(tmp_path / "env"), place)
    assert place.read_bytes() == b"mine"


# VmHWM and not ru_maxrss: the latter begins with what the parent had, which is this worker.
MEMORY = """
import sys
from pathlib import Path
sys.path[:0] = {path!r}
from support.layers import make_layer
from test_zstd import pack
env = make_layer(Path({env!r}), {{"small": b"x"}})
for name in ("sparse-1", "sparse-2"):
    with (env.path / name).open("wb") as file:
        file.truncate(200_000_000)
pack(env, Path({env!r} + ".tar.zst"), threads=2)
status = Path("/proc/self/status").read_text()
print(status.partition("VmHWM:")[2].split()[0])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads what Linux tells of a process")
def test_memory_does_not_grow_with_files(tmp_path: Path) -> None:
    path = [str(Path(__file__).parent), *sys.path]
    program = MEMORY.format(path=path, env=str(tmp_path / "env"))
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert int(run.stdout) < 300_000  # kB


def test_results_of_finished_frames_are_written_in_order(
    tmp_path: Path, large: LayerEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when the first frame is the last to be finished."""
    expected = pack(large, tmp_path / "first.tar.zst")
    end = OpenFrame.end

    def slowly(frame: OpenFrame, pool: ThreadPoolExecutor) -> None:
        if frame.part.name == OWN_GROUP:
            pool.submit(time.sleep, 0.3)
        end(frame, pool)

    monkeypatch.setattr(OpenFrame, "end", slowly)
    assert_same_archives(expected.path, pack(large, tmp_path / "second.tar.zst", threads=4).path)
