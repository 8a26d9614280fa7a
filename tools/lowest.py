"""Check that the lowest versions that we say we work with are the ones installed here.

``nox -s minimums`` resolves them and runs tests with them; this tells whether a package
of its own accord wanted a newer one, so that a bound in ``pyproject.toml`` was not run.
"""

from __future__ import annotations

import sys
from importlib.metadata import requires, version

from packaging.requirements import Requirement
from packaging.version import Version


def main() -> int:
    """Compare, print what was compared, and fail if a bound was not met exactly."""
    status = 0
    for text in [*(requires("hatch-venvstacks") or ()), *sys.argv[1:]]:
        requirement = Requirement(text)
        if requirement.marker and not requirement.marker.evaluate():
            continue
        lowest = [item.version for item in requirement.specifier if item.operator == ">="]
        installed = version(requirement.name)
        is_met = [Version(bound) for bound in lowest] == [Version(installed)]
        status |= not is_met
        print(f"{'ok ' if is_met else 'NOT'} {requirement} -> {installed}")
    return status


if __name__ == "__main__":
    sys.exit(main())
