"""A layer's Python made of one on this machine: copied, relocated, normalised, and looked over."""

from __future__ import annotations

from pathlib import Path

from venvlayers.build.runtime import sysconfigdata
from venvlayers.build.runtime.copying import copy_python
from venvlayers.build.runtime.found import LocalPython
from venvlayers.build.runtime.normalise import Shape, normalise
from venvlayers.build.runtime.origin import Origin
from venvlayers.build.runtime.relocate import relocate, require_no_trace
from venvlayers.files import private_directory
from venvlayers.platforms import Platform


def copy_relocated(
    python: LocalPython, platform: Platform, destination: Path, work_dir: Path
) -> None:
    """Fill *destination*, which does not exist yet, with a copy that runs from any place.

    Args:
        python: The interpreter.
        platform: This machine's.
        destination: On the file system of *work_dir*.
        work_dir: Where to make it.

    Raises:
        BuildError: It cannot be made relocatable.
    """
    origin = Origin.of([python.prefix, *_built_for(python)])
    with private_directory(work_dir) as directory:
        root = directory / "python"
        copy_python(python, root)
        relocate(root, origin)
        normalise(Shape(root, platform, python.interpreter), origin)
        if python.debian:
            _serve_debian(root, python)
        require_no_trace(root, origin.own)
        destination.parent.mkdir(parents=True, exist_ok=True)
        root.rename(destination)


def _built_for(python: LocalPython) -> tuple[str, ...]:
    """Return the prefixes that are compiled in; PyPy computes its own when it starts."""
    if python.interpreter.is_pypy:
        return ()
    return sysconfigdata.built_for(python.stdlib)


def _serve_debian(root: Path, python: LocalPython) -> None:
    """Let Debian's `site`, which knows no site-packages, find it by the name it knows."""
    link = root / "lib" / "python3" / "dist-packages"
    link.parent.mkdir()
    link.symlink_to(f"../{python.interpreter.library}/site-packages")
