"""What can go wrong between the threads that compress, write and read."""

from __future__ import annotations

import errno
import gc
import io
import os
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import zstandard

from support.layers import FileContent, make_layer
from venvlayers.cache.entry import StoredFrame
from venvlayers.cache.store import FrameStore
from venvlayers.errors import PublishError
from venvlayers.publish import ahead, zstd_file
from venvlayers.publish.canonical_tar import TarPart, tar_parts
from venvlayers.publish.contents import LayerContents, plan_contents
from venvlayers.publish.format import Codec
from venvlayers.publish.frames import KnownFrames, NewFrame
from venvlayers.publish.zstd import DEFAULT_LEVEL, ZstdTar
from venvlayers.publish.zstd_file import FrameFile
from venvlayers.publish.zstd_frames import OpenFrame


def new_frame(part: TarPart, kind: type[OpenFrame] = OpenFrame) -> OpenFrame:
    # A thread, as in earnest: without one a frame gives nothing before its end.
    parameters = zstandard.ZstdCompressionParameters.from_level(1, threads=1, job_size=1 << 20)
    compressor = zstandard.ZstdCompressor(compression_params=parameters)
    return kind(part, compressor, NewFrame(KnownFrames(), None, part.size))


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


def ignore(_amount: int) -> None:
    pass


def interrupt(_amount: int) -> None:
    time.sleep(0.2)  # other threads go on meanwhile
    raise KeyboardInterrupt


def pack(
    contents: LayerContents,
    place: Path,
    frames: KnownFrames,
    *,
    advance: Callable[[int], None] = ignore,
) -> None:
    format_ = ZstdTar(threads=2)
    format_.write(contents, place, level=DEFAULT_LEVEL, advance=advance, frames=frames)


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
        pack(contents, tmp_path / "a.tar.zst", KnownFrames())
    assert not threads()


def many_packages(tmp_path: Path) -> LayerContents:
    """Return packages whose frames are so large that a store reads them from open files."""
    owners = {f"package{n}": (f"package{n}/a.bin",) for n in range(9)}
    files: dict[str, FileContent] = {f"{name}/a.bin": os.urandom(2 << 20) for name in owners}
    return plan_contents(make_layer(tmp_path / "env", files, owners))


def test_ctrl_c_while_frames_wait_that_are_known(tmp_path: Path) -> None:
    """Their files are closed: a warning that one was left open fails a test."""
    contents = many_packages(tmp_path)
    frames = KnownFrames(FrameStore(tmp_path / "frames"))

    pack(contents, tmp_path / "first.tar.zst", frames)
    with pytest.raises(KeyboardInterrupt):
        pack(contents, tmp_path / "second.tar.zst", frames, advance=interrupt)
    assert not threads()
    gc.collect()


class Unreadable(KnownFrames):
    """Frames of which some cannot be read, although they are there."""

    def find(self, part: TarPart, codec: Codec, **more: Any) -> StoredFrame | None:
        if part.name in {"package2", "package3"}:
            raise OSError(errno.EIO, os.strerror(errno.EIO), part.name)
        return super().find(part, codec, **more)


def test_ctrl_c_while_frames_cannot_be_looked_up(tmp_path: Path) -> None:
    """Those that were found meanwhile are closed as well."""
    contents = many_packages(tmp_path)
    store = FrameStore(tmp_path / "frames")
    pack(contents, tmp_path / "first.tar.zst", KnownFrames(store))
    with pytest.raises(KeyboardInterrupt):
        pack(contents, tmp_path / "second.tar.zst", Unreadable(store), advance=interrupt)
    assert not threads()
    gc.collect()


class Wrong(OpenFrame):
    def is_right(self, _written: Callable[[], Iterable[bytes]]) -> bool:
        return False


class Endless(TarPart):
    """A part that is never read to its end."""

    def blocks(self) -> Iterator[bytes]:
        while True:
            yield bytes(1 << 20)


def test_what_replaces_a_frame_can_be_given_up(tmp_path: Path) -> None:
    begun = threading.Event()

    def replace(_part: TarPart) -> OpenFrame:
        begun.set()
        return new_frame(Endless("endless", 1 << 40, "", "", ()))

    frame = new_frame(a_part(tmp_path, 1000), Wrong)
    frame.feed(b"".join(frame.part.chunks()))
    with ThreadPoolExecutor(1) as pool, closing(FrameFile(io.BytesIO(), replace)) as output:
        frame.end(pool)
        output.add(frame)
        assert begun.wait(10)
    assert not threads()


class Interrupted(threading.Thread):
    """A thread while whose start the user presses Ctrl-C: it runs, and waits for something."""

    def start(self) -> None:
        super().start()
        time.sleep(0.1)
        raise KeyboardInterrupt


@pytest.mark.parametrize("module", [zstd_file, ahead])
def test_ctrl_c_while_a_thread_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: ModuleType
) -> None:
    contents = plan_contents(make_layer(tmp_path / "env"))
    monkeypatch.setattr(module, "Thread", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        pack(contents, tmp_path / "a.tar.zst", KnownFrames())
    for thread in threads():
        thread.join(10)
    assert not threads()
