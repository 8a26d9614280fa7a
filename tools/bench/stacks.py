"""The stacks that are measured, and the changes that are made to them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"


@dataclass(frozen=True, slots=True)
class Edit:
    """A text in a project's ``pyproject.toml``, and what comes in its place."""

    old: str
    new: str

    def apply(self, text: str) -> str:
        """Return *text* with the change.

        Raises:
            ValueError: What is to be replaced is not there once.
        """
        if text.count(self.old) != 1:
            raise ValueError(f"{self.old!r} is there {text.count(self.old)} times, and not once")
        return text.replace(self.old, self.new)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A project that is measured.

    Attributes:
        name: How it is called here and in the results.
        title: What it is, for a reader.
        fixture: Its directory below ``fixtures``.
        pin: Pins a small package, before anything is measured.
        other: Pins another version of that package.
        package: The package.
        more: Adds a requirement, to the project as it was pinned.
        launch_module: A file that an application is started by.
        application: That application, which is started.
        module: How a plain environment starts the same.
        arguments: What it is started with for its work.
        answers_to: What it is started with to answer without its work; None: its
            interpreter is started instead, since it has no such option.
        is_large: Whether `tar | xz` takes minutes, and downloading everything as well.
        rounds: How often to measure everything, if nobody says.
    """

    name: str
    title: str
    fixture: str
    pin: Edit
    other: Edit
    package: str
    more: Edit
    launch_module: str
    application: str
    module: str
    arguments: tuple[str, ...] = ()
    answers_to: tuple[str, ...] | None = ()
    is_large: bool = False
    rounds: int = 2

    @property
    def directory(self) -> Path:
        """The project as it is in this repository."""
        return FIXTURES / self.fixture


TINY = Stack(
    name="tiny",
    title="one small package in five layers",
    fixture="five_layers",
    pin=Edit('["iniconfig"]', '["iniconfig==2.1.0"]'),
    other=Edit('["iniconfig==2.1.0"]', '["iniconfig==2.0.0"]'),
    package="iniconfig",
    more=Edit('["iniconfig==2.1.0"]', '["iniconfig==2.1.0", "tabulate"]'),
    launch_module="greet.py",
    application="greet",
    module="greet",
    rounds=3,
)
DEMO = Stack(
    name="demo",
    title="scikit-learn, and two applications",
    fixture="sklearn_demo",
    pin=Edit('["scikit-learn"]', '["scikit-learn", "joblib==1.5.2"]'),
    other=Edit('"joblib==1.5.2"', '"joblib==1.5.1"'),
    package="joblib",
    more=Edit('"joblib==1.5.2"', '"joblib==1.5.2", "rich"'),
    launch_module="src/sklearn_demo_classify/__main__.py",
    application="classify",
    module="sklearn_demo_classify",
    answers_to=None,
)
LARGE = Stack(
    name="large",
    title="scikit-learn and Qt, and two applications",
    fixture="sklearn_qt",
    pin=Edit('"QtPy"', '"QtPy==2.4.3"'),
    other=Edit('"QtPy==2.4.3"', '"QtPy==2.4.2"'),
    package="qtpy",
    more=Edit('"QtPy==2.4.3"', '"QtPy==2.4.3", "rich"'),
    launch_module="src/sklearn_qt_clusters.py",
    application="clusters",
    module="sklearn_qt_clusters",
    arguments=("--seconds", "0"),
    answers_to=("--version",),
    is_large=True,
)
STACKS = {stack.name: stack for stack in (TINY, DEMO, LARGE)}
