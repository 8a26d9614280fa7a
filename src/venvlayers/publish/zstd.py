"""``tar.zst``: the canonical tar as a sequence of zstd frames, one for each of its parts.

Every zstd tool reads the sequence as one stream. The bytes depend on the tar,
the level, and libzstd's version; not on the number of cores or on timing.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import zstandard

from venvlayers.publish.canonical_tar import TarPart, tar_parts
from venvlayers.publish.contents import LayerContents
from venvlayers.publish.format import Codec, Frame, WrittenArchive, check_level

DEFAULT_LEVEL = 6
"""Measured on the demo's 262 MB with two slow cores: level 5 3.3 s and 72.7 MB, 6 4.0 s and
70.7 MB, 7 5.1 s and 68.9 MB, 9 6.5 s and 67.6 MB. Of these 6 is the last within 5 s."""

# RFC 8878 recommends that every decoder supports windows of 8 MiB. Libraries in one
# distribution resemble each other over such distances: 1.5 % smaller than with 4 MiB.
_WINDOW_LOG = 23
_JOB_SIZE = 16 << 20  # at most this much of a frame is compressed as one piece of work
_OVERLAP_LOG = 8  # each piece sees half a window of what is before it
_MEMORY = 240_000_000  # for everything that is compressed at the same time
_LEVELS = range(1, zstandard.MAX_COMPRESSION_LEVEL + 1)


class ZstdTar:
    """Our own format, registered as a plugin like every other."""

    name = "tar.zst"
    suffix = ".tar.zst"
    default_level = DEFAULT_LEVEL
    best_level = 19

    def __init__(self, *, threads: int | None = None) -> None:
        # With no worker at all libzstd makes other bytes; the number of them does not matter.
        self._threads = max(1, (os.cpu_count() or 1) if threads is None else threads)

    def codec(self, level: int) -> Codec:
        """Return what decides about an archive's bytes.

        Raises:
            PublishError: zstd has no such level.
        """
        check_level(self.name, level, _LEVELS, self.default_level)
        libzstd = ".".join(map(str, zstandard.ZSTD_VERSION))
        return {
            "library": f"zstandard {zstandard.__version__}/libzstd {libzstd}",
            "level": level,
            "window_log": _WINDOW_LOG,
            "job_size": _JOB_SIZE,
            "overlap_log": _OVERLAP_LOG,
        }

    def write(
        self,
        contents: LayerContents,
        place: Path,
        *,
        mtime: int,
        level: int,
        advance: Callable[[int], None],
    ) -> WrittenArchive:
        """Pack *contents* into *place*; see `ArchiveFormat.write`."""
        codec = self.codec(level)
        tar_digest = hashlib.sha256()
        fitting = _fitting_jobs(level)
        threads = min(self._threads, fitting)
        with place.open("xb") as file, ThreadPoolExecutor(threads) as pool:
            output = _Output(file, pool, threads, min(fitting - threads, threads))
            for part in tar_parts(contents, mtime):
                frame = output.begin(part, _compressor(level, threads))
                for chunk in part.chunks():
                    output.feed(frame, chunk)
                    tar_digest.update(chunk)
                    advance(len(chunk))
                output.end(frame)
            output.close()
        return output.result(place, tar_digest.hexdigest(), codec)


def _fitting_jobs(level: int) -> int:
    """Return how many pieces of work may be under way: at high levels each has huge tables."""
    parameters = zstandard.ZstdCompressionParameters(
        compression_level=level, window_log=_WINDOW_LOG
    )
    tables = parameters.estimated_compression_context_size()
    return max(1, _MEMORY // (tables + 2 * _JOB_SIZE))


def _compressor(level: int, threads: int) -> zstandard.ZstdCompressor:
    # The window shrinks to the frame's content by itself: its size is declared.
    parameters = zstandard.ZstdCompressionParameters(
        compression_level=level,
        window_log=_WINDOW_LOG,
        job_size=_JOB_SIZE,
        overlap_log=_OVERLAP_LOG,
        threads=threads,
        write_checksum=True,
        write_content_size=True,
    )
    return zstandard.ZstdCompressor(compression_params=parameters)


class _OpenFrame:
    """A frame that is being compressed; what comes out waits in `ready` for its turn."""

    def __init__(self, part: TarPart, compressor: zstandard.ZstdCompressor) -> None:
        self.part = part
        self.ready: list[bytes] = []
        self.size = 0
        self._stream = compressor.compressobj(size=part.size)

    def feed(self, chunk: bytes) -> None:
        # Returns when libzstd has taken the chunk; its own threads do the work.
        self._keep(self._stream.compress(chunk))

    def finish(self) -> None:
        self._keep(self._stream.flush())

    def _keep(self, data: bytes) -> None:
        if data:
            self.ready.append(data)
            self.size += len(data)


class _Output:
    """The file: frames in their order, while the ends of earlier ones are still compressed.

    A frame's last pieces of work leave cores idle. The next frame begins meanwhile,
    if no more than *spare* pieces of work are unfinished; a frame has *threads* at most.
    """

    def __init__(self, file: BinaryIO, pool: ThreadPoolExecutor, threads: int, spare: int) -> None:
        self._file = file
        self._pool = pool
        self._most_of_a_frame = threads * _JOB_SIZE
        self._spare = spare * _JOB_SIZE
        self._finishing: deque[tuple[_OpenFrame, Future[None]]] = deque()
        self._digest = hashlib.sha256()
        self._frames: list[Frame] = []
        self._size = 0
        self._tar_size = 0

    def begin(self, part: TarPart, compressor: zstandard.ZstdCompressor) -> _OpenFrame:
        return _OpenFrame(part, compressor)

    def feed(self, frame: _OpenFrame, chunk: bytes) -> None:
        frame.feed(chunk)
        self._collect()
        if not self._finishing:
            self._write(frame)

    def end(self, frame: _OpenFrame) -> None:
        self._finishing.append((frame, self._pool.submit(frame.finish)))
        while self._unfinished() > self._spare:
            self._complete_first()

    def close(self) -> None:
        while self._finishing:
            self._complete_first()

    def result(self, place: Path, tar_sha256: str, codec: Codec) -> WrittenArchive:
        return WrittenArchive(
            path=place,
            size=self._size,
            sha256=self._digest.hexdigest(),
            tar_size=self._tar_size,
            tar_sha256=tar_sha256,
            frames=tuple(self._frames),
            codec=codec,
        )

    def _unfinished(self) -> int:
        return sum(min(frame.part.size, self._most_of_a_frame) for frame, _ in self._finishing)

    def _collect(self) -> None:
        while self._finishing and self._finishing[0][1].done():
            self._complete_first()

    def _complete_first(self) -> None:
        frame, finished = self._finishing.popleft()
        finished.result()
        self._write(frame)
        part = frame.part
        begin = self._frames[-1].offset + self._frames[-1].size if self._frames else 0
        self._frames.append(
            Frame(
                name=part.name,
                offset=begin,
                size=frame.size,
                tar_offset=self._tar_size,
                tar_size=part.size,
            )
        )
        self._tar_size += part.size

    def _write(self, frame: _OpenFrame) -> None:
        for data in frame.ready:
            self._file.write(data)
            self._digest.update(data)
            self._size += len(data)
        frame.ready.clear()
