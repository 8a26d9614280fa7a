"""The build directory: made, guarded against other builds, and cleared up.

One build at a time changes a stack; another waits here. What that one is to do
is not known here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from venvlayers.errors import BuildError
from venvlayers.files import os_reason, remove_tree
from venvlayers.layout import Layout
from venvlayers.report import Kind, Reporter


@contextmanager
def guarded(layout: Layout, root: Path, reporter: Reporter) -> Iterator[None]:
    """Let one build at a time change a stack, and clear up after one that was killed.

    Args:
        layout: Where the stack's files are.
        root: The project's directory.
        reporter: Hears of waiting.

    Raises:
        BuildError: The build directory cannot be used.
    """
    from filelock import FileLock, Timeout  # noqa: PLC0415 - costs 80 ms to import

    try:
        _make_build_dir(layout, root, reporter)
        lock = FileLock(layout.guard)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            reporter.say(Kind.STEP, f"waiting for another build in {layout.build_dir}")
            lock.acquire()
    except OSError as error:
        raise BuildError(
            f"{layout.build_dir} cannot be used: {os_reason(error)}",
            hint="builds need a directory that you may write to",
        ) from error
    try:
        remove_tree(layout.work_dir)
        layout.work_dir.mkdir()
        yield
    finally:
        remove_tree(layout.work_dir)
        lock.release()


def _make_build_dir(layout: Layout, root: Path, reporter: Reporter) -> None:
    if root.is_relative_to(layout.build_dir):
        raise BuildError(
            f"{layout.build_dir} has the project in it, and what is built is to be apart from it",
            hint="choose another build directory",
        )
    layout.build_dir.mkdir(parents=True, exist_ok=True)
    if any(layout.build_dir.iterdir()):
        return  # somebody's, or it was ours before
    (layout.build_dir / ".gitignore").write_text("*\n", "utf-8")
    if not (layout.build_dir.is_relative_to(root) and (root / "pyproject.toml").exists()):
        return
    # Hatchling reads the .gitignore of the project alone.
    ignored = root / ".gitignore"
    name = layout.build_dir.name
    if not (ignored.is_file() and name in ignored.read_text("utf-8", "replace")):
        message = f"add {name}/ to {ignored}: source distributions would take it in"
        reporter.say(Kind.WARNING, message)
