"""What is done side by side looks as if one thing followed another."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable

import pytest

from support.stacks import Messages
from venvlayers import process
from venvlayers.errors import BuildError, LockError, several
from venvlayers.process import ending_children
from venvlayers.report import Kind, Reporter
from venvlayers.workflow.beside import Task, do_beside

PATIENCE = 60
"""Seconds after which a test that waits for another thread fails."""


def saying(
    name: str, then: Callable[[], object] = lambda: None, after: tuple[str, ...] = ()
) -> Task:
    def do(reporter: Reporter) -> None:
        reporter.say(Kind.STEP, f"{name} begins")
        then()
        reporter.say(Kind.INFO, f"{name} ends")

    return Task(name=name, do=do, after=after)


def failing(name: str, error: BaseException, after: tuple[str, ...] = ()) -> Task:
    def fail() -> None:
        raise error

    return saying(name, fail, after)


def texts(messages: Messages) -> list[str]:
    return [text for _kind, text in messages.lines]


def test_messages_are_in_order_although_work_is_not() -> None:
    """The second ends first: each waits for the other to have begun, then the first for it."""
    both, second_is_done = threading.Barrier(2, timeout=PATIENCE), threading.Event()
    messages = Messages()

    def first() -> None:
        both.wait()
        assert second_is_done.wait(PATIENCE)
        assert texts(messages) == ["first begins"], "the first speaks at once, the second waits"

    tasks = [
        saying("first", first),
        saying("second", lambda: (both.wait(), second_is_done.set())),
        saying("above", after=("first", "second")),
    ]
    assert do_beside(tasks, messages.reporter) == {}
    assert texts(messages) == [
        f"{name} {what}" for name in ("first", "second", "above") for what in ("begins", "ends")
    ]


def test_what_failed_is_told_in_order_and_what_is_above_is_not_begun() -> None:
    messages = Messages()
    failed_late = threading.Event()
    first, second = LockError("the first"), LockError("the second")

    def fail_last() -> None:
        assert failed_late.wait(PATIENCE)
        raise first

    tasks = [
        saying("a", fail_last),
        saying("b", lambda: (_ for _ in ()).throw(second)),
        saying("c", failed_late.set),
        saying("above a", after=("a", "c")),
        saying("above that", after=("above a",)),
        saying("above c", after=("c",)),
    ]
    assert list(do_beside(tasks, messages.reporter).items()) == [("a", first), ("b", second)]
    begun = [text.partition(" begins")[0] for text in messages.of(Kind.STEP)]
    assert begun == ["a", "b", "c", "above c"]


def test_what_is_no_failure_is_passed_on() -> None:
    with pytest.raises(SystemExit):
        do_beside([failing("a", SystemExit(3))], Messages().reporter)


def test_interrupted_programs_end() -> None:
    """Ctrl-C, when nobody tells the program that a thread waits for."""
    began, said = threading.Event(), Messages()

    def wait_for_a_program() -> None:
        began.set()
        process.run([sys.executable, "-c", "import time; time.sleep(600)"])

    def interrupt() -> None:
        assert began.wait(PATIENCE)
        raise KeyboardInterrupt

    tasks = [saying("waits", wait_for_a_program), saying("interrupted", interrupt)]
    with pytest.raises(KeyboardInterrupt):
        do_beside(tasks, said.reporter)
    assert process.run([sys.executable, "-c", "print(1)"]).stdout == "1\n", "the next one may run"


def test_programs_that_start_too_late_end_at_once() -> None:
    with ending_children() as end:
        end()
        done = process.run([sys.executable, "-c", "import time; time.sleep(600)"])
    assert done.returncode not in (0, None)


def test_several_errors_become_one() -> None:
    wheels = LockError("no wheel", hint="make one")
    index = LockError("no index")
    other = BuildError("no room")
    assert several([wheels]) is several([wheels, other]) is wheels
    assert several([other, wheels]) is other
    assert several([index, LockError("no index")]) is index
    both = several([wheels, other, index])
    assert isinstance(both, LockError)
    assert str(both) == "2 layers cannot be locked\nno wheel\nhint: make one\nno index"
