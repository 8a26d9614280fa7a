"""An application's launcher, and whether what it starts is in the application's layers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from venvlayers.build.chain import SHIPPED
from venvlayers.build.importable import Module, NotFound, find_module, names_bound, search_path
from venvlayers.build.scheme import Scheme
from venvlayers.build.scripts import code, declared_programs, program, write_program
from venvlayers.errors import BuildError
from venvlayers.files import write_text
from venvlayers.platforms import Platform
from venvlayers.spec.model import Launch, LayerSpec
from venvlayers.spec.table import did_you_mean

RUNNER = "_venvstacks_run"
"""The module that runs a launch module, in the layer of the application."""
_WITHOUT_ITS_DIRECTORY = ('if sys.path[:1] == [f"{sys.prefix}/bin"]:', "    del sys.path[0]", "")
"""There are no modules, and every import would look for them there."""


def launcher_place(layer: LayerSpec, platform: Platform) -> str:
    """Return where an application's launcher is, relative to its environment, with ``/``."""
    return f"{platform.bin_dir}/{layer.name}{'.exe' if platform.is_windows else ''}"


def write_launcher(env: Path, layer: LayerSpec, scheme: Scheme) -> None:
    """Write the launcher of an application into its environment; others have none."""
    if layer.launch is None:
        return
    content = launcher_code(layer.launch, exe=scheme.platform.is_windows)
    made = program(content, scheme, in_runtime=False, gui=layer.launch.gui)
    write_program(env / launcher_place(layer, scheme.platform), made)
    if not layer.launch.attribute:
        text = (SHIPPED / "run.py").read_text("utf-8")
        write_text(env / scheme.site_packages / f"{RUNNER}.py", text)


def launcher_code(launch: Launch, *, exe: bool) -> bytes:
    """Return what a launcher runs: little, for it is parsed at every start.

    Args:
        launch: What it starts.
        exe: Whether it is an executable of Windows, out of which Python imports this.
    """
    first = () if exe else _WITHOUT_ITS_DIRECTORY
    if launch.attribute:
        return code(launch, exe=exe, first=first)
    lines = ["import sys", "", *first, f"from {RUNNER} import run", ""]
    lines += ['if __name__ == "__main__":', f"    run({launch.module!r})", ""]
    return "\n".join(lines).encode()


def refuse_unlaunchable(layer: LayerSpec, environments: Sequence[Path], scheme: Scheme) -> None:
    """Refuse an application of which no layer has what it starts.

    Args:
        layer: The application.
        environments: Its own, and those below it, in path order.
        scheme: Their layout.

    Raises:
        BuildError: It is not there.
    """
    if layer.launch is None or layer.launch_module is not None:
        return
    site_directories = [environment / scheme.site_packages for environment in environments]
    standard_library = (site_directories[-1].parent,)
    if isinstance(find_module(layer.launch.module, standard_library), Module):
        return
    mistake = _mistake(layer.launch, search_path(site_directories))
    if mistake:
        what, hint = mistake
        raise BuildError(f"{layer.env_name} cannot launch '{layer.launch}': {what}", hint=hint)


def _mistake(launch: Launch, path: Sequence[Path]) -> tuple[str, str] | None:
    """Return what is wrong with what is to be started, and what to do; None if nothing is."""
    found = find_module(launch.module, path)
    if isinstance(found, NotFound):
        return f"none of its layers has the module {found.name!r}", _meant(launch, found, path)
    if launch.attribute:
        return _attribute_mistake(launch, found, path)
    return _main_mistake(launch.module, found, path)


def _meant(launch: Launch, found: NotFound, path: Sequence[Path]) -> str:
    """Return what to write in place of a module that is not there."""
    package, _, last = found.name.rpartition(".")
    is_word = not package and str(launch) == last
    if is_word and (program := _programs(path).get(last)):
        return f'it is a program of a package: launch = "{program}" does the same'
    if meant := did_you_mean(last, [*(launch.scripts if is_word else ()), *found.beside]):
        return f"in {package!r}: {meant}" if package else meant
    return (
        "add the package that has it to `requirements`; of the project itself, `project = true`"
        " adds all, and `support_modules` single files or directories"
    )


def _programs(path: Sequence[Path]) -> dict[str, Launch]:
    """Return what the programs of the packages on *path* start, by name; the first one counts."""
    places = [info for place in path for info in sorted(place.glob("*.dist-info"))]
    return {name: launch for info in reversed(places) for name, launch in declared_programs(info)}


def _attribute_mistake(
    launch: Launch, module: Module, path: Sequence[Path]
) -> tuple[str, str] | None:
    name = launch.attribute.partition(".")[0]
    if not module.is_known or isinstance(find_module(f"{launch.module}.{name}", path), Module):
        return None
    bound = names_bound(module.source) if module.source else None
    if bound is None or name in bound:
        return None
    known = sorted(word for word in bound if not word.startswith("_"))
    hint = did_you_mean(name, known) or f"it has: {', '.join(known) or 'nothing'}"
    return f"the module {launch.module!r} has no {name!r}", hint


def _main_mistake(name: str, module: Module, path: Sequence[Path]) -> tuple[str, str] | None:
    is_package = bool(module.portions)
    if not is_package or not module.is_known:
        return None
    if isinstance(find_module(f"{name}.__main__", path), Module):
        return None
    what = f"the package {name!r} has no __main__.py, so `python -m` cannot run it"
    return what, f"name a function instead, as in '{name}:main'"
