"""Shared objects that need each other, made from an extension module of the running Python."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from venvlayers.build.runtime.patchelf import find_patchelf


def shared_object(path: Path, *needs: str) -> bytes:
    """Return a shared object that needs these libraries and nothing but C's."""
    module = next(Path(os.__file__).with_name("lib-dynload").glob("_heapq*.so"))
    made = path / "made.so"
    shutil.copyfile(module, made)
    options = [text for name in needs for text in ("--add-needed", name)]
    find_patchelf()._run([*options, "--remove-rpath"], [made])
    return made.read_bytes()
