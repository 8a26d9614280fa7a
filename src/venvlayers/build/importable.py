"""What an environment's Python would find as a module, told from files: nothing is run.

Packages that change their own path, and modules that make names while they run, cannot be
told from files; then nothing is said to be missing.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_EXTENSIONS = (".so", ".pyd", ".pyc")
_NO_PATHS = ("#", "import ", "import\t")
_UNTOLD = ("__path__", "extend_path", "declare_namespace")
_MAKES_NAMES = frozenset({"exec", "globals", "vars", "locals", "setattr", "__getattr__", "modules"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """A module that is there.

    Attributes:
        source: Its source; None if it has none, or that is not known.
        portions: The directories of its submodules; empty if it is no package.
        is_known: Whether what is told of it is all there is.
    """

    source: Path | None
    portions: tuple[Path, ...] = ()
    is_known: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class NotFound:
    """A module that is not there.

    Attributes:
        name: The part of its name that is missing, with what is before it.
        beside: The modules that are there in its stead.
    """

    name: str
    beside: tuple[str, ...]


def search_path(site_directories: Iterable[Path]) -> tuple[Path, ...]:
    """Return these directories with those that their `.pth` files add, each after its own."""
    found: list[Path] = []
    for directory in site_directories:
        found.append(directory)
        for file in sorted(directory.glob("*.pth")):
            lines = file.read_text("utf-8", errors="replace").splitlines()
            added = [line.strip() for line in lines if not line.startswith(_NO_PATHS)]
            found += [directory / line for line in added if line]
    return tuple(dict.fromkeys(path for path in found if path.is_dir()))


def find_module(name: str, path: Sequence[Path]) -> Module | NotFound:
    """Return the module *name* that is found on *path*, as PEP 302 and PEP 420 have it."""
    module = Module(source=None, portions=tuple(path))
    parts = name.split(".")
    for number, part in enumerate(parts, start=1):
        found = _submodule(part, module.portions)
        if found is None and not module.is_known:
            return module
        if found is None:
            beside = tuple(sorted(set(_names(module.portions))))
            return NotFound(name=".".join(parts[:number]), beside=beside)
        module = found
    return module


def _submodule(name: str, portions: Iterable[Path]) -> Module | None:
    namespace = []
    for portion in portions:
        package = portion / name
        if (package / "__init__.py").is_file():
            return _package(package)
        if (portion / f"{name}.py").is_file():
            return Module(source=portion / f"{name}.py")
        if any(file.name.endswith(_EXTENSIONS) for file in portion.glob(f"{name}.*")):
            return Module(source=None)
        if package.is_dir():
            namespace.append(package)
    return Module(source=None, portions=tuple(namespace)) if namespace else None


def _package(directory: Path) -> Module:
    source = directory / "__init__.py"
    text = source.read_text("utf-8", errors="replace")
    is_known = not any(word in text for word in _UNTOLD)
    return Module(source=source, portions=(directory,), is_known=is_known)


def _names(portions: Iterable[Path]) -> Iterator[str]:
    for portion in portions:
        for path in portion.iterdir():
            name = path.name.partition(".")[0]
            if name.isidentifier() and (path.is_dir() or path.suffix in (".py", *_EXTENSIONS)):
                yield name


def names_bound(source: Path) -> frozenset[str] | None:
    """Return the names that a module binds at its top level; None if that cannot be told."""
    try:
        tree = ast.parse(source.read_bytes())
    except (SyntaxError, ValueError):  # of another Python
        return None
    bound: set[str] = set()
    for node in _outside_functions(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            bound.add(node.name)
        elif isinstance(node, ast.alias):
            bound.add(node.asname or node.name.partition(".")[0])
        elif isinstance(node, ast.Name) and (
            isinstance(node.ctx, ast.Store) or node.id in _MAKES_NAMES
        ):
            bound.add(node.id)
        elif isinstance(node, ast.Attribute) and node.attr in _MAKES_NAMES:
            bound.add(node.attr)
    return None if bound & {"*", *_MAKES_NAMES} else frozenset(bound)


def _outside_functions(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            yield from _outside_functions(node)
