"""The ways in which this project fails, and what each tells the user.

Every failure that we foresee is a `VenvstacksError`: a message that says what
is wrong, a hint that says what to do next, and an exit code that a script can
tell apart. Anything else that escapes is a defect of ours. Nothing in here
prints or exits: a shell decides how an error is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from venvlayers.values import frozen


class VenvstacksError(Exception):
    """A failure with a message for the user.

    Args:
        message: What is wrong, in one sentence or a short list.
        hint: What to do next; shown on a line of its own.
        details: Longer output of another tool, shown indented below.
    """

    exit_code: ClassVar[int] = 1
    """The process's exit status when this error ends it (1 to 125)."""

    def __init__(
        self, message: str, *, hint: str | None = None, details: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = details

    def __str__(self) -> str:
        parts = [self.message]
        if self.details:
            parts.append("\n".join(f"    {line}" for line in self.details.strip().splitlines()))
        if self.hint:
            parts.append(f"hint: {self.hint}")
        return "\n".join(parts)


@frozen
class Problem:
    """One mistake in a specification.

    Attributes:
        where: The TOML path, such as ``tool.venvstacks.frameworks[0].runtime``.
        what: What is wrong with it.
        suggestion: What the user probably meant, or should write instead.
    """

    where: str
    what: str
    suggestion: str | None = None

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text} ({self.suggestion})" if self.suggestion else text


class SelectionError(VenvstacksError):
    """What was asked for does not fit together, or names layers that there are not."""

    exit_code = 2


class SpecError(VenvstacksError):
    """The specification cannot be used; all mistakes found are in `problems`."""

    exit_code = 3

    def __init__(self, file: str, problems: list[Problem], *, hint: str | None = None) -> None:
        self.file = file
        self.problems = tuple(problems)
        if len(problems) == 1:
            message = f"{file}: {problems[0]}"
        else:
            listed = "\n".join(f"  - {problem}" for problem in problems)
            message = f"{file}: {len(problems)} mistakes\n{listed}"
        super().__init__(message, hint=hint)


class LockError(VenvstacksError):
    """A layer cannot be locked, or its lock cannot be used."""

    exit_code = 4


def several(errors: Sequence[Exception]) -> Exception:
    """Return one error for some that came side by side, of which there is at least one.

    It is all of them if the first is that something cannot be locked, else the first.
    """
    alike = [error for error in errors if type(error) is LockError]
    texts = list(dict.fromkeys(map(str, alike)))
    if errors[0] not in alike or len(texts) == 1:
        return errors[0]
    return LockError("\n".join([f"{len(texts)} layers cannot be locked", *texts]))


class BuildError(VenvstacksError):
    """An environment cannot be made."""

    exit_code = 5


class PublishError(VenvstacksError):
    """Archives, manifests or an export cannot be written."""

    exit_code = 6


class ToolError(VenvstacksError):
    """A program that we need is missing, too old, or failed unexpectedly."""

    exit_code = 7


class PythonUnavailableError(VenvstacksError):
    """No source has the Python that a runtime layer asks for.

    Args:
        what: What is wrong, in one sentence or a short list.
        lacking: The names of platforms that one which is there does not serve.
        hint: What to do next.
        details: Longer output of another tool.
    """

    exit_code = 8

    def __init__(
        self,
        what: str,
        *,
        lacking: tuple[str, ...] = (),
        hint: str | None = None,
        details: str | None = None,
    ) -> None:
        named = f"; it cannot be had for {', '.join(lacking)}" if lacking else ""
        super().__init__(what + named, hint=hint, details=details)
        self.what = what
        self.lacking = lacking


class UnpackError(VenvstacksError):
    """An archive is damaged, or tries to leave its directory."""

    exit_code = 9


class CacheError(VenvstacksError):
    """The user's cache cannot be read or cleared up; builds go on without it."""

    exit_code = 10
