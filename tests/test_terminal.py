"""What a person sees on a terminal."""

from __future__ import annotations

import io
import logging

import pytest
from rich.console import Console

from venvlayers.report import Kind, logged
from venvlayers.terminal import TerminalReporter


def reporter(*, verbosity: int = 0) -> tuple[TerminalReporter, io.StringIO]:
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=60, color_system=None)
    return TerminalReporter(verbosity=verbosity, console=console), text


def test_messages_are_lines_and_brackets_are_just_brackets() -> None:
    shown, text = reporter()
    shown.say(Kind.STEP, "building [bold]app[/bold]")
    shown.say(Kind.WARNING, "careful")
    shown.say(Kind.DETAIL, "nobody asked")
    assert text.getvalue() == "building [bold]app[/bold]\nwarning: careful\n"


def test_details_are_for_those_who_ask() -> None:
    shown, text = reporter(verbosity=1)
    shown.say(Kind.DETAIL, "uv was run")
    assert text.getvalue() == "uv was run\n"


def test_long_work_has_a_bar_that_is_gone_in_the_end() -> None:
    shown, text = reporter()
    with shown.progress("publishing app", 2000) as progress:
        progress.advance(500)
        shown.say(Kind.INFO, "in between")
        progress.advance(1500)
    assert "publishing app" in text.getvalue()
    assert "in between" in text.getvalue()


def test_what_is_done_side_by_side_is_shown_together() -> None:
    """A bar for each, also for work of which nobody knows how much it is."""
    shown, text = reporter()
    with shown.progress("locking left", None), shown.progress("locking right", None):
        shown.say(Kind.INFO, "in between")
    both = text.getvalue()
    with shown.progress("publishing app", 2000) as progress:
        progress.advance(500)
    lines = both.splitlines()
    (left,) = (number for number, line in enumerate(lines) if "in between" in line)
    assert "locking left" in lines[left + 1], both
    assert "locking right" in lines[left + 2], both
    assert "0:00:00" in lines[left + 1]
    assert "publishing app" in text.getvalue().removeprefix(both)


def test_n8_messages_to_a_logger(caplog: pytest.LogCaptureFixture) -> None:
    """N8."""
    said = logged(logging.getLogger("stacks"))
    with caplog.at_level(logging.DEBUG, "stacks"):
        for kind in Kind:
            said.say(kind, f"100% {kind.value}")
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", "100% step"),
        ("INFO", "100% info"),
        ("WARNING", "100% warning"),
        ("DEBUG", "100% detail"),
        ("DEBUG", "100% trace"),
    ]


def test_more_details_for_those_who_ask_more() -> None:
    """F3."""
    shown, text = reporter(verbosity=1)
    shown.say(Kind.TRACE, "what uv said")
    assert text.getvalue() == ""
    shown, text = reporter(verbosity=2)
    shown.say(Kind.TRACE, "what uv said")
    assert text.getvalue() == "what uv said\n"
