"""Real wheels, small and equal to the byte whenever they are made.

`make_wheel` writes one from the text of its modules; `repack` makes one of a
distribution that is installed here, so that a test can install it elsewhere
without a network.
"""

from __future__ import annotations

import base64
import hashlib
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import Distribution
from pathlib import Path, PurePosixPath

Content = str | bytes

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the oldest time that a zip file can hold
_INSTALLER_FILES = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json"}


def make_wheel(
    directory: Path,
    name: str,
    version: str = "1.0",
    *,
    modules: Mapping[str, Content] | None = None,
    requires: Iterable[str] = (),
    tag: str = "py3-none-any",
    build: str = "",
    requires_python: str | None = None,
    entry_points: Mapping[str, str] | None = None,
    scripts: Mapping[str, Content] | None = None,
    data: Mapping[str, Content] | None = None,
) -> Path:
    """Write a wheel, and return its path.

    Args:
        directory: Where to put it; created if need be.
        name: The distribution's name, as its author spells it.
        version: Its version.
        modules: Files of the wheel by path, ``"pkg/__init__.py"`` for example; one module
            with a ``__version__``, named as the distribution, when not given.
        requires: Requirements (PEP 508).
        tag: Its compatibility tag, which may be a compressed set.
        build: Its build tag, such as ``"1"``.
        requires_python: Its ``Requires-Python``.
        entry_points: Console scripts: ``{"command": "module:function"}``.
        scripts: Files for the environment's ``bin``: ``{"command": "#!python\\n..."}``.
        data: Files for the environment itself, by path: ``{"share/x/y.txt": "..."}``.
    """
    escaped = re.sub(r"[-_.]+", "_", name).lower()
    files: dict[str, Content] = dict(
        modules if modules is not None else {f"{escaped}.py": f'__version__ = "{version}"\n'}
    )
    files |= _below(f"{escaped}-{version}.data/scripts", scripts)
    files |= _below(f"{escaped}-{version}.data/data", data)
    info = f"{escaped}-{version}.dist-info"
    files[f"{info}/METADATA"] = _metadata(name, version, requires, requires_python)
    files[f"{info}/WHEEL"] = _wheel(tag, build)
    if entry_points:
        lines = [f"{command} = {target}" for command, target in sorted(entry_points.items())]
        files[f"{info}/entry_points.txt"] = "\n".join(["[console_scripts]", *lines, ""])
    parts = [escaped, version, *([build] if build else []), tag]
    return _write(directory / f"{'-'.join(parts)}.whl", info, files)


def _below(directory: str, files: Mapping[str, Content] | None) -> dict[str, Content]:
    return {f"{directory}/{path}": content for path, content in (files or {}).items()}


def _metadata(name: str, version: str, requires: Iterable[str], requires_python: str | None) -> str:
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    if requires_python is not None:
        lines.append(f"Requires-Python: {requires_python}")
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    return "\n".join([*lines, ""])


def _wheel(tag: str, build: str) -> str:
    pythons, abis, platforms = (part.split(".") for part in tag.split("-"))
    lines = ["Wheel-Version: 1.0", "Generator: tests"]
    lines.append(f"Root-Is-Purelib: {'true' if platforms == ['any'] else 'false'}")
    if build:
        lines.append(f"Build: {build}")
    lines += [f"Tag: {p}-{a}-{f}" for p in pythons for a in abis for f in platforms]
    return "\n".join([*lines, ""])


def _write(path: Path, info: str, files: Mapping[str, Content]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    record = []
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in sorted(files.items()):
            raw = content.encode() if isinstance(content, str) else content
            _add(archive, name, raw)
            record.append(f"{name},{_record_hash(raw)},{len(raw)}")
        _add(archive, f"{info}/RECORD", "\n".join([*record, f"{info}/RECORD,,", ""]).encode())
    return path


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.create_system = 3  # Unix, on every machine: the field with the mode depends on it
    entry.external_attr = (0o100755 if ".data/scripts/" in name else 0o100644) << 16
    archive.writestr(entry, content)


def _record_hash(content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest())
    return f"sha256={digest.decode().rstrip('=')}"


class CannotRepackError(Exception):
    """An installed distribution lacks what a wheel is made of."""


def repack(distribution: Distribution, directory: Path) -> Path:
    """Make a wheel of an installed distribution, and return its path.

    Commands that the installer generated from entry points are left to the next
    installer; other files beside it (a program in ``bin``) travel in the wheel's data.

    Raises:
        CannotRepackError: It was not installed from a wheel, or is an editable one.
    """
    wheel = distribution.read_text("WHEEL")
    installed = distribution.files
    if wheel is None or installed is None:
        raise CannotRepackError(f"{distribution.name} was not installed from a wheel")
    info = next((path.parts[0] for path in installed if path.match("*.dist-info/METADATA")), None)
    if info is None or '"editable": true' in (distribution.read_text("direct_url.json") or ""):
        raise CannotRepackError(f"{distribution.name} is installed in editable mode")
    stem = info.removesuffix(".dist-info")
    files: dict[str, Content] = {
        name: Path(str(distribution.locate_file(path))).read_bytes()
        for path in installed
        if (name := _name_in_wheel(PurePosixPath(path), stem, _generated(distribution)))
    }
    return _write(directory / f"{stem}-{_compressed_tag(wheel)}.whl", info, files)


def _generated(distribution: Distribution) -> set[str]:
    groups = ("console_scripts", "gui_scripts")
    names = [point.name for point in distribution.entry_points if point.group in groups]
    return {f"{name}{suffix}" for name in names for suffix in ("", ".exe", "-script.py")}


def _name_in_wheel(path: PurePosixPath, stem: str, generated: set[str]) -> str | None:
    # virtualenv records bytecode of the setuptools that it installs, in places where it is not.
    if path.suffix == ".pyc" or "__pycache__" in path.parts:
        return None
    if path.parts[0] == f"{stem}.dist-info" and path.name in _INSTALLER_FILES:
        return None
    if path.parts[0] != "..":
        return str(path)
    outside = [part for part in path.parts if part != ".."]
    if outside[0] not in {"bin", "Scripts"}:
        return f"{stem}.data/data/{'/'.join(outside)}"
    return None if path.name in generated else f"{stem}.data/scripts/{'/'.join(outside[1:])}"


def _compressed_tag(wheel: str) -> str:
    tags = list(_field(wheel, "Tag"))
    build = "".join(f"{value}-" for value in _field(wheel, "Build"))
    columns = zip(*(tag.split("-") for tag in tags), strict=True)
    return build + "-".join(".".join(sorted(set(column))) for column in columns)


def _field(text: str, name: str) -> Iterator[str]:
    for line in text.splitlines():
        if line.startswith(f"{name}: "):
            yield line.removeprefix(f"{name}: ").strip()
