"""Reports of checks, kept beside what is remembered of the environments.

A report also tells which environments it is about, by their keys: when a layer below is
another one, the layer is looked at again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from venvlayers.layout import Layout
from venvlayers.platforms import Platform


def recorded_report(layout: Layout, env_name: str, platform: Platform) -> dict[str, Any] | None:
    """Return the report on a layer, as JSON; None if there is none to rely on."""
    try:
        report = json.loads(layout.check_report(env_name, platform).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return report if isinstance(report, dict) else None


def is_about(report: Mapping[str, Any] | None, keys: Mapping[str, str]) -> bool:
    """Tell whether a report is about the environments with these keys, by layer."""
    return report is not None and report.get("environments") == dict(keys)


def recorded_reports(
    layout: Layout, env_names: Iterable[str], platform: Platform
) -> tuple[dict[str, Any], ...]:
    """Return the reports on layers that have one, as JSON."""
    found = (recorded_report(layout, name, platform) for name in env_names)
    return tuple(report for report in found if report is not None)
