"""The only module that knows uv: its options, its output, its versions.

`Uv` is a value: a program that was found and is new enough. Each method is one
command; it returns what uv made or raises `UvFailure` with uv's own words, and
the caller, who knows the layer, says what that means.

uv is isolated from everything that is not an input of ours: the user's and the
machine's configuration files, and every `UV_*` variable except `KEPT_VARIABLES`.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from venvlayers import process
from venvlayers.errors import ToolError
from venvlayers.platforms import DEFAULT_TARGETS, Platform, PythonVersion, Targets
from venvlayers.report import Kind, Reporter, silent

MINIMUM_VERSION = (0, 9, 17)

_CREDENTIALS = re.compile(r"//[^/@\s]+@")
"""What stands before the host in a URL."""

KEPT_VARIABLES = (
    # Where things come from and how they are reached; never what is chosen.
    "UV_CACHE_DIR",
    "UV_CONCURRENT_*",
    "UV_HTTP_TIMEOUT",
    "UV_HTTP_CONNECT_TIMEOUT",
    "UV_HTTP_RETRIES",
    "UV_INDEX_*_USERNAME",
    "UV_INDEX_*_PASSWORD",
    "UV_INSECURE_HOST",
    "UV_KEYRING_PROVIDER",
    "UV_NATIVE_TLS",
    "UV_SYSTEM_CERTS",
    "UV_OFFLINE",
    "UV_PYTHON_CACHE_DIR",
    "UV_PYTHON_DOWNLOADS_JSON_URL",
    "UV_PYTHON_INSTALL_MIRROR",
    "UV_ASTRAL_MIRROR_URL",
)
"""What a user may set in uv's environment; DESIGN calls these the named decisions."""


class UvFailure(Exception):  # noqa: N818 - it is a result for the caller, not yet an error
    """uv ended with a non-zero status.

    Attributes:
        output: An excerpt of what it printed.
        argv: The command.
        no_solution: Whether it says that requirements cannot be met.
    """

    def __init__(self, completed: process.Completed) -> None:
        super().__init__(completed.excerpt)
        self.argv = completed.argv
        self.output = completed.excerpt
        self.no_solution = "No solution found" in completed.stderr


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagedPython:
    """A python-build-standalone build that uv can fetch.

    Attributes:
        key: uv's name for it.
        version: Its version.
        build: The date of its release, from its address; None if that has none.
    """

    key: str
    version: PythonVersion
    build: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Uv:
    """A uv program, which is asked for its version before its first command.

    Attributes:
        path: The program.
        reporter: Is told every command, as a detail.
    """

    path: Path
    reporter: Reporter = field(default_factory=silent, compare=False, repr=False)

    def compile(
        self, directory: Path, *, python: PythonVersion, upgrade: Sequence[str] | None = ()
    ) -> str:
        """Resolve ``pyproject.toml`` in *directory* for all its environments.

        Versions in an existing ``pylock.toml`` there are kept where they still fit.

        Args:
            directory: Holds the input; receives ``pylock.toml``. uv's settings come
                from the same file.
            python: The lowest Python to resolve for.
            upgrade: Packages whose versions need not be kept; None for all.

        Returns:
            The new ``pylock.toml``'s text.

        Raises:
            UvFailure: There is no solution, or an index cannot be reached.
        """
        selected = [f"--upgrade-package={name}" for name in upgrade or ()]
        self._run(
            ["pip", "compile", "--universal", "--format=pylock.toml", "--no-header"],
            [f"--python-version={python}", "--output-file=pylock.toml"],
            ["--upgrade"] if upgrade is None else selected,
            ["--python", sys.executable, "pyproject.toml"],
            cwd=directory,
            config=directory / "no-config",
        )
        return (directory / "pylock.toml").read_text("utf-8")

    def requirers(self, directory: Path, *, python: PythonVersion) -> dict[str, tuple[str, ...]]:
        """Return which packages require which, for a resolution of *directory*'s project.

        Args:
            directory: Holds a ``pyproject.toml`` as for `compile`, with every version pinned.
            python: The lowest Python to resolve for.

        Returns:
            By name of a package, those that require it; the project itself is left out.

        Raises:
            UvFailure: There is no solution, or an index cannot be reached.
        """
        completed = self._run(
            ["pip", "compile", "--universal", "--no-header", "--annotation-style=line"],
            [f"--python-version={python}", "--python", sys.executable, "pyproject.toml"],
            cwd=directory,
            config=directory / "no-config",
        )
        return _annotations(completed.stdout)

    def install(
        self,
        directory: Path,
        prefix: Path,
        *,
        python: PythonVersion,
        platform: Platform,
        targets: Targets = DEFAULT_TARGETS,
        cache: bool = True,
    ) -> None:
        """Install the wheels of ``pylock.toml`` in *directory* under *prefix*, as for *platform*.

        Indexes that need credentials are known from ``pyproject.toml`` there. The layout
        is that of the Python running this. Files share their content with uv's cache where
        the file system can (a reflink, else a hard link, else a copy), so what is installed
        is replaced and never written to.

        Args:
            directory: Has ``pylock.toml`` and ``pyproject.toml``.
            prefix: Where to install.
            python: The target's Python.
            platform: The target.
            targets: The oldest systems that it is to run on.
            cache: Whether uv may use its cache, or fetches everything anew.

        Raises:
            UvFailure: A wheel cannot be had, or its hash is wrong.
        """
        macos = platform.deployment_target(targets)
        self._run(
            ["pip", "install", "--no-deps", "--no-build", "--link-mode=clone"],
            ["--python", sys.executable, f"--python-version={python}"],
            [f"--python-platform={platform.uv_platform(targets)}", "--prefix", os.fspath(prefix)],
            ["--requirement", "pylock.toml", *([] if cache else ["--no-cache"])],
            cwd=directory,
            config=directory / "no-config",
            extra={"MACOSX_DEPLOYMENT_TARGET": macos} if macos else None,
        )

    def managed_pythons(self, platform: Platform) -> tuple[ManagedPython, ...]:
        """Return the CPython releases that uv knows for *platform*, newest first.

        This asks uv's own list, or the one named by ``UV_PYTHON_DOWNLOADS_JSON_URL``.

        Raises:
            UvFailure: The list cannot be read.
        """
        return self.managed_pythons_by_platform((platform,))[platform]

    def managed_pythons_by_platform(
        self, platforms: Sequence[Platform]
    ) -> dict[Platform, tuple[ManagedPython, ...]]:
        """Return what `managed_pythons` does, for several platforms with one command (0.1 s).

        Raises:
            UvFailure: The list cannot be read.
        """
        listed = self._json(
            ["python", "list", "cpython", "--only-downloads", "--all-versions"],
            ["--all-platforms", "--all-arches", "--no-config", "--output-format=json"],
        )
        return {platform: _builds_for(platform, listed) for platform in platforms}

    def installed_pythons(self) -> tuple[Path, ...]:
        """Return the CPythons that uv finds on this machine, best first.

        Directories of shims (pyenv, asdf, mise) are left out: each shim starts a shell,
        and fails for a version that is not selected; 1.8 s with eight of them.

        Raises:
            UvFailure: uv cannot search.
        """
        entries = [entry for entry in os.get_exec_path() if not entry.endswith("/shims")]
        listed = self._json(
            ["python", "list", "cpython", "--only-installed", "--all-versions"],
            ["--no-config", "--output-format=json"],
            extra={"PATH": os.pathsep.join(entries)},
        )
        return tuple(Path(entry["path"]) for entry in listed if entry["path"])

    def install_python(
        self,
        key: str,
        directory: Path,
        *,
        build: str | None = None,
        retries: int | None = None,
        cache: Path | None = None,
    ) -> Path:
        """Fetch a Python into a subdirectory of *directory*, its hash verified by uv.

        Args:
            key: uv's name for the build, as `ManagedPython.key`.
            directory: Where to install; created if need be.
            build: The release date that it must have.
            retries: How often a failed request is tried again; uv's choice if None.
            cache: Where fetched archives stay, unless ``UV_PYTHON_CACHE_DIR`` says; uv
                keeps none if None.

        Returns:
            The installed Python's directory.

        Raises:
            UvFailure: It cannot be fetched, or its hash is wrong.
        """
        # With install_name_tool on its PATH, uv writes the install directory into macOS'
        # libpython; it needs no other program.
        extra = {"PATH": ""} if build is None else {"PATH": "", "UV_PYTHON_CPYTHON_BUILD": build}
        if retries is not None and "UV_HTTP_RETRIES" not in os.environ:
            extra["UV_HTTP_RETRIES"] = str(retries)
        if cache is not None and "UV_PYTHON_CACHE_DIR" not in os.environ:
            extra["UV_PYTHON_CACHE_DIR"] = os.fspath(cache)
        self._run(
            ["python", "install", key, "--no-bin", "--no-registry", "--no-config"],
            ["--install-dir", os.fspath(directory)],
            extra=extra,
        )
        return directory / key

    def _json(
        self, *groups: list[str], extra: dict[str, str] | None = None
    ) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = json.loads(self._run(*groups, extra=extra).stdout)
        return listed

    def _run(
        self,
        *groups: list[str],
        cwd: Path | None = None,
        config: Path | None = None,
        extra: dict[str, str] | None = None,
    ) -> process.Completed:
        require_new_enough(self.path)
        environment = process.child_environment(KEPT_VARIABLES, extra)
        environment["UV_NO_PROGRESS"] = "1"
        if cache := environment.get("UV_CACHE_DIR"):  # some commands run in another directory
            environment["UV_CACHE_DIR"] = os.path.abspath(cache)  # noqa: PTH100 - links stay
        if config is not None:
            environment.update(_no_other_configuration(config))
        argv = [os.fspath(self.path), *(argument for group in groups for argument in group)]
        self.reporter.say(Kind.DETAIL, f"running {shlex.join(argv)}")
        if config is not None:  # it lies beside what uv is to read
            self._trace("uv is given", _text(config.parent / "pyproject.toml"))
        completed = process.run([*argv, "--color=never"], cwd=cwd, env=environment)
        self._trace("uv says", completed.stdout + completed.stderr)
        if completed.returncode:
            raise UvFailure(completed)
        return completed

    def _trace(self, what: str, text: str) -> None:
        """Show what uv reads or writes to who asks for everything, without credentials."""
        shown = _CREDENTIALS.sub("//***@", text.strip())
        if shown:
            self.reporter.say(Kind.TRACE, f"{what}:\n{textwrap.indent(shown, '    ')}")


def _text(file: Path) -> str:
    return file.read_text("utf-8") if file.is_file() else ""


def _no_other_configuration(directory: Path) -> dict[str, str]:
    """Return variables that make uv find empty user and machine configuration.

    ``--no-config`` would hide the settings in the project's own ``pyproject.toml``
    too. uv falls back to ``/etc/uv/uv.toml`` unless a file exists in XDG_CONFIG_DIRS.
    """
    (directory / "uv").mkdir(parents=True, exist_ok=True)
    (directory / "uv" / "uv.toml").touch()
    place = os.fspath(directory)
    names = ("XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "APPDATA", "PROGRAMDATA")
    return dict.fromkeys(names, place) | {"UV_NO_SYSTEM_CONFIG": "1"}


def _annotations(text: str) -> dict[str, tuple[str, ...]]:
    """Read lines such as ``lib==1.0 ; <marker>  # via tool, demo (pyproject.toml)``."""
    found: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        if match := re.match(r"([A-Za-z0-9._-]+).*# via (.+)", line):
            names = [
                name for name in match[2].split(", ") if re.fullmatch(r"[A-Za-z0-9._-]+", name)
            ]
            found[match[1]] = tuple(dict.fromkeys([*found.get(match[1], ()), *names]))
    return found


def managed_key(version: PythonVersion, platform: Platform) -> str:
    """Return uv's name for a release of CPython built for *platform*."""
    return f"cpython-{version}-{platform.uv_key}"


def _builds_for(platform: Platform, listed: list[dict[str, Any]]) -> tuple[ManagedPython, ...]:
    found = [
        ManagedPython(key=entry["key"], version=version, build=_build_of(entry["url"]))
        for entry in listed
        if entry["variant"] == "default"
        and entry["key"].endswith(f"-{platform.uv_key}")
        and (version := _release(entry["version"]))
    ]
    return tuple(sorted(found, key=lambda python: python.version, reverse=True))


def _release(text: str) -> PythonVersion | None:
    """Parse a final release; None for alphas, betas and candidates."""
    return PythonVersion.parse(text) if re.fullmatch(r"\d+\.\d+\.\d+", text) else None


def _build_of(url: str) -> str | None:
    match = re.search(r"(?:%2B|\+)(\d{8})-", url)
    return match[1] if match else None


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


@cache
def require_new_enough(path: Path) -> None:
    """Ask a program once whether it is a uv that we can use.

    Raises:
        ToolError: It is not uv, or older than `MINIMUM_VERSION`.
    """
    try:
        completed = process.run([path, "--version"])
    except OSError as error:
        raise ToolError(f"uv cannot be started: {path}: {error.strerror}") from error
    match = re.match(r"uv (\d+)\.(\d+)\.(\d+)", completed.stdout)
    if completed.returncode or match is None:
        raise ToolError(f"this is not uv: {path}", details=completed.excerpt)
    if tuple(map(int, match.groups())) < MINIMUM_VERSION:
        wanted = ".".join(map(str, MINIMUM_VERSION))
        raise ToolError(
            f"uv {'.'.join(match.groups())} is too old; {wanted} or newer is needed: {path}",
            hint="upgrade it with `python -m pip install --upgrade uv`",
        )


def _uv_path() -> Path | None:
    if named := os.environ.get("VENVSTACKS_UV"):
        return Path(named).absolute()  # commands run in other directories
    try:
        from uv import find_uv_bin  # noqa: PLC0415 - only the module that knows uv asks for it

        return Path(find_uv_bin())
    except (ImportError, FileNotFoundError):
        elsewhere = os.environ.get("HATCH_UV") or shutil.which("uv")
        return Path(elsewhere) if elsewhere else None
