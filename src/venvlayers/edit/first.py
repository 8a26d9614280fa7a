"""The first ``[tool.venvstacks]`` of a project, with comments for newcomers."""

from __future__ import annotations

import tomllib
from typing import Any

from venvlayers.edit.guess import Guess
from venvlayers.edit.insert import inserted, table_at
from venvlayers.edit.layer import NewLayer, table_lines
from venvlayers.spec.kinds import LayerKind

_INTRODUCTION = """\
# Layers: a Python runtime, frameworks that applications share, and applications.
# `venvstacks show` tells what there is to do; `venvstacks publish` does it.
"""
_PLATFORMS = """\
# platforms = ["linux_x86_64", "win_amd64"]  # without it: all that there are
"""
_RUNTIME = """\
# A Python with what every layer above it may use. The lock pins the exact release.
"""
_FRAMEWORK = """\
# What several applications need is in a framework, and shipped once:
# [[{prefix}frameworks]]
# name = "shared"
# runtime = "{runtime}"
# requirements = ["numpy"]
"""
_APPLICATION = """\
# Runs {starts} with the Python of its layer. Give it
# `frameworks = ["shared"]` instead of a runtime once there is one.
"""
_PROJECT = """\
# `project = true` is this project's own wheel, and what it depends on.
"""
_NO_APPLICATION = """\
# An application is a module of this project that `python -m` can run, and was not found:
# [[{prefix}applications]]
# name = "app"
# launch_module = "src/app"  # a .py file, or a package with a __main__.py
# runtime = "{runtime}"
# requirements = []
"""


def with_first_table(text: str, guess: Guess, *, where: str) -> str:
    """Return the document *text* with a first stack at its end.

    Args:
        text: The file; it says nothing of layers.
        guess: What is in the stack.
        where: The TOML path of the table; empty for a file of its own.

    Raises:
        NoPlaceError: The table cannot be added, as in ``tool = {...}``.
    """
    meant = tomllib.loads(text)
    stack = table_at(meant, where)
    runtime, application = _tables(guess)
    stack["runtimes"] = [runtime]
    if application:
        stack["applications"] = [application]
    return inserted(text, _lines(guess, where), meant)


def _tables(guess: Guess) -> tuple[dict[str, Any], dict[str, Any] | None]:
    runtime = {
        "name": guess.runtime,
        "python_implementation": f"cpython@{guess.python}",
        "requirements": [],
    }
    if guess.starts is None:
        return runtime, None
    application = NewLayer(
        kind=LayerKind.APPLICATION,
        name=guess.name,
        launch_module=guess.launch_module,
        launch=guess.launch,
        runtime=guess.runtime,
        project=guess.project,
        requirements=guess.requirements,
    )
    return runtime, application.table


def _lines(guess: Guess, where: str) -> str:
    prefix = f"{where}." if where else ""
    runtime, application = _tables(guess)
    words = {"prefix": prefix, "runtime": guess.runtime}
    header = f"[{where}]\n" if where else ""
    blocks = [
        f"{header}{_INTRODUCTION}{_PLATFORMS}",
        f"[[{prefix}runtimes]]\n{_RUNTIME}{table_lines(runtime)}",
        _FRAMEWORK.format(**words),
        _NO_APPLICATION.format(**words)
        if application is None
        else f"[[{prefix}applications]]\n{_said_of_application(guess)}{table_lines(application)}",
    ]
    return "\n".join(blocks)


def _said_of_application(guess: Guess) -> str:
    starts = (
        f"`{guess.launch}` of this project" if guess.launch else f"as `python -m {guess.module}`"
    )
    return _APPLICATION.format(starts=starts) + _PROJECT * guess.project
