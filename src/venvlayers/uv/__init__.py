"""The only room that knows uv: its options, its output, its versions.

`Uv` is a value: a program that was found and is new enough. Each method is one
command; it returns what uv made or raises `UvFailure` with uv's own words, and
the caller, who knows the layer, says what that means. The rest of the engine
imports from here, not from the modules.
"""

from venvlayers.uv.answers import MIRRORS, ManagedPython, managed_key
from venvlayers.uv.commands import Uv
from venvlayers.uv.find import find_uv
from venvlayers.uv.running import UvFailure, unheeded_sources

__all__ = [
    "MIRRORS",
    "ManagedPython",
    "Uv",
    "UvFailure",
    "find_uv",
    "managed_key",
    "unheeded_sources",
]
