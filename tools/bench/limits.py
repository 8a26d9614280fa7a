"""What ordinary programs need for the same files, and for the same packages."""

from __future__ import annotations

import shutil
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.results import Run
from bench.workplace import Workplace, remove
from sandbox import KINDS

_PACK = 'for layer in *; do tar -cf - "$layer" | "$@" > "../packed/$layer" || exit; done'
_UNPACK = 'for archive in *.tar.zst; do tar --zstd -xf "$archive" -C "$1" || exit; done'
OLD_WAY = ("xz", "-6", "-T1")  # newer ones take all cores when they are not told


def zstd_like(codec: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return `zstd` at the level of an archive, without and with the window that it has.

    Args:
        codec: An archive's, as its metadata has it (``archive_codec``).
    """
    plain: tuple[str, ...] = ("zstd", "-q", "-T0", f"-{codec['level']}")
    if int(codec["level"]) > 19:  # noqa: PLR2004 - above it, the command insists on this
        plain = (*plain, "--ultra")
    window = codec.get("window_log")
    if window is None:
        return plain, plain
    is_long = codec.get("long_distance_matching")
    option = f"--long={window}" if is_long else f"--zstd=wlog={window}"
    return plain, (*plain, option)


class Limits:
    """Ordinary programs in a workplace.

    Args:
        workplace: Whose deployed layers are packed and copied; they have to be there.
    """

    def __init__(self, workplace: Workplace) -> None:
        self._place = workplace
        self.plain = workplace.directory / "plain"
        self._packed = workplace.directory / "packed"
        self._copy = workplace.directory / "copy"

    def compile(self, uv_cache: Path | None = None) -> Run:
        """Let uv resolve every requirement of the stack, all at once."""
        requirements = self._place.directory / "requirements.in"
        requirements.write_text("\n".join(self._requirements()) + "\n", "utf-8")
        options = ("--quiet", "--universal", "--no-build", "--python", sys.executable)
        return self._uv("pip", "compile", *options, str(requirements), uv_cache=uv_cache)

    def install(self, *options: str, uv_cache: Path | None = None) -> Run:
        """Install the packages of all layers into one plain environment, a new one."""
        run = self._install(self.plain, self._place.packages(), options, uv_cache)
        self._add_launch_module(self.plain)
        return run

    def install_on_runtime(self) -> Path:
        """Install the same on the Python of the deployed runtime; return the Python to start.

        Layers and a plain environment then start the very same files. Where other programs run
        one of two copies, starting the other takes longer, by more than what layers add.
        """
        environment = self._place.directory / "plain-on-runtime"
        runtime = str(self._place.runtime_python())
        self._install(environment, self._place.packages(), (), None, python=runtime)
        self._add_launch_module(environment)
        return _python_of(environment)

    def install_each(self) -> Run:
        """Install the packages of each layer into a plain environment of its own, in turn."""
        environments = self._place.directory / "plain-each"
        self._place.set_aside(environments)
        layers = sorted(layer.name for layer in self._place.deployed.iterdir())
        return _sum(
            [
                self._install(environments / layer, self._place.packages(layer), (), None)
                for layer in layers
            ]
        )

    def _install(
        self,
        place: Path,
        packages: list[str],
        options: tuple[str, ...],
        uv_cache: Path | None,
        *,
        python: str = sys.executable,
    ) -> Run:
        pins = self._place.directory / "pins.txt"
        pins.write_text("\n".join(packages) + "\n", "utf-8")
        self._place.set_aside(place)
        made = [self._uv("venv", "--quiet", "--python", python, str(place))]
        if packages:
            into = ("--python", str(_python_of(place)))
            quietly = ("pip", "install", "--quiet", "--no-deps", *into, *options)
            made.append(self._uv(*quietly, "-r", str(pins), uv_cache=uv_cache))
        return _sum(made)

    @property
    def python(self) -> Path:
        """The plain environment's Python."""
        return _python_of(self.plain)

    def pack(self, compressor: tuple[str, ...]) -> tuple[Run, int]:
        """Pack each deployed layer with `tar` and *compressor*; return the size of all too."""
        remove(self._packed)
        self._packed.mkdir()
        run = self._place.run("sh", "-c", _PACK, "sh", *compressor, cwd=self._place.deployed)
        return run, sum(file.stat().st_size for file in self._packed.iterdir())

    def copy(self, directory: Path) -> Run:
        """Copy *directory* with `cp -r`."""
        remove(self._copy)
        run = self._place.run("cp", "-r", directory, self._copy)
        remove(self._copy)
        return run

    def unpack(self, deployment: Path) -> Run:
        """Unpack every archive into *deployment*, as the README says; that is no limit."""
        remove(deployment)
        deployment.mkdir()
        return self._place.run("sh", "-c", _UNPACK, "sh", deployment, cwd=self._place.outputs)

    def _requirements(self) -> list[str]:
        text = self._place.project.joinpath("pyproject.toml").read_text("utf-8")
        stack = tomllib.loads(text)["tool"]["venvstacks"]
        return [
            requirement
            for kind in KINDS
            for layer in stack.get(kind, ())
            for requirement in layer["requirements"]
        ]

    def _add_launch_module(self, environment: Path) -> None:
        """Put the application's module where the plain environment finds it."""
        module = self._place.project / self._place.stack.launch_module
        if module.name == "__main__.py":
            module = module.parent
        (packages,) = environment.glob("[Ll]ib/**/site-packages")
        if module.is_dir():
            shutil.copytree(module, packages / module.name)
        else:
            shutil.copy(module, packages)

    def _uv(self, *arguments: str, uv_cache: Path | None = None) -> Run:
        extra = {} if uv_cache is None else {"UV_CACHE_DIR": str(uv_cache)}
        return self._place.run(find_uv(), *arguments, cwd=self._place.directory, extra=extra)


def _python_of(environment: Path) -> Path:
    return environment / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def _sum(runs: list[Run]) -> Run:
    return Run(
        wall=sum(run.wall for run in runs),
        cpu=sum(run.cpu for run in runs),
        largest=max(run.largest for run in runs),
        together=max(run.together for run in runs),
    )


def find_uv() -> str:
    """Return the uv that our own command uses: the one that is installed beside it.

    Raises:
        FileNotFoundError: There is none.
    """
    found = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    if found is None:
        raise FileNotFoundError("there is no uv")
    return found
