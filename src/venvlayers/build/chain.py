"""How the layers of one application find each other: a chain of relative paths.

A layered environment is a virtual environment whose Python is a relative link
into the sibling runtime, with a `pyvenv.cfg` that has no ``home``: Python then
finds its base by following the link, wherever both were put (tried with CPython
3.8 to 3.15, and PyPy 3.9). Lower layers come in twice. Path lines of a `.pth` file make them
importable whatever else happens; `sitecustomize.py` then processes their own
`.pth` files, and says so when one is missing. Another `sitecustomize` earlier on
the path (OpenTelemetry's, ddtrace's) replaces ours, and leaves the path lines.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from venvlayers.build.scheme import Scheme
from venvlayers.errors import BuildError
from venvlayers.files import json_text, write_text
from venvlayers.platforms import Interpreter
from venvlayers.report import Kind, Reporter
from venvlayers.values import frozen

_LAUNCHERS: dict[str, tuple[str, ...]] = {
    "python.exe": ("venvlauncher.exe", "python.exe"),
    "pythonw.exe": ("venvwlauncher.exe", "pythonw.exe"),
}
"""What Windows' environments start, and what CPython calls it: from 3.13 on, and before."""
SHIPPED = Path(__file__).parent.parent / "shipped"
"""Where the files are that travel inside a layer."""
_PATH_LINES = "_venvstacks.pth"
LAYER_CONFIG = "share/venv/metadata/venvstacks_layer.json"
"""Where a layer describes itself, relative to it."""


@frozen
class Chain:
    """A layer and what it stands on, by the names under which they are deployed.

    Attributes:
        name: The layer's own deployed name.
        frameworks: Those of the frameworks below it, in path order.
        runtime: That of its runtime; None if it is one.
        scheme: Its layout.
    """

    name: str
    frameworks: tuple[str, ...]
    runtime: str | None
    scheme: Scheme

    @property
    def below(self) -> tuple[str, ...]:
        """Everything below it, in path order."""
        return (*self.frameworks, self.runtime) if self.runtime else ()

    def up(self, layer: str, path: str) -> str:
        """Return *path* in the sibling *layer*, relative to this layer."""
        return f"../{layer}/{path}"


def make_environment(env: Path, chain: Chain, runtime_env: Path) -> None:
    """Make *env* a virtual environment above the runtime in its sibling directory.

    Args:
        env: The environment's directory, still without a Python.
        chain: Its place among the layers.
        runtime_env: The runtime's environment, for what Windows needs from it.
    """
    if chain.scheme.platform.is_windows:
        copy_windows_launchers(env, runtime_env, chain.scheme.python)
        return
    runtime = str(chain.runtime)
    python = chain.scheme.platform.runtime_python(chain.scheme.python)
    bin_dir = env / chain.scheme.platform.bin_dir
    bin_dir.mkdir(parents=True, exist_ok=True)
    (bin_dir / "python").symlink_to(f"../{chain.up(runtime, python)}")
    for alias in chain.scheme.python.aliases:
        (bin_dir / alias).symlink_to("python")
    version = f"version = {chain.scheme.python.version}\n"
    write_text(env / "pyvenv.cfg", f"include-system-site-packages = false\n{version}")


def copy_windows_launchers(env: Path, runtime_env: Path, python: Interpreter) -> None:
    """Copy the launchers that CPython ships for `venv`; a `pyvenv.cfg` tells them their home.

    PyPy has none: its own `venv` copies its programs and the libraries beside them.

    Raises:
        BuildError: The runtime has none.
    """
    source, launchers = runtime_env / "Lib" / "venv" / "scripts" / "nt", _LAUNCHERS
    if python.is_pypy:
        source = runtime_env
        beside = sorted(p.name for p in source.iterdir() if p.suffix in (".exe", ".dll"))
        launchers = {name: (name,) for name in ("python.exe", *beside)}
    (env / "Scripts").mkdir(parents=True, exist_ok=True)
    for name, names_there in launchers.items():
        found = [source / there for there in names_there if (source / there).is_file()]
        if not found:
            raise BuildError(f"the runtime has no launcher for environments: {source / name}")
        shutil.copyfile(found[0], env / "Scripts" / name)


def link_layers(env: Path, chain: Chain, reporter: Reporter) -> None:
    """Write what puts the layers below onto the path of *env*."""
    site_packages = env / chain.scheme.site_packages
    site_packages.mkdir(parents=True, exist_ok=True)
    up = "../" * (len(PurePosixPath(chain.scheme.site_packages).parts) + 1)
    lines = [f"{up}{name}/{chain.scheme.site_packages}" for name in chain.below]
    write_text(site_packages / _PATH_LINES, "".join(f"{line}\n" for line in lines))
    customize = site_packages / "sitecustomize.py"
    if customize.exists():
        message = (
            f"a package in {chain.name} brings its own top-level sitecustomize.py, which is kept: "
            ".pth files of the layers below will not be processed"
        )
        reporter.say(Kind.WARNING, message)
        return
    write_customization(site_packages, list(zip(chain.below, lines, strict=True)))


def write_customization(site_packages: Path, layers: Sequence[tuple[str, str]]) -> None:
    """Write the module that processes the `.pth` files of other layers.

    Args:
        site_packages: Where it is written to.
        layers: Their names, nearest first, each with its site directory: absolute, or
            relative to *site_packages*.
    """
    template = (SHIPPED / "sitecustomize.py").read_text("utf-8")
    entries = [list(layer) for layer in layers]
    text = template.replace("LAYERS = []", f"LAYERS = {entries!r}")
    write_text(site_packages / "sitecustomize.py", text)


def describe_layer(env: Path, chain: Chain, application: Mapping[str, str]) -> None:
    """Write the layer's description, and the script that finishes its installation.

    Args:
        env: The layer.
        chain: Its place among the layers.
        application: What is said of an application besides; empty for others.
    """
    scheme, runtime = chain.scheme, chain.runtime
    base = scheme.platform.runtime_python(scheme.python)
    config: dict[str, Any] = {
        "base_python": chain.up(runtime, base) if runtime else base,
        "dynlib_dirs": [],
        "py_version": str(scheme.python.version),
        "pylib_dirs": [chain.up(name, scheme.site_packages) for name in chain.below],
        "python": scheme.platform.environment_python if runtime else base,
        "site_dir": scheme.site_packages,
    }
    write_text(env / LAYER_CONFIG, json_text(config | dict(application)))
    write_text(env / "postinstall.py", (SHIPPED / "postinstall.py").read_text("utf-8"))


def hidden_by(module: str, site_packages: Sequence[Path]) -> Path | None:
    """Return what an application's module of this name would hide on its path, if anything."""
    for directory in site_packages:
        for candidate in (directory / module, directory / f"{module}.py"):
            if candidate.exists():
                return candidate
    return None
