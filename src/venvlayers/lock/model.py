"""What a layer consists of, exactly: the values that locking produces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from venvlayers.platforms import Interpreter, Platform, PythonVersion
from venvlayers.values import frozen

if TYPE_CHECKING:  # not needed to find out that nothing is to be done
    from datetime import datetime

    from packaging.markers import Marker
    from packaging.pylock import Package, Pylock


@frozen
class PythonPin:
    """The exact Python of a runtime layer, and where it comes from.

    Attributes:
        implementation: ``cpython`` or ``pypy``.
        version: Exact to the patch release.
        source: The runtime source that found it: ``managed`` or ``local``.
        build: The source's own name for the build, when it has one: for CPython from
            ``managed``, the release date of the python-build-standalone build
            (``20251120``). For PyPy, from every source, PyPy's own version (``7.3.20``).
    """

    implementation: str
    version: PythonVersion
    source: str
    build: str | None = None

    @property
    def interpreter(self) -> Interpreter:
        """What platforms need to know of it."""
        release = self.build if self.implementation == "pypy" else None
        return Interpreter(self.implementation, self.version, release)

    def __str__(self) -> str:
        return f"{self.implementation}@{self.version}"


@frozen
class Upgrade:
    """Which versions a new lock need not keep.

    Attributes:
        everything: None is kept.
        packages: Packages whose versions are not kept, normalised.
        reset: Environment names of layers whose lock is forgotten, damaged or not.
    """

    everything: bool = False
    packages: tuple[str, ...] = ()
    reset: frozenset[str] = frozenset()

    def concerns(self, env_name: str) -> bool:
        """Tell whether a layer's lock may change although none of its inputs did."""
        return self.everything or bool(self.packages) or env_name in self.reset


@frozen
class Change:
    """How a new lock differs from the one before, in one package.

    Attributes:
        package: Its name, or that of a runtime's Python implementation.
        before: The version locked before; None if there was none.
        after: The version locked now; None if there is none.
        because: Why, in a few words.
    """

    package: str
    before: str | None
    after: str | None
    because: str


@frozen
class LayerLock:
    """A layer's lock.

    Attributes:
        env_name: The layer's environment name.
        python: The Python that it was locked for; of its runtime, for upper layers.
        document: The packages of this layer itself, for all its platforms (PEP 751).
        requirements_hash: Identifies the locked set: ``sha256:<hex>``.
        lock_version: Counts changes of a versioned layer; 1 for others.
        locked_at: When the locked set last changed, in UTC.
    """

    env_name: str
    python: PythonPin
    document: Pylock
    requirements_hash: str
    lock_version: int
    locked_at: datetime

    def packages_for(self, platform: Platform) -> tuple[Package, ...]:
        """Return the packages that this layer itself has on *platform*, by name."""
        environment: Mapping[str, str] = platform.marker_environment(self.python.interpreter)
        return tuple(
            package
            for package in self.document.packages
            if package.marker is None or _holds(package.marker, environment)
        )


def _holds(marker: Marker, environment: Mapping[str, str]) -> bool:
    return marker.evaluate(dict(environment), context="lock_file")
