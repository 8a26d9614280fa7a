"""Python for other platforms, in the layout of python-build-standalone's ``install_only`` archives.

The programs in them only say what they are for; all else is where it is in the real ones,
with what comes along and has to go: pip, tests, bytecode, static libraries, links.
"""

from __future__ import annotations

import json
import pprint
from collections.abc import Mapping
from pathlib import Path

from support.program_files import binary
from venvlayers.platforms import Platform, PythonVersion

Tree = Mapping[str, bytes | str]
"""Files by path; a text is the target of a symlink."""


def standalone_tree(root: Path, platform: Platform, version: PythonVersion) -> None:
    """Write a Python of *version* for *platform* into *root*."""
    files = _windows(platform, version) if platform.is_windows else _posix(platform, version)
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            path.symlink_to(content)
            continue
        path.write_bytes(content)
        if path.parent.name == "bin" or path.suffix == ".exe":
            path.chmod(0o755)


def _windows(platform: Platform, version: PythonVersion) -> Tree:
    def made(name: str) -> bytes:
        return binary(platform, f"{name} {version}")

    launchers = ("venvlauncher.exe", "venvwlauncher.exe", "venvlaunchert.exe")
    if (version.major, version.minor) < (3, 13):
        launchers = ("python.exe", "pythonw.exe", "python_d.exe")
    programs = ("python.exe", "pythonw.exe", "python3.dll", "vcruntime140.dll")
    return {
        **{name: made(name) for name in programs},
        f"python{version.major}{version.minor}.dll": made("python"),
        "DLLs/_ssl.pyd": made("_ssl"),
        "DLLs/libssl-3.dll": made("libssl"),
        "Lib/os.py": b"",
        "Lib/ntpath.py": b"",
        "Lib/venv/__init__.py": b"",
        **{f"Lib/venv/scripts/nt/{name}": made(name) for name in launchers},
        "Lib/__pycache__/os.pyc": b"",
        "Lib/test/__init__.py": b"",
        "Lib/site-packages/pip/__init__.py": b"",
        "Scripts/pip.exe": made("pip"),
        "libs/python3.lib": b"",
        "include/Python.h": b"",
        "tcl/tcl8.6/init.tcl": b"",
        "LICENSE.txt": b"PSF\n",
    }


def _posix(platform: Platform, version: PythonVersion) -> Tree:
    def made(name: str) -> bytes:
        return binary(platform, f"{name} /install/lib")

    name = f"python{version.series}"
    library = f"lib/{name}"
    shebang = f"#!/install/bin/{name}\n".encode()
    macos = platform.sys_platform == "darwin"
    triple = "darwin" if macos else f"{platform.machine}-linux-gnu"
    shared = f"lib/lib{name}.dylib" if macos else f"lib/lib{name}.so.1.0"
    links = (
        {} if macos else {f"lib/lib{name}.so": f"lib{name}.so.1.0", "share/terminfo/x/u": "../v"}
    )
    extension = f"cpython-{version.major}{version.minor}-{triple}.so"
    details = {"base_prefix": "/install", "libpython": {"dynamic": f"/install/{shared}"}}
    return {
        f"bin/{name}": made(name),
        "bin/python": name,
        "bin/python3": name,
        "bin/pip3": shebang + b"import pip\n",
        f"bin/{name}-config": b"#!/bin/sh\nprefix=/install\n",
        shared: made(shared),
        **links,
        "share/terminfo/v": b"\x1a\x01",
        f"{library}/os.py": b"",
        f"{library}/lib-dynload/_ssl.{extension}": made("_ssl"),
        f"{library}/_sysconfigdata__{'darwin' if macos else 'linux'}_{triple}.py": _variables(
            version, triple
        ),
        f"{library}/build-details.json": json.dumps(details).encode(),
        f"{library}/venv/scripts/nt/venvlauncher.exe": b"MZ",
        f"{library}/__pycache__/os.cpython-311.pyc": b"",
        f"{library}/test/__init__.py": b"",
        f"{library}/config-{version.series}-{triple}/Makefile": b"prefix=/install\n",
        f"{library}/config-{version.series}-{triple}/lib{name}.a": b"",
        f"{library}/site-packages/pip/__init__.py": b"",
        f"{library}/site-packages/README.txt": b"",
        "lib/pkgconfig/python3.pc": b"prefix=/install\n",
        f"include/{name}/Python.h": b"",
        "share/man/man1/python3.1": b"",
    }


def _variables(version: PythonVersion, triple: str) -> bytes:
    variables = {
        "prefix": "/install",
        "exec_prefix": "/install",
        "LIBDIR": "/install/lib",
        "INCLUDEPY": f"/install/include/python{version.series}",
        "LDFLAGS": "-L/install/lib",
        "INSTALL": "/usr/bin/install -c",
        "MULTIARCH": triple,
        "CC": "clang -pthread",
        "AR": "/tools/llvm/bin/llvm-ar",
    }
    header = "# system configuration generated and used by the sysconfig module\n"
    return f"{header}build_time_vars = {pprint.pformat(variables)}\n".encode()
