"""Interpreters made at test time from the one that runs the tests.

`copy_interpreter` makes one as pyenv would have installed it: complete, and
bound to its place. `standalone_downloads` makes an archive in the layout of
python-build-standalone, and the list that lets uv fetch it.
"""

from __future__ import annotations

import ast
import hashlib
import io
import json
import os
import pprint
import shutil
import sys
import sysconfig
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zstandard
from filelock import FileLock

from support.standalone import standalone_tree
from venvlayers.build.runtime.patchelf import find_patchelf
from venvlayers.platforms import PLATFORMS, Platform, PythonVersion, host_platform

VERSION = PythonVersion(*sys.version_info[:3])
"""The version of every interpreter made here."""

BUILD = "20251120"
"""The release date of every archive made here."""

_NAME = f"python{VERSION.series}"
_HEADER = "# system configuration generated and used by the sysconfig module\n"  # uv looks for it
_LEFT_OUT = {
    *("__pycache__", "site-packages", "dist-packages", "test", "tests", "idle_test", "idlelib"),
    *("tkinter", "lib2to3", "turtledemo", "ensurepip", "pydoc_data", "distutils", "unittest"),
}


def copy_interpreter(prefix: Path) -> Path:
    """Make an interpreter in *prefix* that is bound to it, used and dirty; return its program."""
    _copy(prefix)
    _set_rpaths(prefix, lambda _path: f"{prefix}/lib")
    _plant_packages(prefix, shebang=f"#!{prefix}/bin/{_NAME}\n")
    stdlib = prefix / "lib" / _NAME
    (stdlib / "sitecustomize.py").write_text("raise SystemExit('of another machine')\n")
    (stdlib / "planted.txt").write_text(f"made in {prefix}/lib, not in {prefix}-else\n")
    (stdlib / "inner.py").symlink_to(stdlib / "os.py")
    outside = prefix.parent / f"outside-{prefix.name}.py"
    outside.write_text("value = 1\n")
    (stdlib / "outer.py").symlink_to(outside)
    terminfo = prefix / "share" / "terminfo" / "x"
    terminfo.mkdir(parents=True)
    (terminfo / "xterm").write_bytes(b"\x1a\x01")
    return prefix / "bin" / _NAME


@dataclass(frozen=True, slots=True)
class Downloads:
    """A list of Pythons that uv can fetch, and what is on it.

    Attributes:
        list_file: For ``UV_PYTHON_DOWNLOADS_JSON_URL``, as a ``file://`` address.
    """

    list_file: Path

    @property
    def environment(self) -> dict[str, str]:
        """The variables that make uv use it."""
        return {"UV_PYTHON_DOWNLOADS_JSON_URL": self.list_file.as_uri()}


def standalone_downloads(
    directory: Path,
    *,
    versions: Iterable[PythonVersion] = (VERSION,),
    platforms: Iterable[Platform] = tuple(PLATFORMS.values()),
    shared: Path | None = None,
) -> Downloads:
    """Write a list of Pythons for uv into *directory*, and the archives that it lists.

    Args:
        directory: Where to put the list.
        versions: What to list; for this machine's platform, the archive holds `VERSION`
            whatever the list says.
        platforms: What to list it for. Only the Python for this machine runs; it is made from
            the one that runs the tests.
        shared: Where to make the archives, once for all who name the same place.
    """
    archives = shared or directory
    archives.mkdir(parents=True, exist_ok=True)
    with FileLock(archives / "archives.lock"):
        listed = {
            f"cpython-{version}-{platform.uv_key}": _entry(
                version, platform, _archive_for(platform, version, archives)
            )
            for version in versions
            for platform in platforms
        }
    directory.mkdir(parents=True, exist_ok=True)
    list_file = directory / "downloads.json"
    list_file.write_text(json.dumps(listed), "utf-8")
    return Downloads(list_file)


def _archive_for(platform: Platform, version: PythonVersion, archives: Path) -> Path:
    if platform.sys_platform == sys.platform and platform == host_platform():
        return _archive(archives / f"this+{BUILD}-install_only.tar.zst", _standalone_tree)
    name = f"{version}-{platform}+{BUILD}-install_only.tar.zst"
    return _archive(archives / name, lambda root: standalone_tree(root, platform, version))


def _entry(version: PythonVersion, platform: Platform, archive: Path) -> dict[str, Any]:
    system, family, libc = platform.uv_key.split("-")
    return {
        "name": "cpython",
        "arch": {"family": family, "variant": None},
        "os": "darwin" if system == "macos" else system,
        "libc": libc,
        "major": version.major,
        "minor": version.minor,
        "patch": version.patch,
        "prerelease": "",
        "url": archive.as_uri(),
        "sha256": hashlib.sha256(archive.read_bytes()).hexdigest(),
        "variant": None,
        "build": BUILD,
    }


def _archive(path: Path, make_tree: Any) -> Path:
    if not path.exists():
        tree = path.with_suffix(".tree")
        make_tree(tree)
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            archive.add(tree, "python")
        path.write_bytes(zstandard.ZstdCompressor(level=1).compress(buffer.getvalue()))
        shutil.rmtree(tree)
    return path


def _standalone_tree(root: Path) -> None:
    _copy(root)
    _set_rpaths(root, lambda path: f"$ORIGIN/{os.path.relpath(root / 'lib', path.parent)}")
    _plant_packages(root, shebang=f"#!/install/bin/{_NAME}\n")
    stdlib = root / "lib" / _NAME
    for path in stdlib.glob("_sysconfigdata_*.py"):
        if not path.is_symlink():
            path.write_text(_as_standalone(path.read_text("utf-8")), "utf-8")
    details = {"base_prefix": "/install", "libpython": {"dynamic": "/install/lib/libpython3.so"}}
    (stdlib / "build-details.json").write_text(json.dumps(details))


def _as_standalone(source: str) -> str:
    (assignment,) = (node for node in ast.parse(source).body if isinstance(node, ast.Assign))
    variables = ast.literal_eval(assignment.value)
    if sys.base_prefix not in ("/usr", "/usr/local"):
        text = repr(variables).replace(sys.base_prefix, "/install")
        variables = ast.literal_eval(text)
    variables |= {
        "prefix": "/install",
        "exec_prefix": "/install",
        "LIBDIR": "/install/lib",
        "LDFLAGS": "-L/install/lib -Wl,-rpath,/install/lib",
        "INSTALL": "/usr/bin/install -c",
    }
    return f"{_HEADER}build_time_vars = {pprint.pformat(variables)}\n"


def _copy(root: Path) -> None:
    """Copy the running interpreter, as small as it still runs."""
    (root / "bin").mkdir(parents=True)
    program = Path(sys.base_prefix, "bin", _NAME).resolve()
    shutil.copy2(program, root / "bin" / _NAME)
    for name in ("python", "python3"):
        (root / "bin" / name).symlink_to(_NAME)
    shutil.copytree(
        Path(os.__file__).parent,
        root / "lib" / _NAME,
        symlinks=False,
        ignore=lambda _directory, names: [
            name for name in names if name in _LEFT_OUT or name.startswith("config-")
        ],
    )
    for library in Path(sys.base_prefix, "lib").glob(f"libpython{VERSION.series}.so*"):
        shutil.copy2(library, root / "lib" / library.name, follow_symlinks=False)
    headers = root / "include" / _NAME
    headers.mkdir(parents=True)
    for header in ("Python.h", "pyconfig.h"):
        source = Path(sysconfig.get_path("include", "posix_prefix"), header)
        if source.is_file():
            shutil.copy2(source, headers / header)


def _set_rpaths(root: Path, rpath_of: Any) -> None:
    tool = find_patchelf()
    for path in _elves(root):
        tool.set_rpath([rpath_of(path)], [path])


def _elves(root: Path) -> Iterator[Path]:
    for path in sorted(root.rglob("*")):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                if file.read(4) == b"\x7fELF":
                    yield path


def _plant_packages(root: Path, *, shebang: str) -> None:
    """Add what comes with an interpreter and is not part of a layer."""
    library = f"lib/{_NAME}"
    files = {
        f"{library}/site-packages/README.txt": "for packages\n",
        f"{library}/site-packages/pip/__init__.py": "",
        f"{library}/site-packages/pip-25.3.dist-info/METADATA": "Name: pip\n",
        f"{library}/site-packages/_injected.pth": "import pip\n",
        f"{library}/__pycache__/os.cpython-311.pyc": "",
        f"{library}/test/__init__.py": "",
        f"{library}/config-{VERSION.series}-x/Makefile": "prefix=/install\n",
        f"{library}/config-{VERSION.series}-x/libpython.a": "",
        f"lib/pkgconfig/python-{VERSION.series}.pc": "prefix=/install\n",
        f"bin/pip{VERSION.series}": f"{shebang}import pip\n",
        "bin/idle3": f"{shebang}import idlelib\n",
        "share/man/man1/python3.1": "",
    }
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
