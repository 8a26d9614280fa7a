"""Deflate (RFC 1951) in pieces, and telling encoders apart.

The bytes that zlib makes depend on its version, and on whose zlib it is: Pythons
come with Adler and Gailly's or with zlib-ng, and systems with patched ones.
"""

from __future__ import annotations

import hashlib
import zlib
from functools import cache

from venvlayers.publish.format import Codec

LEVELS = range(1, 10)
"""zlib's; 0 would not compress at all."""

DEFAULT_LEVEL = 6
"""zlib's own."""

_MEMORY_LEVEL = 9  # zlib's best; it takes 256 KiB


def deflate(level: int, data: bytes, *, last: bool = True) -> bytes:
    """Return *data* compressed, to be followed by more unless it is the *last*."""
    stream = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS, _MEMORY_LEVEL)
    begin = stream.compress(data)
    return begin + stream.flush(zlib.Z_FINISH if last else zlib.Z_SYNC_FLUSH)


@cache
def deflate_library(level: int) -> str:
    """Return which zlib this is, by its version and by what it makes of a sample."""
    return f"zlib {zlib.ZLIB_RUNTIME_VERSION}/{fingerprint(deflate(level, sample()))}"


def fingerprint(compressed: bytes) -> str:
    """Return what tells an encoder from others that call themselves the same."""
    return hashlib.sha256(compressed).hexdigest()[:12]


@cache
def sample() -> bytes:
    """Return a fixed text of some 100 KB with near and far repetitions."""
    words = [hashlib.sha256(bytes([number])).hexdigest()[: 3 + number % 9] for number in range(256)]
    order = hashlib.shake_128(b"venvlayers").digest(16_000)
    return " ".join(words[number] for number in order).encode()


def deflate_codec(level: int, piece_size: int) -> Codec:
    """Return what decides about bytes that are made here."""
    return {"library": deflate_library(level), "level": level, "piece_size": piece_size}
