"""What the C library's allocator is told before layers are packed, where that is glibc.

It gives threads heaps of their own, "arenas", up to eight for each core. What one thread frees,
another cannot use, and we have a dozen threads: publishing a stack of 1 GB took 280 to 310 MB
with them, and takes 220 to 260 MB with two, in the same time.

Blocks of up to 32 MiB are in those heaps, too, as soon as one of their size was freed, and where
one was, none of another size may fit. At levels whose tables are as large that took 290 to 320 MB.

This holds for the whole process and for good; nothing but memory and time depends on it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8  # malloc.h
_ARENAS = 2
_LARGE = 8 << 20


def save_memory(environ: Mapping[str, str] = os.environ) -> bool:
    """Have threads share two arenas; tell whether they do now.

    To be called before there are threads: glibc decides once how many arenas there may be, and
    takes back none that there are. A user who said how many (``MALLOC_ARENA_MAX``, or a tunable
    of glibc's) knows better, and other C libraries have no such thing.
    """
    return _told(_M_ARENA_MAX, _ARENAS, environ, "MALLOC_ARENA_MAX", "arena_max")


def give_back_large_blocks(environ: Mapping[str, str] = os.environ) -> bool:
    """Have blocks of 8 MiB and more be the system's again when they are freed; tell whether so.

    It takes 5 % of the time to publish where blocks are used for a moment, as at the default
    level, and nothing that can be measured where compressing takes minutes. A user who said what is
    large (``MALLOC_MMAP_THRESHOLD_``, or a tunable) knows better.
    """
    return _told(_M_MMAP_THRESHOLD, _LARGE, environ, "MALLOC_MMAP_THRESHOLD_", "mmap_threshold")


def _told(
    parameter: int, value: int, environ: Mapping[str, str], variable: str, tunable: str
) -> bool:
    if sys.platform != "linux" or variable in environ:
        return False
    if f"glibc.malloc.{tunable}=" in environ.get("GLIBC_TUNABLES", ""):
        return False
    import ctypes  # noqa: PLC0415 - it costs 6 ms

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    return mallopt is not None and bool(mallopt(parameter, value))
