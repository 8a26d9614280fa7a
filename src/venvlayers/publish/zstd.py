"""``tar.zst``: the canonical tar as a sequence of zstd frames, one for each of its parts.

Every zstd tool reads the sequence as one stream. The bytes depend on the tar,
the level, and libzstd's version; not on the number of cores or on timing. So a
part that was compressed before is copied.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import zstandard

from venvlayers.publish.format import Codec, WrittenArchive, check_level

if TYPE_CHECKING:
    from venvlayers.publish.contents import LayerContents
    from venvlayers.publish.frames import KnownFrames

DEFAULT_LEVEL = 5
"""Near the knee of speed against size: docs/explanation/compression.md."""

# Distributions bring the same library several times, or a resource in two places: with
# long-distance matching in a window of 32 MiB, Qt's packages are 8 % smaller, in the same
# time. 128 MiB, the most that decoders accept unasked, gains another 0.4 % and costs memory.
_WINDOW_LOG = 25
_JOB_SIZE = 4 << 20  # at most this much of a frame is compressed as one piece of work
_OVERLAP_LOG = 6  # besides long-distance matches, a piece sees an eighth of a window before it
# Of places that could begin a long-distance match, two are looked at, and not 16 (8 to 256, by
# level): archives are 0.1 % larger, and made in 9 % less time at the default level.
_LONG_MATCHES = {"ldm_bucket_size_log": 1}
_OWN_PARAMETERS = {
    # To look at twice as many places makes archives 0.4 % smaller in 1 % more time.
    5: {"search_log": 4},
    # A quarter of its tables less makes archives 0.3 to 1 % larger, and two pieces of work fit
    # into the memory that we allow ourselves: half the time on two cores. Long matches take so
    # little of its time that all 256 places are looked at, as libzstd does.
    19: {"chain_log": 23, "ldm_bucket_size_log": 8},
}
# What small frames may take besides. Between two large ones stands the header of a large file, a
# frame of its own, and cores would be idle if the first had to be finished for its sake.
_SMALL_FRAMES = 2 << 20
# For everything that is compressed at the same time, besides windows. At level 19 it is two
# pieces of work of one frame.
_MEMORY = 170_000_000
# Each frame has tables for all threads. From level 10 on two frames' would be more than that.
_SMALL_TABLES = 16 << 20
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
            "long_distance_matching": 1,
            "job_size": _JOB_SIZE,
            "overlap_log": _OVERLAP_LOG,
            **_own_parameters(level),
        }

    def write(
        self,
        contents: LayerContents,
        place: Path,
        *,
        level: int,
        advance: Callable[[int], None],
        frames: KnownFrames,
    ) -> WrittenArchive:
        """Pack *contents* into *place*; see `ArchiveFormat.write`."""
        # Late: a run in which nothing is to be done asks for the codec alone.
        from venvlayers.allocator import give_back_large_blocks  # noqa: PLC0415
        from venvlayers.publish.stand_ins import STAND_IN, stand_in_for  # noqa: PLC0415
        from venvlayers.publish.zstd_output import write_frames  # noqa: PLC0415

        tables = _tables_size(level)
        fitting = max(1, _MEMORY // (tables + 2 * _JOB_SIZE))
        threads = min(self._threads, fitting)
        ahead = min(fitting - threads, threads) if tables <= _SMALL_TABLES else 0
        if tables > _SMALL_TABLES:
            give_back_large_blocks()
        return write_frames(
            contents,
            place,
            codec=self.codec(level),
            compressor=partial(_compressor, level, threads),
            stand_in=stand_in_for if _looks_for_threes(level) else lambda _part: STAND_IN,
            threads=threads,
            most=threads * _JOB_SIZE,
            spare=ahead * _JOB_SIZE + _SMALL_FRAMES if ahead else 0,
            advance=advance,
            frames=frames,
        )


def _own_parameters(level: int) -> dict[str, int]:
    """Return what is not as libzstd has it for a level, besides what all levels have."""
    return {**_LONG_MATCHES, **_OWN_PARAMETERS.get(level, {})}


def _tables_size(level: int) -> int:
    """Return the bytes that a piece of work takes besides what is compressed."""
    return _without_long_distance(level).estimated_compression_context_size()


def _looks_for_threes(level: int) -> bool:
    """Tell whether three equal bytes are a match, as from level 18 on.

    A large package has three of what stands for names as a rule, and the work would be done twice.
    """
    return _without_long_distance(level).min_match <= 3  # noqa: PLR2004 - bytes


def _without_long_distance(level: int) -> zstandard.ZstdCompressionParameters:
    # With it libzstd 1.5.7 divides by 0 where it estimates sizes. Its table is small.
    return zstandard.ZstdCompressionParameters.from_level(
        level, window_log=_WINDOW_LOG, **_own_parameters(level)
    )


def _compressor(level: int, threads: int) -> zstandard.ZstdCompressor:
    # The window shrinks to the frame's content by itself: its size is declared.
    parameters = zstandard.ZstdCompressionParameters.from_level(
        level,
        window_log=_WINDOW_LOG,
        enable_ldm=1,
        job_size=_JOB_SIZE,
        overlap_log=_OVERLAP_LOG,
        threads=threads,
        **_own_parameters(level),
        write_checksum=1,
        write_content_size=1,
    )
    return zstandard.ZstdCompressor(compression_params=parameters)
