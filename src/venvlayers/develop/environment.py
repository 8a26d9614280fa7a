"""Making an environment for development: a thin one above the layers as they are built.

It is a virtual environment of its own, so that nothing is ever written into what will
be published, nor its bytecode (see `BYTECODE`). Its Python links to the runtime's; its path has the
sources first, then the layer itself, then what is below it, found as it is when deployed;
its programs are those of all these layers, started with its own Python. It is never
published, so it may know this machine's paths.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from venvlayers.build.chain import copy_windows_launchers, write_customization
from venvlayers.build.launch import launcher_place
from venvlayers.build.launchers import beside_python, is_relocatable
from venvlayers.build.scheme import Scheme
from venvlayers.build.scripts import code, write_program
from venvlayers.develop.activate import write_activation
from venvlayers.develop.layers import LAUNCHER
from venvlayers.develop.record import BYTECODE, Wanted, write_record
from venvlayers.develop.sources import source_directories
from venvlayers.develop.state import current_record, open_run, request_for
from venvlayers.errors import BuildError
from venvlayers.files import (
    os_reason,
    private_directory,
    remove_tree,
    replace_directory,
    write_text,
)
from venvlayers.lock.store import LockRecord, read_lock
from venvlayers.platforms import Interpreter
from venvlayers.report import Reporter
from venvlayers.spec.model import LayerSpec
from venvlayers.workflow import perform
from venvlayers.workflow.run import Run

_PATH_LINES = "_venvstacks_develop.pth"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Thin:
    """What a thin environment is made from.

    Attributes:
        layers: The layer's environment and those below it, nearest first, by deployed name.
        scheme: Their layout.
        layer: The layer.
        sources: The directories that come before them on the path.
    """

    layers: dict[str, Path]
    scheme: Scheme
    layer: LayerSpec
    sources: tuple[Path, ...]

    @property
    def runtime(self) -> Path:
        """The environment of the runtime."""
        return list(self.layers.values())[-1]


def make_environment(wanted: Wanted, place: Path, reporter: Reporter) -> None:
    """Build what is not up to date of a layer and those below it, and make *place* anew.

    Raises:
        VenvstacksError: That cannot be done; what was in *place* is as it was.
    """
    open_run(wanted)
    perform(request_for(wanted), reporter)
    run, layer = open_run(wanted)
    thin = _thin(run, layer)
    try:
        with private_directory(place.parent, prefix=f".{place.name}-") as private:
            made = private / place.name
            _fill(made, thin, place)
            write_record(made, current_record(wanted))
            replace_directory(made, place)
    except OSError as error:
        raise BuildError(
            f"the environment for {wanted.env_name} cannot be made: {os_reason(error)}"
        ) from error


def remove_environment(place: Path) -> None:
    """Remove an environment for development, and its directory if nothing else is in it.

    Raises:
        OSError: It cannot be removed.
    """
    remove_tree(place)
    if place.parent.is_dir() and not any(place.parent.iterdir()):
        place.parent.rmdir()


def _thin(run: Run, layer: LayerSpec) -> _Thin:
    names = [_deployed_name(run, name) for name in (layer.env_name, *layer.lower)]
    return _Thin(
        layers={name: run.layout.environment(name, run.platform) for name in names},
        scheme=Scheme(platform=run.platform, python=_python(run, layer)),
        layer=layer,
        sources=source_directories(run.spec, layer, run.layout),
    )


def _deployed_name(run: Run, env_name: str) -> str:
    return run.spec.layer(env_name).deployed_name(_lock_record(run, env_name).lock_version)


def _python(run: Run, layer: LayerSpec) -> Interpreter:
    python = _lock_record(run, layer.runtime_name).python
    if python is None:
        raise BuildError(f"the lock of {layer.runtime_name} does not say which Python it is for")
    return python.interpreter


def _lock_record(run: Run, env_name: str) -> LockRecord:
    saved = read_lock(run.layout, env_name)
    if saved is None:
        raise BuildError(f"the lock of {env_name} is gone")
    return saved.record


def _fill(env: Path, thin: _Thin, place: Path) -> None:
    """Fill *env*, which is going to be renamed to *place*."""
    scheme = thin.scheme
    site_packages = env / scheme.site_packages
    site_packages.mkdir(parents=True)
    _add_python(env, thin)
    if not scheme.platform.is_windows:
        write_activation(env / scheme.platform.bin_dir, place)
    _add_programs(env / scheme.platform.bin_dir, thin)
    lines = [str(path / scheme.site_packages) for path in thin.layers.values()]
    write_text(site_packages / _PATH_LINES, _path_line(thin.sources, lines, place / BYTECODE))
    write_customization(site_packages, list(zip(thin.layers, lines, strict=True)))
    if (launch := thin.layer.launch) and launch.attribute:
        program = os.fspath(place / launcher_place(thin.layer, scheme.platform))
        named = f"import sys\n\nsys.argv[0] = {program.removesuffix('.exe')!a}\n"
        write_text(site_packages / f"{LAUNCHER}.py", named + code(launch, exe=False).decode())


def _path_line(sources: tuple[Path, ...], layers: list[str], bytecode: Path) -> str:
    # One statement: `site` reads other lines with the locale's encoding, and this is ASCII.
    # It runs twice in a virtual environment.
    path = [*map(str, sources), *layers]
    prefix = f"sys.pycache_prefix = sys.pycache_prefix or {str(bytecode)!a}"
    return f"import sys; {prefix}; sys.path[:] = dict.fromkeys(sys.path + {path!a})\n"


def _add_python(env: Path, thin: _Thin) -> None:
    platform, python = thin.scheme.platform, thin.scheme.python
    original = thin.runtime / platform.runtime_python(python)
    settings = {
        "home": original.parent,
        "include-system-site-packages": "false",
        "version": python.version,
    }
    write_text(env / "pyvenv.cfg", "".join(f"{key} = {value}\n" for key, value in settings.items()))
    if platform.is_windows:
        copy_windows_launchers(env, thin.runtime, python)
        return
    bin_dir = env / platform.bin_dir
    bin_dir.mkdir(parents=True)
    (bin_dir / "python").symlink_to(original)
    for alias in python.aliases:
        (bin_dir / alias).symlink_to("python")


def _add_programs(bin_dir: Path, thin: _Thin) -> None:
    """Add the layers' programs, of which the nearest layer's come first."""
    for program in _programs(thin):
        place = bin_dir / program.name
        if place.exists() or place.is_symlink():
            continue
        if is_relocatable(program):  # it runs with the Python beside it
            write_program(place, beside_python(program.read_bytes()))
        elif not thin.scheme.platform.is_windows:
            place.symlink_to(program)


def _programs(thin: _Thin) -> Iterator[Path]:
    for layer in thin.layers.values():
        directory = layer / thin.scheme.platform.bin_dir
        yield from sorted(directory.iterdir()) if directory.is_dir() else ()
