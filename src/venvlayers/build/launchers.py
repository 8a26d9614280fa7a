"""The bytes of a program that runs Python code with the Python beside it, wherever that is.

On Linux and macOS it is one file that is a shell script and Python code at the same time,
for `sh` alone has to be at a known place. On Windows it is an executable of distlib's with
the code behind it. What the code does is said by `scripts.py` and `launch.py`.
"""

from __future__ import annotations

import ast
import io
import re
import zipfile
from importlib.resources import files
from itertools import takewhile
from pathlib import Path

from venvlayers.platforms import Platform

_POSIX_HEAD = b"""\
''':'
venvstacks_name=$0
case $venvstacks_name in
-*) venvstacks_name=./$venvstacks_name ;;
*/*) ;;
*) if [ -e "./$venvstacks_name" ]; then
    venvstacks_name=./$venvstacks_name
else
    venvstacks_name=$(command -v "$venvstacks_name")
fi ;;
esac
venvstacks_file=$venvstacks_name
while [ -h "$venvstacks_file" ]; do
    venvstacks_link=$(command -p readlink "$venvstacks_file" 2>/dev/null) ||
    venvstacks_link=$(readlink "$venvstacks_file") || exit 127
    case $venvstacks_link in
    /*) venvstacks_file=$venvstacks_link ;;
    *) venvstacks_file=${venvstacks_file%/*}/$venvstacks_link ;;
    esac
done
venvstacks_bin=${venvstacks_file%/*}
case $venvstacks_bin/ in
*/./* | */../* | *//*) venvstacks_link=. ;;
/*) venvstacks_link=$venvstacks_bin ;;
*) venvstacks_link=. ;;
esac
while [ "${venvstacks_link#/}" != "$venvstacks_link" ] && [ ! -h "$venvstacks_link" ]; do
    venvstacks_link=${venvstacks_link%/*}
done
if [ -n "$venvstacks_link" ]; then
    venvstacks_bin=$(CDPATH= cd -P -- "$venvstacks_bin/" && pwd -P && echo .) || exit 127
    venvstacks_bin=${venvstacks_bin%??}
fi
if [ ! -x "$venvstacks_bin/python" ]; then
    echo "$venvstacks_name: a layer is missing: there is no $venvstacks_bin/python" >&2
    echo "hint: unpack all layers of an application side by side in one directory" >&2
    exit 78
fi
exec "$venvstacks_bin/python" "$venvstacks_name" "$@"
'''"""
# For Python this is a string, as long as it has neither a backslash nor three quotes more.
# For `sh` its first line does nothing, and its last is never read. Everything is built into
# every POSIX shell but `readlink`, which is asked for where a link was started, and no
# variable of the user's changes what is done (CDPATH would), or is changed: an exported one
# would reach the program. A full stop, and its removal, keep a line feed at the end of a
# directory's name; `./` is for names that begin with a dash. Where no directory above is a
# link, as installers leave it, that is found out without another process. 78 is EX_CONFIG, as
# in sitecustomize.py.

_SHEBANG = b"#!/bin/sh -\n"
# With the dash, a path that begins with one is not taken for options.

_WINDOWS_LAUNCHERS = {
    ("AMD64", False): "t64.exe",
    ("AMD64", True): "w64.exe",
    ("ARM64", False): "t64-arm.exe",
    ("ARM64", True): "w64-arm.exe",
}
_WINDOWS_SHEBANG = b"#!<launcher_dir>\\"


def posix_program(code: bytes) -> bytes:
    """Return a program for Linux and macOS.

    Args:
        code: What it runs, without a line that names an interpreter.
    """
    # Comments stay in front: one that names the encoding has to be in the second line.
    lines = code.splitlines(keepends=True)
    comments = list(takewhile(lambda line: not line.strip() or line.strip()[:1] == b"#", lines))
    rest = b"".join(lines[len(comments) :])
    # Two strings in a row would be one too many before a `from __future__ import`.
    glue = b" \\\n" if _begins_with_a_string(rest, code) else b"\n"
    return b"".join((_SHEBANG, *comments, _POSIX_HEAD, glue, rest))


def _begins_with_a_string(rest: bytes, code: bytes) -> bool:
    if not re.match(rb"[rRuU]?['\"]", rest):
        return False
    try:
        return ast.get_docstring(ast.parse(code), clean=False) is not None
    except (SyntaxError, ValueError):  # of another Python, or in another encoding
        return False


def windows_program(code: bytes, platform: Platform, *, python: str, gui: bool = False) -> bytes:
    r"""Return a program for Windows: launcher, the Python's place, and a zip with the code.

    Args:
        code: What it runs.
        platform: Its Windows.
        python: The Python, relative to the program's directory, with ``\``.
        gui: Whether it is started without a console.
    """
    launcher = files("distlib") / _WINDOWS_LAUNCHERS[platform.machine, gui]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        entry = zipfile.ZipInfo("__main__.py")  # of 1980: a program has no time of its own
        entry.create_system = 0
        archive.writestr(entry, code)
    shebang = _WINDOWS_SHEBANG + python.encode() + b"\r\n"
    return launcher.read_bytes() + shebang + packed.getvalue()


def is_relocatable(program: Path) -> bool:
    """Tell whether *program* is one of those made here."""
    if program.is_symlink() or not program.is_file():
        return False
    content = program.read_bytes()
    if program.suffix == ".exe":
        return _WINDOWS_SHEBANG in content
    return content.startswith(_SHEBANG) and _POSIX_HEAD in content


def beside_python(program: bytes) -> bytes:
    """Return *program*, of a runtime or not, for a directory that has the Python in it."""
    return program.replace(_WINDOWS_SHEBANG + b"..\\", _WINDOWS_SHEBANG)
