"""The commands of uv that we use, a method each, and their options."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import field
from pathlib import Path
from typing import Any

from venvlayers import process
from venvlayers.platforms import DEFAULT_TARGETS, Platform, PythonVersion, Targets
from venvlayers.report import Reporter, silent
from venvlayers.uv.answers import ManagedPython, builds_for, requirers_in
from venvlayers.uv.running import run_uv
from venvlayers.values import frozen


@frozen
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
        return requirers_in(completed.stdout)

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
        the file system can (a reflink, else a hard link, else a copy; ``UV_LINK_MODE`` may
        say that they are to be copies), so what is installed is replaced and never written to.

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
            ["pip", "install", "--no-deps", "--no-build", f"--link-mode={_link_mode()}"],
            ["--python", sys.executable, f"--python-version={python}"],
            [f"--python-platform={platform.uv_platform(targets)}", "--prefix", os.fspath(prefix)],
            ["--requirement", "pylock.toml", *([] if cache else ["--no-cache"])],
            cwd=directory,
            config=directory / "no-config",
            extra={"MACOSX_DEPLOYMENT_TARGET": macos} if macos else None,
        )

    def build_wheel(
        self, project: Path, out: Path, *, settings: Path, variables: dict[str, str]
    ) -> None:
        """Have the build backend of a project make its wheel, in an environment of its own.

        With the Python running this. What Hatch tells builders that it starts does not
        reach the backend, except which hooks to run.

        Args:
            project: The project's directory.
            out: Where to put the wheel.
            settings: A ``uv.toml`` with all the settings that uv is to have.
            variables: Variables to set.

        Raises:
            UvFailure: The backend cannot be had, or fails.
        """
        arguments = [
            *("build", "--wheel", "--no-create-gitignore", f"--out-dir={out}"),
            *(f"--config-file={settings}", f"--python={sys.executable}", os.fspath(project)),
        ]
        run_uv(
            self.path,
            arguments,
            self.reporter,
            cwd=project,
            extra=variables,
            keep=("HATCH_BUILD_HOOK_ENABLE_*", "HATCH_BUILD_HOOKS_ENABLE", "HATCH_BUILD_NO_HOOKS"),
            drop=("HATCH_",),
        )

    def managed_pythons(
        self, platform: Platform, implementation: str = "cpython"
    ) -> tuple[ManagedPython, ...]:
        """Return the releases of an implementation that uv knows for *platform*, newest first.

        This asks uv's own list, or the one named by ``UV_PYTHON_DOWNLOADS_JSON_URL``.

        Raises:
            UvFailure: The list cannot be read.
        """
        return self.managed_pythons_by_platform((platform,), implementation)[platform]

    def managed_pythons_by_platform(
        self, platforms: Sequence[Platform], implementation: str = "cpython"
    ) -> dict[Platform, tuple[ManagedPython, ...]]:
        """Return what `managed_pythons` does, for several platforms with one command (0.1 s).

        Raises:
            UvFailure: The list cannot be read.
        """
        listed = self._json(
            ["python", "list", implementation, "--only-downloads", "--all-versions"],
            ["--all-platforms", "--all-arches", "--no-config", "--output-format=json"],
        )
        return {platform: builds_for(platform, listed) for platform in platforms}

    def installed_pythons(self) -> tuple[Path, ...]:
        """Return the Pythons that uv finds on this machine, best first.

        Directories of shims (pyenv, asdf, mise) are left out: each shim starts a shell,
        and fails for a version that is not selected; 1.8 s with eight of them.

        Raises:
            UvFailure: uv cannot search.
        """
        entries = [entry for entry in os.get_exec_path() if not entry.endswith("/shims")]
        listed = self._json(
            ["python", "list", "--only-installed", "--all-versions"],
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
            build: The one that it must be, as `ManagedPython.build`.
            retries: How often a failed request is tried again; uv's choice if None.
            cache: Where fetched archives stay, unless ``UV_PYTHON_CACHE_DIR`` says; uv
                keeps none if None. `venvlayers.cache` removes none while this runs.

        Returns:
            The installed Python's directory.

        Raises:
            UvFailure: It cannot be fetched, or its hash is wrong.
        """
        # With install_name_tool on its PATH, uv writes the install directory into macOS'
        # libpython; it needs no other program.
        extra = {"PATH": ""}
        if build is not None:
            extra[f"UV_PYTHON_{key.partition('-')[0].upper()}_BUILD"] = build
        if retries is not None and "UV_HTTP_RETRIES" not in os.environ:
            extra["UV_HTTP_RETRIES"] = str(retries)
        from venvlayers.cache.held import using  # noqa: PLC0415 - fetching alone needs it

        used: AbstractContextManager[None] = nullcontext()
        if cache is not None and "UV_PYTHON_CACHE_DIR" not in os.environ:
            extra["UV_PYTHON_CACHE_DIR"] = os.fspath(cache)
            used = using(cache)
        with used:
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
        arguments = [argument for group in groups for argument in group]
        return run_uv(self.path, arguments, self.reporter, cwd=cwd, config=config, extra=extra)


def _link_mode() -> str:
    """Return how installed files come from uv's cache: as the user says, but never as symlinks."""
    named = os.environ.get("UV_LINK_MODE", "")
    return named if named in ("copy", "hardlink") else "clone"
