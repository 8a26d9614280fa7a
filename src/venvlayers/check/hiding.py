"""Modules of two layers that have one name: the nearer layer's is imported, also by the other.

A distribution that both layers have is meant: the lock says which version is used, and
said so when it was made. Packages without an `__init__.py` (PEP 420), or with one that joins
directories, are made of what all layers have, so their parts are compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from venvlayers.build.model import Distribution
from venvlayers.check.inspection import Inspection, package_name
from venvlayers.check.model import Finding, Severity
from venvlayers.check.records import NAMESPACE
from venvlayers.spec.model import FindingKind

_FOR_NOBODY = frozenset({"test", "tests", "doc", "docs", "example", "examples", "benchmarks"})
"""What some packages install by mistake, and nobody imports."""


@dataclass(slots=True)
class _File:
    """Who brought a file, and what is recorded of its content."""

    package: str
    recorded: str


class Provided:
    """The modules that the distributions of one layer bring."""

    def __init__(self, inspection: Inspection) -> None:
        self.inspection = inspection

    @cached_property
    def tops(self) -> Mapping[str, Sequence[tuple[Distribution, str]]]:
        """The files among the packages, and whose they are, by the first part of their paths."""
        place = self.inspection.site_packages
        found: dict[str, list[tuple[Distribution, str]]] = {}
        for distribution in self.inspection.layer.environment.distributions:
            for path in distribution.files:
                if path.startswith(place):
                    top, slash, _ = path[len(place) :].partition("/")
                    if slash or not top.endswith(".pth"):
                        key = top if slash else top.partition(".")[0]
                        found.setdefault(key, []).append((distribution, path))
        ends = (".dist-info", ".data", ".libs")
        return {key: files for key, files in found.items() if not key.endswith(ends)}

    def files(self, top: str) -> Mapping[str, _File]:
        """Return those with the first part *top*, by their paths among the packages."""
        begin = len(self.inspection.site_packages)
        return {
            path[begin:]: _File(package_name(distribution), distribution.hashes.get(path, ""))
            for distribution, path in self.tops[top]
        }

    def is_namespace(self, module: str, files: Mapping[str, _File]) -> bool:
        """Tell whether the directory *module* is a part of a package that others have too."""
        if any(_is_module(name, module) for name in files):
            return False
        inits = [name for name in files if name.startswith(f"{module}/__init__.")]
        if not inits:
            return any(name.startswith(f"{module}/") for name in files)
        root = self.inspection.layer.environment.path
        content = (root / f"{self.inspection.site_packages}{inits[0]}").read_bytes()
        return any(words in content for words in NAMESPACE)


def _is_module(name: str, module: str) -> bool:
    """Tell whether the file *name* is the module itself, not something in it."""
    return name.startswith(f"{module}.") and name.endswith((".py", ".so", ".pyd"))


def check_hiding(upper: Provided, lower: Provided) -> Iterator[Finding]:
    """Yield the modules of *upper* and *lower* of which only one can be imported.

    Args:
        upper: What comes first on the path.
        lower: What comes later.
    """
    for name in sorted(upper.tops.keys() & lower.tops.keys()):
        yield from _compare(upper, lower, name, upper.files(name), lower.files(name))


def _compare(
    upper: Provided,
    lower: Provided,
    module: str,
    above: Mapping[str, _File],
    below: Mapping[str, _File],
) -> Iterator[Finding]:
    parts = upper.is_namespace(module, above), lower.is_namespace(module, below)
    if all(parts):
        inside = [_children(module, files) for files in (above, below)]
        for name in sorted(inside[0].keys() & inside[1].keys()):
            yield from _compare(upper, lower, name, inside[0][name], inside[1][name])
        return
    first, second = (below, above) if parts[0] else (above, below)
    theirs = {name: file for name, file in second.items() if _is_code(name)}
    same = all(name in first and first[name].recorded == theirs[name].recorded for name in theirs)
    owners = {file.package for file in first.values()}, {file.package for file in second.values()}
    if theirs and not same and owners[0].isdisjoint(owners[1]):
        layers = (lower, upper) if parts[0] else (upper, lower)
        yield _finding(upper, layers, module, owners, first)


def _children(module: str, files: Mapping[str, _File]) -> dict[str, dict[str, _File]]:
    found: dict[str, dict[str, _File]] = {}
    for name, file in files.items():
        if name.startswith(f"{module}/") and not name.startswith(f"{module}/__init__."):
            child, slash, _ = name[len(module) + 1 :].partition("/")
            key = child if slash else child.partition(".")[0]
            found.setdefault(f"{module}/{key}", {})[name] = file
    return found


def _is_code(name: str) -> bool:
    return name.endswith((".py", ".so", ".pyd"))


def _finding(
    told: Provided,
    layers: tuple[Provided, Provided],
    module: str,
    owners: tuple[set[str], set[str]],
    files: Mapping[str, _File],
) -> Finding:
    top = module.partition("/")[0]
    hiding, hidden = (layer.inspection.layer.name for layer in layers)
    others = " and ".join(sorted(owners[1]))
    place = layers[0].inspection.site_packages
    return Finding(
        kind=FindingKind.HIDDEN_MODULE,
        severity=Severity.NOTE if top in _FOR_NOBODY else Severity.WARNING,
        layer=told.inspection.layer.name,
        package=" and ".join(sorted(owners[0])),
        files=(f"{place}{min(name for name in files if _is_code(name))}",),
        about=(module.replace("/", "."),),
        what=f"is of {{}} in {hiding}, and hides that of {others} in {hidden}",
        remedy="leave out one of the packages, or put both into one layer",
    )
