"""Layers to check, made by hand: packages with program files, for any platform."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from support.layers import FileContent, make_layer
from venvlayers.build.model import Distribution
from venvlayers.check.check import check_together, look
from venvlayers.check.headers import Headers
from venvlayers.check.model import CheckedLayer, Report, Severity
from venvlayers.platforms import PLATFORMS
from venvlayers.spec.kinds import LayerKind

SITE = "lib/python3.12/site-packages"
"""Where packages are in layers made here, except on Windows."""
HERE_TAG = "cp312-cp312-linux_x86_64"


def checked_layer(
    root: Path,
    packages: Mapping[str, Mapping[str, bytes]] | None = None,
    *,
    name: str = "framework-checked",
    tag: str = HERE_TAG,
    others: Mapping[str, FileContent] | None = None,
    lower: tuple[CheckedLayer, ...] = (),
    **more: Any,
) -> CheckedLayer:
    """Make a layer whose packages are recorded as they should be.

    Args:
        root: The directory that layers are made in.
        packages: The files of each distribution, relative to site-packages.
        name: The layer's environment name.
        tag: What the wheels of its packages say that they are for.
        others: More files, relative to the environment, that nobody recorded.
        lower: The layers below it.
        more: For `CheckedLayer`, or for the environment.
    """
    platform = more.pop("platform", PLATFORMS["linux_x86_64"])
    site = "Lib/site-packages" if platform.is_windows else SITE
    files: dict[str, FileContent] = dict(others or {})
    distributions = []
    for package, contents in (packages or {}).items():
        info = f"{package.replace('-', '_')}-1.0.dist-info"
        owned = {**contents, f"{info}/WHEEL": f"Wheel-Version: 1.0\nTag: {tag}\n".encode()}
        placed = {f"{site}/{path}": content for path, content in owned.items()}
        files |= placed
        distributions.append(_distribution(package.replace("-", "_"), placed))
    checks = {key: more.pop(key) for key in ("targets", "accepted", "traces") if key in more}
    hidden = more.pop("hidden_libraries", ())
    more.setdefault("kind", LayerKind.FRAMEWORK)
    more |= {"launch": None, "modules": None} if "launch" not in more else {}
    environment = make_layer(
        root / name, files, name=name, platform=platform, distributions=tuple(distributions), **more
    )
    names = tuple(layer.name for layer in lower)
    return CheckedLayer(environment=environment, lower=names, hidden_libraries=hidden, **checks)


def _distribution(name: str, files: Mapping[str, bytes]) -> Distribution:
    return Distribution(
        name=name,
        version="1.0",
        files=tuple(sorted(files)),
        hashes={path: f"sha256={hashlib.sha256(raw).hexdigest()}" for path, raw in files.items()},
        sizes={path: len(raw) for path, raw in files.items()},
    )


def report_on(layer: CheckedLayer, *lower: CheckedLayer) -> Report:
    """Check a layer with those below it."""
    headers = Headers()
    return check_together(look(layer, headers), [look(below, headers) for below in lower])


def found(layer: CheckedLayer, *lower: CheckedLayer) -> list[tuple[str, str, str]]:
    """Return the findings in a layer: severity, kind, sentence."""
    return [
        (finding.severity.name.lower(), finding.kind.value, str(finding))
        for finding in report_on(layer, *lower).findings
    ]


def kinds(report: Report, *severities: Severity) -> list[str]:
    """Return the kinds of findings, all or those of certain severities."""
    return [
        finding.kind.value
        for finding in report.findings
        if not severities or finding.severity in severities
    ]
