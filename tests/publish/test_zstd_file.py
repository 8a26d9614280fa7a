"""What can go wrong between the threads that compress, write and read."""

from __future__ import annotations

import errno
import gc
import io
import os
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import zstandard

from support.layers import FileContent, make_layer
from venvlayers.cache.store import FrameStore
from venvlayers.errors import PublishError
from venvlayers.publish import zstd_file
from venvlayers.publish.canonical_tar import TarPart, tar_parts
from venvlayers.publish.contents import plan_contents
from venvlayers.publish.frames import KnownFrames, NewFrame
from venvlayers.publish.zstd import DEFAULT_LEVEL, ZstdTar
from venvlayers.publish.zstd_file import FrameFile
from venvlayers.publish.zstd_frames import OpenFrame


def new_frame(part: TarPart) -> OpenFrame:
    # A thread, as in earnest: without one a frame gives nothing before its end.
    parameters = zstandard.ZstdCompressionParameters.from_level(1, threads=1, job_size=1 << 20)
    compressor = zstandard.ZstdCompressor(compression_params=parameters)
    return OpenFrame(part, compressor, NewFrame(KnownFrames(), None, part.size))


def a_part(tmp_path: Path, size: int) -> TarPart:
    """Return a part that does not compress."""
    content = random.Random(0).randbytes(size)
    env = make_layer(tmp_path / "env", {"one/a.bin": content}, {"one": ("one/a.bin",)})
    (part,) = [part for part in tar_parts(plan_contents(env)) if part.name == "one"]
    return part


def no_other(part: TarPart) -> OpenFrame:
    raise AssertionError(part)


def threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name in {"frames", "ahead"}}


def write(part: TarPart, output: FrameFile, pool: ThreadPoolExecutor, most: int = 1 << 40) -> None:
    frame = new_frame(part)
    output.add(frame)
    for chunk in part.blocks():
        frame.feed(chunk)
        output.more()
        assert frame.waiting <= most
    frame.end(pool)
    output.finish()


class Slow(io.BytesIO):
    """A file on a disk that takes its time."""

    def write(self, data: Any) -> int:
        time.sleep(0.05)
        return super().write(data)


def test_what_is_compressed_waits_for_a_slow_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zstd_file, "_MOST_BYTES", 1 << 20)
    part, file = a_part(tmp_path, 7 << 20), Slow()
    with ThreadPoolExecutor(1) as pool, closing(FrameFile(file, no_other)) as output:
        write(part, output, pool, most=1 << 20)
    unpacked = zstandard.ZstdDecompressor().decompress(file.getvalue())
    assert unpacked == b"".join(part.chunks())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no file that is always full")
def test_an_error_of_the_file_reaches_who_compresses(tmp_path: Path) -> None:
    part = a_part(tmp_path, 5 << 20)
    with (
        Path("/dev/full").open("wb", buffering=0) as file,
        ThreadPoolExecutor(1) as pool,
        closing(FrameFile(file, no_other)) as output,
        pytest.raises(OSError, match="No space left") as caught,
    ):
        write(part, output, pool)
    assert caught.value.errno == errno.ENOSPC
    assert not threads()


def test_a_frame_that_is_given_up_is_not_waited_for(tmp_path: Path) -> None:
    part = a_part(tmp_path, 1000)
    with closing(FrameFile(io.BytesIO(), no_other)) as output:
        output.add(new_frame(part))  # and never ended: what reads it failed
    assert not threads()


def test_a_file_that_changed_ends_everything(tmp_path: Path) -> None:
    files = {f"{name}/{n}.bin": os.urandom(50_000) for name in ("one", "two") for n in range(40)}
    owners = {
        name: tuple(file for file in files if file.startswith(name)) for name in ("one", "two")
    }
    env = make_layer(tmp_path / "env", dict(files), owners)
    contents = plan_contents(env)
    (env.path / "two" / "7.bin").write_bytes(b"x" * 50_000)
    with pytest.raises(PublishError, match=r"two/7\.bin changed while it was packed"):
        ZstdTar(threads=2).write(
            contents,
            tmp_path / "a.tar.zst",
            level=DEFAULT_LEVEL,
            advance=lambda _: None,
            frames=KnownFrames(),
        )
    assert not threads()


def test_ctrl_c_while_frames_wait_that_are_known(tmp_path: Path) -> None:
    """Their files are closed: a warning that one was left open fails a test."""
    owners = {f"package{n}": (f"package{n}/a.bin",) for n in range(9)}
    files: dict[str, FileContent] = {f"{name}/a.bin": os.urandom(2 << 20) for name in owners}
    contents = plan_contents(make_layer(tmp_path / "env", files, owners))
    frames = KnownFrames(FrameStore(tmp_path / "frames"))

    def pack(place: Path, advance: Callable[[int], None]) -> None:
        format_ = ZstdTar(threads=2)
        format_.write(contents, place, level=DEFAULT_LEVEL, advance=advance, frames=frames)

    def interrupt(_amount: int) -> None:
        time.sleep(0.2)  # others are looked up meanwhile
        raise KeyboardInterrupt

    pack(tmp_path / "first.tar.zst", lambda _: None)
    with pytest.raises(KeyboardInterrupt):
        pack(tmp_path / "second.tar.zst", interrupt)
    assert not threads()
    gc.collect()
