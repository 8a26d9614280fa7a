"""What the C library's allocator is told before layers are packed, where that is glibc.

It gives threads heaps of their own, "arenas", up to eight for each core. What one thread frees,
another cannot use, and we have a dozen threads: publishing a stack of 1 GB took 280 to 310 MB
with them, and takes 220 to 260 MB with two, in the same time.

This holds for the whole process and for good; nothing but memory and time depends on it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

_M_ARENA_MAX = -8  # malloc.h
_ARENAS = 2


def save_memory(environ: Mapping[str, str] = os.environ) -> bool:
    """Have threads share two arenas; tell whether they do now.

    To be called before there are threads: glibc decides once how many arenas there may be, and
    takes back none that there are. A user who said how many (``MALLOC_ARENA_MAX``, or a tunable
    of glibc's) knows better, and other C libraries have no such thing.
    """
    if sys.platform != "linux" or "MALLOC_ARENA_MAX" in environ:
        return False
    if "glibc.malloc.arena_max" in environ.get("GLIBC_TUNABLES", ""):
        return False
    import ctypes  # noqa: PLC0415 - it costs 6 ms

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    return mallopt is not None and bool(mallopt(_M_ARENA_MAX, _ARENAS))
