"""The programs that packages bring: which of them are kept, and that they run wherever they are.

Those of entry points are written here, for every platform on any machine; what uv wrote
in their place names a Python of this machine. Of programs that lie ready in a wheel, Python
scripts find the Python beside them afterwards, and others stay as they are.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NoReturn

from venvlayers.build.launchers import posix_program, windows_program
from venvlayers.build.record import info_directories, recorded_outside
from venvlayers.build.scheme import Scheme
from venvlayers.errors import BuildError
from venvlayers.report import Kind, Reporter
from venvlayers.spec.launch import entry_point
from venvlayers.spec.model import Launch, LayerSpec
from venvlayers.spec.names import is_python, same_directory_key
from venvlayers.spec.table import did_you_mean

_PYTHON_SHEBANG = re.compile(rb"#![^\n]*python[^\n]*\n")
_SH_TRAMPOLINE = re.compile(rb"#!/bin/sh\n'''exec' [^\n]*\n' '''\n")
# uv's form when the path of its Python has spaces, or is too long for the kernel.

_GROUPS = {"console_scripts": False, "gui_scripts": True}
_ENDS = ("", ".exe")
_NOT_IN_NAMES = frozenset('/\\:*?"<>|\0\n')


def code(launch: Launch, *, exe: bool, first: Sequence[str] = ()) -> bytes:
    """Return what a program runs that calls a function.

    Args:
        launch: The function.
        exe: Whether the program's name has a suffix that is not to be seen.
        first: Lines that come before its import, and can use `sys`.
    """
    name = launch.attribute.partition(".")[0]
    suffix = ['    if sys.argv[0].endswith(".exe"):', "        sys.argv[0] = sys.argv[0][:-4]"]
    lines = ["import sys", "", *first, f"from {launch.module} import {name}", ""]
    # Where processes are started afresh, `multiprocessing` imports this again.
    lines += ['if __name__ == "__main__":', *(suffix if exe else ())]
    lines += [f"    sys.exit({launch.attribute}())", ""]
    return "\n".join(lines).encode()


def program(code: bytes, scheme: Scheme, *, in_runtime: bool, gui: bool = False) -> bytes:
    """Return a program that runs *code* with the Python of its environment.

    Args:
        code: What it runs.
        scheme: The environment's layout.
        in_runtime: Whether the environment is a runtime's.
        gui: Whether it is started without a console, where there is a difference.
    """
    platform = scheme.platform
    if not platform.is_windows:
        return posix_program(code)
    python = "pythonw.exe" if gui else "python.exe"
    # A runtime's Python is not in Scripts, but above it.
    return windows_program(code, platform, python=f"..\\{python}" * in_runtime or python, gui=gui)


def without_shebang(script: bytes) -> bytes | None:
    """Return the code of a Python script without what names its Python; None if it is none."""
    match = _SH_TRAMPOLINE.match(script) or _PYTHON_SHEBANG.match(script)
    return script[match.end() :] if match else None


@dataclass(slots=True)
class ScriptWriter:
    """Goes through the distributions of an environment that was just filled.

    Attributes:
        env: The environment.
        layer: The layer.
        scheme: Its layout.
        reporter: Where warnings go.
    """

    env: Path
    layer: LayerSpec
    scheme: Scheme
    reporter: Reporter
    _owners: dict[str, str] = field(default_factory=dict)
    _matched: set[str] = field(default_factory=set)
    _added: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def write(self) -> Mapping[str, list[str]]:
        """Write, rewrite or remove the programs of every distribution.

        Returns:
            What was written, for `normalize_records`: places by name of the ``.dist-info``.

        Raises:
            BuildError: A name cannot be one of a program, or one that is to be kept is not there.
        """
        for info in info_directories(self.env, self.scheme):
            self._write_for(info)
        # Of a pattern there may be nothing: not every platform has every program.
        missing = [
            name
            for name in self.layer.scripts or ()
            if name not in self._matched and not set(name) & set("*?[")
        ]
        if missing:
            self._refuse(missing)
        return self._added

    def _refuse(self, missing: Sequence[str]) -> NoReturn:
        there = sorted(self._owners)
        meant = [did_you_mean(name, there) for name in missing]
        listed = ", ".join(repr(name) for name in missing)
        programs = "the program" if len(missing) == 1 else "the programs"
        raise BuildError(
            f"{self.layer.env_name}: no package in it brings {programs} {listed}",
            hint="; ".join(hint for hint in meant if hint)
            if all(meant)
            else f"they bring: {', '.join(there) or 'none'}",
        )

    def _write_for(self, info: Path) -> None:
        declared = dict(declared_programs(info))
        ready = self._ready(info, {f"{name}{end}" for name in declared for end in _ENDS})
        for name, launch in sorted(declared.items()):
            if self._is_first(name, info):
                for end in _ENDS:
                    self._place(f"{name}{end}", info).unlink(missing_ok=True)
                if self._is_kept(name, launch):
                    self._add(name, code(launch, exe=self._exe), info, gui=launch.gui)
        for path in ready:
            name = path.name.removesuffix(".exe")
            if self._is_first(name, info):
                if not self._is_kept(name):
                    path.unlink()
                elif (found := _python_code(path)) is not None:
                    self._rewrite(path, found, info)

    @property
    def _exe(self) -> bool:
        return self.scheme.platform.is_windows

    def _ready(self, info: Path, declared: Iterable[str]) -> list[Path]:
        """Return the programs that lay ready in a wheel."""
        below = f"{self.scheme.platform.bin_dir}/"
        places = [p for p in recorded_outside(info, self.scheme) if p.startswith(below)]
        names = {place.removeprefix(below) for place in places} - set(declared)
        paths = [self.env / below / name for name in sorted(names) if "/" not in name]
        return [path for path in paths if path.is_file() and not path.is_symlink()]

    def _place(self, name: str, info: Path) -> Path:
        if not name or name[0] == "." or set(name) & _NOT_IN_NAMES:
            raise BuildError(f"{name!r}, of {info.name}, cannot be the name of a program")
        return self.env / self.scheme.platform.bin_dir / name

    def _is_first(self, name: str, info: Path) -> bool:
        """Tell whether no distribution before *info* has a program of this name."""
        owner = info.name.partition("-")[0]
        first = self._owners.setdefault(name, owner)
        if first != owner:
            self._warn(f"{first} and {owner} both bring a program {name!r}: that of {first} stays")
        return first == owner

    def _is_kept(self, name: str, launch: Launch | None = None) -> bool:
        patterns, owner = self.layer.scripts, self._owners[name]
        matched = {pattern for pattern in patterns or () if fnmatchcase(name, pattern)}
        self._matched |= matched
        if patterns is not None and not matched:
            return False
        if is_python(name):
            raise BuildError(
                f"the program {name!r} of {owner} would be in the place of Python"
                f" in {self.layer.env_name}",
                hint="name the programs that are to be kept as `scripts` of the layer",
            )
        if self.layer.launch and same_directory_key(name) == same_directory_key(self.layer.name):
            if launch is None or str(launch) != str(self.layer.launch):
                self._warn(f"its launcher is in the place of the program {name!r} of {owner}")
            return False
        return True

    def _warn(self, text: str) -> None:
        self.reporter.say(Kind.WARNING, f"{self.layer.env_name}: {text}")

    def _rewrite(self, path: Path, code: bytes, info: Path) -> None:
        """Make a Python script find its Python; for Windows, put a program beside it."""
        path.unlink()  # its content may be uv's cache's
        if not self._exe:
            self._add(path.name, code, info)
            return
        path.write_bytes(b"#!python\n" + code)
        name = path.name.removesuffix(".py")
        if not self._place(f"{name}.exe", info).exists():  # the wheel's own, or another's
            self._add(name, code, info)

    def _add(self, name: str, code: bytes, info: Path, *, gui: bool = False) -> None:
        path = self._place(f"{name}.exe" if self._exe else name, info)
        content = program(code, self.scheme, in_runtime=not self.layer.lower, gui=gui)
        write_program(path, content)
        self._added[info.name].append(path.relative_to(self.env).as_posix())


def _python_code(path: Path) -> bytes | None:
    """Return the code of a Python script; None for other programs, which may be large."""
    with path.open("rb") as file:
        if file.read(2) != b"#!":
            return None
    return without_shebang(path.read_bytes())


def write_program(path: Path, content: bytes) -> None:
    """Write an executable file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)  # what was there may share its content with uv's cache
    path.write_bytes(content)
    path.chmod(0o755)


def declared_programs(info: Path) -> Iterator[tuple[str, Launch]]:
    """Yield the scripts that a distribution declares, with what they start.

    Args:
        info: Its ``.dist-info``.

    Raises:
        BuildError: One does not name a function.
    """
    for group, name, value in _entry_points(info / "entry_points.txt"):
        if group in _GROUPS:
            launch = entry_point(value, gui=_GROUPS[group])
            if launch is None or not launch.attribute:
                raise BuildError(
                    f"the script {name!r} of {info.name} does not name a function: {value!r}"
                )
            yield name, launch


def _entry_points(file: Path) -> Iterator[tuple[str, str, str]]:
    """Yield group, name and value of the entry points in a file, if it is there.

    As `importlib.metadata` reads it, whose import costs 25 ms: it knows e-mail.
    """
    group = ""
    text = file.read_text("utf-8") if file.is_file() else ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            group = line.strip("[]")
        elif line and not line.startswith("#"):
            name, _, value = (part.strip() for part in line.partition("="))
            yield group, name, value
