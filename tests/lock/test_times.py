"""`exclude-newer`: what is chosen, when a lock is valid, and how it is dated."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from support.index import Index
from support.projects import Project
from support.stacks import done, lock_all, run, spec_and_layout, versions
from venvlayers.lock.settings import exclude_newer, latest_time
from venvlayers.lock.state import lock_states
from venvlayers.plan import Goal

MakeProject = Callable[..., Project]

BASE = "[[runtimes]]\nname = 'base'\nrequirements = ['lib']\n"
NOW = datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)


def set_date(project: Project, value: object) -> None:
    tool = project.read_pyproject()["tool"]
    settings = {key: entry for key, entry in tool["uv"].items() if key != "exclude-newer"}
    dated = {} if value is None else {"exclude-newer": value}
    project.write_pyproject({**tool, "uv": settings | dated})


def outdated(project: Project) -> str | None:
    spec, layout = spec_and_layout(project)
    return lock_states(spec, layout)["base"].outdated


@pytest.fixture
def project(make_project: MakeProject, index: Index) -> Project:
    """A project that needs ``lib``, which was released in January 2024 and 2025."""
    index.add("lib", "1.0", uploaded="2024-01-10T00:00:00Z")
    index.add("lib", "2.0", uploaded="2025-01-10T00:00:00Z")
    return make_project(BASE)


def test_e6_h20_a_date_bounds_versions_and_the_time_of_the_lock(project: Project) -> None:
    """E6, H20, #10, #282: the lock is as if it was made then."""
    set_date(project, "2024-06-30")
    lock = lock_all(project, now=NOW)["base"]
    assert versions(lock) == {"lib": "1.0"}
    assert lock.locked_at == datetime(2024, 7, 1, tzinfo=UTC)
    assert outdated(project) is None


def test_e6_a_date_to_come_leaves_the_time_alone(project: Project) -> None:
    """E6, H20."""
    set_date(project, "2099-01-01")
    assert lock_all(project, now=NOW)["base"].locked_at == NOW


def test_x13_an_earlier_date_resolves_anew_and_nothing_else_does(
    project: Project, index: Index
) -> None:
    """X13, H20: moments are compared, not texts; the number goes up with the set alone."""
    stack = project.stack()
    stack["runtimes"][0]["versioned"] = True
    project.set_stack(stack)
    set_date(project, "2025-06-01T00:00:00Z")
    first = lock_all(project, now=NOW)["base"]
    assert versions(first) == {"lib": "2.0"}
    set_date(project, "2025-06-01T02:00:00+02:00")
    assert outdated(project) is None
    asked = len(index.requests)
    assert done(run(project, Goal.LOCK)) == ()
    assert len(index.requests) == asked
    set_date(project, "2024-06-01T00:00:00Z")
    assert outdated(project) == (
        "its exclude-newer changed from 2025-06-01T00:00:00Z to 2024-06-01T00:00:00Z"
    )
    second = lock_all(project, now=NOW)["base"]
    assert versions(second) == {"lib": "1.0"}
    assert (first.lock_version, second.lock_version) == (1, 2)
    set_date(project, "2024-02-01T00:00:00Z")
    third = lock_all(project, now=NOW)["base"]
    assert (third.lock_version, third.locked_at) == (2, datetime(2024, 2, 1, tzinfo=UTC))


def test_e6_the_variable_wins(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """E6: and is part of what a lock is valid for."""
    set_date(project, "2025-06-01")
    monkeypatch.setenv("UV_EXCLUDE_NEWER", "2024-06-30")
    lock = lock_all(project, now=NOW)["base"]
    assert versions(lock) == {"lib": "1.0"}
    assert lock.locked_at == datetime(2024, 7, 1, tzinfo=UTC)
    assert outdated(project) is None
    monkeypatch.delenv("UV_EXCLUDE_NEWER")
    assert "its exclude-newer changed" in str(outdated(project))


def test_e6_a_duration_is_left_to_uv(project: Project) -> None:
    """E6: it is counted from the moment of locking, so it does not date a lock."""
    set_date(project, "30 days")
    lock = lock_all(project, now=NOW)["base"]
    assert versions(lock) == {"lib": "2.0"}
    assert lock.locked_at == NOW
    assert outdated(project) is None


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2024-01-31", "2024-02-01T00:00:00Z"),
        (date(2024, 12, 31), "2025-01-01T00:00:00Z"),
        ("2024-01-31T12:00:00Z", "2024-01-31T12:00:00Z"),
        ("2024-01-31T12:00:00+05:30", "2024-01-31T06:30:00Z"),
        (
            datetime(2024, 1, 31, 12, tzinfo=timezone(timedelta(hours=1))),
            "2024-01-31T11:00:00Z",
        ),
    ],
)
def test_e6_dates_and_times_are_moments(value: object, moment: str) -> None:
    """E6, X13: a date includes its day, wherever the machine is."""
    assert exclude_newer(value) == moment
    assert latest_time({"exclude-newer": moment}) == datetime.fromisoformat(moment)


@pytest.mark.parametrize("value", ["30 days", "P30D", "2024-01-31T12:00:00", "soon", 7])
def test_e6_what_is_no_moment_is_left_to_uv(value: object) -> None:
    """E6."""
    assert exclude_newer(value) == str(value)
    assert latest_time({"exclude-newer": str(value)}) is None
