"""Running uv, isolated from everything that is not an input of ours.

That is the user's and the machine's configuration files, and every `UV_*` variable
except `KEPT_VARIABLES`.
"""

from __future__ import annotations

import os
import re
import shlex
import textwrap
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from threading import Lock

from venvlayers import process
from venvlayers.errors import ToolError
from venvlayers.report import Kind, Reporter

MINIMUM_VERSION = (0, 10, 11)
"""Older ones do not see in time that a version has no wheel for one of several platforms."""

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
    "UV_PYPY_INSTALL_MIRROR",
    "UV_PYTHON_INSTALL_MIRROR",
    "UV_ASTRAL_MIRROR_URL",
)
"""What a user may set in uv's environment; DESIGN calls these the named decisions."""


_SOURCES = (
    "UV_DEFAULT_INDEX",
    "UV_EXTRA_INDEX_URL",
    "UV_FIND_LINKS",
    "UV_INDEX",
    "UV_INDEX_URL",
    "UV_NO_INDEX",
)
"""Where packages come from: an input of locks, so the specification has to say it."""


def unheeded_sources() -> str | None:
    """Return what to say of variables that tell uv where packages are, but not ours; or None."""
    given = [name for name in _SOURCES if os.environ.get(name)]
    if not given:
        return None
    verb = "is" if len(given) == 1 else "are"
    return (
        f"{', '.join(given)} in the environment {verb} not heeded here: say in [tool.uv] where"
        " packages are (`index`, `find-links`)"
    )


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


def run_uv(
    path: Path,
    arguments: Sequence[str],
    reporter: Reporter,
    *,
    cwd: Path | None = None,
    config: Path | None = None,
    extra: dict[str, str] | None = None,
    keep: tuple[str, ...] = (),
    drop: tuple[str, ...] = (),
) -> process.Completed:
    """Run uv, isolated, and return what it printed.

    Args:
        path: The program.
        arguments: What to run it with.
        reporter: Is told the command as a detail, and what uv reads and prints as a trace.
        cwd: Where to run it.
        config: A directory to use in place of the user's and the machine's configuration;
            it lies beside the ``pyproject.toml`` whose settings uv is to read.
        extra: Variables to set.
        keep: Patterns of variables that pass, as do `KEPT_VARIABLES`.
        drop: Beginnings of the names of more variables that do not.

    Raises:
        UvFailure: It ends with a non-zero status.
        ToolError: It is no uv that we can use.
    """
    require_new_enough(path)
    environment = process.child_environment((*KEPT_VARIABLES, *keep), extra, drop=drop)
    environment |= _fixed(environment, config)
    argv = [os.fspath(path), *arguments]
    reporter.say(Kind.DETAIL, f"running {shlex.join(argv)}")
    if config is not None:
        _trace(reporter, "uv is given", _text(config.parent / "pyproject.toml"))
    completed = process.run([*argv, "--color=never"], cwd=cwd, env=environment)
    _trace(reporter, "uv says", completed.stdout + completed.stderr)
    if completed.returncode:
        raise UvFailure(completed)
    return completed


def _fixed(environment: Mapping[str, str], config: Path | None) -> dict[str, str]:
    """Return variables that every uv has, whatever it is run for."""
    fixed = {"UV_NO_PROGRESS": "1"}
    if cache := environment.get("UV_CACHE_DIR"):  # some commands run in another directory
        fixed["UV_CACHE_DIR"] = os.path.abspath(cache)  # noqa: PTH100 - links stay
    return fixed | (_no_other_configuration(config) if config is not None else {})


def _trace(reporter: Reporter, what: str, text: str) -> None:
    """Show what uv reads or writes to who asks for everything, without credentials."""
    shown = _CREDENTIALS.sub("//***@", text.strip())
    if shown:
        reporter.say(Kind.TRACE, f"{what}:\n{textwrap.indent(shown, '    ')}")


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


_asking = Lock()


def require_new_enough(path: Path) -> None:
    """Ask a program once whether it is a uv that we can use.

    Raises:
        ToolError: It is not uv, or older than `MINIMUM_VERSION`.
    """
    with _asking:  # layers that are built side by side need not ask side by side
        _require_new_enough(path)


@cache
def _require_new_enough(path: Path) -> None:
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
