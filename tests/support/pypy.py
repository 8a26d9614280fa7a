"""A real PyPy to make layers from, where there is one.

It is the one below the directory named by VENVSTACKS_TEST_PYPY (Debian's packages,
unpacked by ``nox -s pypy``, or a portable archive), else that of a ``pypy3`` on PATH.
VENVSTACKS_TEST_PYPY_PACKAGING names a directory with a `packaging` that it can import.
`portable_pypy` arranges it like PyPy's own archives, which nothing here can fetch;
`pypy_downloads` serves such an archive to uv.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import packaging
import pytest

from venvlayers.platforms import PLATFORMS, Interpreter, Platform, PythonVersion
from venvlayers.uv import find_uv

_QUESTION = """
import json, os, sys
print(json.dumps([
    list(sys.version_info[:3]), list(sys.pypy_version_info[:3]), sys.base_prefix,
    os.path.dirname(os.__file__),
]))
"""
_LEFT_OUT = ("__pycache__", "site-packages", "dist-packages", "test", "tests", "idlelib", "tkinter")


@dataclass(frozen=True, slots=True)
class FoundPyPy:
    """A PyPy on this machine.

    Attributes:
        interpreter: What it is.
        program: The program itself.
        library: The shared library that it is.
        stdlib: Its standard library.
        headers: Its headers; need not be there.
    """

    interpreter: Interpreter
    program: Path
    library: Path
    stdlib: Path
    headers: Path


def _find() -> FoundPyPy | None:
    # Read when tests are collected: fixtures take such variables away.
    named = os.environ.get("VENVSTACKS_TEST_PYPY")
    on_path = shutil.which("pypy3")
    programs = sorted(Path(named, "bin").glob("pypy3.*[0-9]")) if named else []
    if not programs and on_path and not named:
        programs = [Path(on_path).resolve()]
    if sys.platform != "linux" or not programs:
        return None
    program = programs[0]
    prefix = program.parent.parent
    name = f"lib{program.name}-c.so"
    libraries = [*program.parent.glob(name), *prefix.glob(f"lib/**/{name}")]
    environment = {"LD_LIBRARY_PATH": str(libraries[0].parent)} if libraries else {}
    command = [str(program), "-I", "-S", "-c", _QUESTION]
    told = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    if told.returncode:  # it needs libraries of another system
        return None
    version, release, base, stdlib = json.loads(told.stdout)
    return FoundPyPy(
        interpreter=Interpreter("pypy", PythonVersion(*version), ".".join(map(str, release))),
        program=program,
        library=libraries[0],
        stdlib=Path(stdlib),
        headers=Path(base, "include", program.name),
    )


PYPY = _find()
"""The PyPy to test with; None if there is none."""
PACKAGING = Path(
    os.environ.get("VENVSTACKS_TEST_PYPY_PACKAGING") or Path(packaging.__file__).parent.parent
)
"""The directory that PyPy shall import `packaging` from; ours may be too new for its Python."""

needs_pypy = pytest.mark.skipif(
    PYPY is None,
    reason="no PyPy that runs here: try `nox -s pypy`, or name one in VENVSTACKS_TEST_PYPY",
)


def portable_pypy(root: Path, *, as_debian: bool = False) -> Path:
    """Make a PyPy in *root* in the layout of PyPy's own archives; return its program.

    Args:
        root: Its directory, which does not exist yet.
        as_debian: Whether it looks for packages where Debian's does, if it is Debian's.
    """
    assert PYPY is not None
    name = PYPY.interpreter.library
    program = root / "bin" / name
    program.parent.mkdir(parents=True)
    shutil.copy2(PYPY.program, program)
    shutil.copy2(PYPY.library, program.parent)
    (program.parent / f"{PYPY.library.name}.debug").write_bytes(b"symbols")
    for alias in ("pypy", "pypy3", "python", "python3", f"python{PYPY.interpreter.version.series}"):
        (program.parent / alias).symlink_to(name)
    stdlib = root / "lib" / name
    shutil.copytree(PYPY.stdlib, stdlib, ignore=shutil.ignore_patterns(*_LEFT_OUT))
    if PYPY.headers.is_dir():
        shutil.copytree(PYPY.headers, root / "include" / name)
    if not as_debian:
        _undo_debian(stdlib)
    (stdlib / "site-packages").mkdir()
    (stdlib / "site-packages" / "README").write_text("for packages\n")
    (stdlib / "__pycache__").mkdir()
    (stdlib / "__pycache__" / "os.pypy39.pyc").write_bytes(b"")
    (stdlib / "test").mkdir()
    (stdlib / "test" / "__init__.py").write_text("")
    (root / "README.rst").write_text("This is PyPy.\n")
    return program


def _undo_debian(stdlib: Path) -> None:
    """Let `site` and `sysconfig` look for packages where PyPy's own do.

    Debian's look in other places outside of virtual environments.
    """
    module = stdlib / "sysconfig.py"
    text = module.read_text("utf-8").replace("'deb_system'", "'not_debian'")
    module.write_text(text, "utf-8")
    module = stdlib / "site.py"
    text = module.read_text("utf-8")
    text = text.replace("if is_virtual_environment:", "if True:")
    module.write_text(text, "utf-8")


STAND_IN = Interpreter("pypy", PythonVersion(3, 11, 15), "7.3.20")
"""What `stand_in_downloads` serves: it has PyPy's layout, and does not run."""

_UV_FOR_WINDOWS = (0, 12)
"""Which uv installs Windows' PyPy elsewhere: 0.9 to 0.11 fail to make a link in it."""

_STAND_IN_ON_UNIX = {
    "bin/pypy3.11": b"pypy",
    "bin/libpypy3.11-c.so": b"library",
    "bin/libpypy3.11-c.so.debug": b"symbols",
    "bin/libpypy3.11-c.dylib": b"library",
    "bin/pip3": b"#!/build/bin/pypy3\n",
    "include/pypy3.11/Python.h": b"",
    "lib/libffi.so.8": b"library",
    "lib/pypy3.11/os.py": b"",
    "lib/pypy3.11/_sysconfigdata.py": b"import sys\nbuild_time_vars = dict(CC=sys.prefix)\n",
    "lib/pypy3.11/_sysconfigdata__linux_x86_64-linux-gnu.py": b"from _sysconfigdata import *\n",
    "lib/pypy3.11/__pycache__/os.pypy311.pyc": b"",
    "lib/pypy3.11/test/__init__.py": b"",
    "lib/pypy3.11/site-packages/README": b"",
    "README.rst": b"PyPy\n",
}
_STAND_IN_ON_WINDOWS = {
    "python.exe": b"MZ",
    "pythonw.exe": b"MZ",
    "pypy3.11.exe": b"MZ",
    "libpypy3.11-c.dll": b"MZ",
    "LICENSE": b"",
    "Lib/os.py": b"",
    "Lib/site-packages/README": b"",
    "include/Python.h": b"",
}


def can_fetch(platform: Platform) -> bool:
    """Tell whether this uv can install a PyPy for *platform* here."""
    if not platform.is_windows:
        return True
    command = [str(find_uv().path), "--version"]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return tuple(int(part) for part in told.split()[1].split(".")[:2]) >= _UV_FOR_WINDOWS


def stand_in_downloads(directory: Path) -> dict[str, str]:
    """Serve `STAND_IN` to uv for every platform that PyPy is made for.

    Returns:
        The variables that make uv use it.
    """
    stem = f"pypy{STAND_IN.version.series}-v{STAND_IN.release}"
    unix = _packed(directory / f"{stem}-unix.tar.gz", _STAND_IN_ON_UNIX)
    windows = _packed(directory / f"{stem}-windows.tar.gz", _STAND_IN_ON_WINDOWS)
    listed = {}
    for platform in PLATFORMS.values():
        if platform.name != "win_arm64":
            archive = windows if platform.is_windows else unix
            key = f"pypy-{STAND_IN.version}-{platform.uv_key}"
            listed[key] = _entry(STAND_IN, platform, archive, archive.as_uri())
    (directory / "downloads.json").write_text(json.dumps(listed), "utf-8")
    return {"UV_PYTHON_DOWNLOADS_JSON_URL": (directory / "downloads.json").as_uri()}


def _packed(archive: Path, files: dict[str, bytes]) -> Path:
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive, "w:gz") as packed:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{archive.name.removesuffix('.tar.gz')}/{name}")
            member.size, member.mode = len(content), 0o755
            packed.addfile(member, io.BytesIO(content))
    return archive


@dataclass(frozen=True, slots=True)
class PyPyDownloads:
    """A list of one PyPy that uv can fetch from a mirror.

    Attributes:
        environment: The variables that make uv use them.
        archive: What is fetched.
    """

    environment: dict[str, str]
    archive: Path


def pypy_downloads(directory: Path, address: str, platform: Platform) -> PyPyDownloads:
    """Write an archive as PyPy's own, and a list for uv whose *address* a mirror stands for.

    Args:
        directory: Where to put them; the archive's directory is the mirror.
        address: The directory that uv knows PyPy's archives to be in.
        platform: What to list it for.
    """
    assert PYPY is not None
    python = PYPY.interpreter
    stem = f"pypy{python.version.series}-v{python.release}-linux64"
    tree = directory / stem
    portable_pypy(tree)
    archive = directory / "mirror" / f"{stem}.tar.gz"
    archive.parent.mkdir()
    with tarfile.open(archive, "w:gz", compresslevel=1) as packed:
        packed.add(tree, stem)
    shutil.rmtree(tree)
    listed = directory / "downloads.json"
    key = f"pypy-{python.version}-{platform.uv_key}"
    url = f"{address}/{archive.name}"
    listed.write_text(json.dumps({key: _entry(python, platform, archive, url)}), "utf-8")
    variables = {
        "UV_PYTHON_DOWNLOADS_JSON_URL": listed.as_uri(),
        "UV_PYPY_INSTALL_MIRROR": archive.parent.as_uri(),
    }
    return PyPyDownloads(variables, archive)


def _entry(python: Interpreter, platform: Platform, archive: Path, url: str) -> dict[str, Any]:
    system, family, libc = platform.uv_key.split("-")
    return {
        "name": "pypy",
        "arch": {"family": family, "variant": None},
        "os": "darwin" if system == "macos" else system,
        "libc": libc,
        "major": python.version.major,
        "minor": python.version.minor,
        "patch": python.version.patch,
        "prerelease": "",
        "url": url,
        "sha256": hashlib.sha256(archive.read_bytes()).hexdigest(),
        "variant": None,
        "build": python.release,
    }
