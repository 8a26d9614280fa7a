"""Which uv is used. Nothing is started here."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from venvlayers.errors import ToolError
from venvlayers.uv.commands import Uv


def find_uv() -> Uv:
    """Find uv: ``VENVSTACKS_UV``, the one installed beside us, Hatch's, the one on PATH.

    Raises:
        ToolError: There is none.
    """
    path = _uv_path()
    if path is None:
        raise ToolError(
            "uv was not found",
            hint="install it with `python -m pip install uv`, or name it in VENVSTACKS_UV",
        )
    return Uv(path=path)


def _uv_path() -> Path | None:
    if named := os.environ.get("VENVSTACKS_UV"):
        return Path(named).absolute()  # commands run in other directories
    try:
        from uv import find_uv_bin  # noqa: PLC0415 - only the module that knows uv asks for it

        return Path(find_uv_bin())
    except (ImportError, FileNotFoundError):
        elsewhere = os.environ.get("HATCH_UV") or shutil.which("uv")
        return Path(elsewhere) if elsewhere else None
