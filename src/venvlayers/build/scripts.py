"""Console scripts that run wherever the layer is put.

uv writes the path of the Python that it was given into each script. Here that
line becomes one which finds the Python beside the script itself.
"""

from __future__ import annotations

import re
from pathlib import Path

_RELATIVE_LAUNCH = (
    b'#!/bin/sh\n\'\'\'exec\' "$(dirname -- "$(realpath -- "$0")")/python" "$0" "$@"\n\' \'\'\'\n'
)
# The shell runs the second line; for Python the second and third are a string.

_PYTHON_SHEBANG = re.compile(rb"#![^\n]*python[^\n]*\n")
_SH_TRAMPOLINE = re.compile(rb"#!/bin/sh\n'''exec' [^\n]*\n' '''\n")
# uv's form when the path of its Python has spaces, or is too long for the kernel.


def relocatable(script: bytes) -> bytes | None:
    """Return a script that finds its Python beside itself; None if it is not a Python script."""
    match = _SH_TRAMPOLINE.match(script) or _PYTHON_SHEBANG.match(script)
    return _RELATIVE_LAUNCH + script[match.end() :] if match else None


def is_relocatable(program: Path) -> bool:
    """Tell whether *program* is a script that finds its Python beside itself."""
    if program.is_symlink() or not program.is_file():
        return False
    with program.open("rb") as file:
        return file.read(len(_RELATIVE_LAUNCH)) == _RELATIVE_LAUNCH


def make_scripts_relocatable(bin_dir: Path) -> None:
    """Rewrite every Python script in *bin_dir*; other programs stay as they are."""
    if not bin_dir.is_dir():
        return
    for path in sorted(bin_dir.iterdir()):
        if path.is_symlink() or not path.is_file():
            continue
        with path.open("rb") as file:
            is_script = file.read(2) == b"#!"
        if is_script and (rewritten := relocatable(path.read_bytes())) is not None:
            path.unlink()
            path.write_bytes(rewritten)
            path.chmod(0o755)
