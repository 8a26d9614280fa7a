"""An application's own modules: which files they are, their digest, and copying them.

Hashing and copying look at the same list, so what is hashed is what ships. It has
neither bytecode nor, in a git checkout, what git ignores.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import field
from pathlib import Path

from venvlayers.errors import BuildError
from venvlayers.files import os_reason, sha256_file, sha256_json
from venvlayers.ignore import IgnoreRules, rules_above
from venvlayers.spec.model import LayerSpec, SourceModule
from venvlayers.values import frozen


def module_files(module: SourceModule) -> Iterator[tuple[str, Path]]:
    """Yield the files of a module with their places relative to site-packages, sorted.

    Links are followed; the specification was checked for those that leave the project.
    """
    if module.path.is_dir():
        yield from _files_below(module.path, module.path.name, (), rules_above(module.path))
    else:
        yield module.path.name, module.path


def _files_below(
    directory: Path, place: str, above: tuple[Path, ...], rules: IgnoreRules
) -> Iterator[tuple[str, Path]]:
    real = directory.resolve()
    if real in above:
        raise BuildError(f"{directory} is a link to a directory that it is in")
    rules = rules.inside(directory)
    for path in sorted(directory.iterdir(), key=lambda path: path.name):
        is_dir = path.is_dir()
        if rules.leaves_out(path, is_dir=is_dir):
            continue
        if is_dir:
            yield from _files_below(path, f"{place}/{path.name}", (*above, real), rules)
        elif path.is_file():
            yield f"{place}/{path.name}", path


def module_hash(module: SourceModule) -> str:
    """Return ``sha256:<hex>`` over the names, contents and exec bits of a module's files.

    Raises:
        BuildError: A file cannot be read.
    """
    try:
        listed = [
            [place, sha256_file(path), os.access(path, os.X_OK)]
            for place, path in module_files(module)
        ]
    except OSError as error:
        raise BuildError(f"the module {module.path} cannot be read: {os_reason(error)}") from error
    return sha256_json(listed)


@frozen
class AppModules:
    """The digests of an application's modules.

    Attributes:
        launch: Of its launch module; None if it has none.
        support: Of its support modules, by the names that they are imported by.
    """

    launch: str | None = None
    support: Mapping[str, str] = field(default_factory=dict)

    def of(self, module: SourceModule, layer: LayerSpec) -> str:
        """Return the digest of one of the modules of *layer*, which these digests are of."""
        launched = self.launch if module is layer.launch_module else None
        return launched or self.support[module.name]

    @property
    def all(self) -> str:
        """One digest of all of them."""
        if self.launch and not self.support:
            return self.launch
        return sha256_json([self.launch, self.support])


def app_modules(layer: LayerSpec) -> AppModules | None:
    """Return the digests of a layer's modules; None if it has none.

    Raises:
        BuildError: A file cannot be read.
    """
    if not layer.modules:
        return None
    support = {module.name: module_hash(module) for module in layer.support_modules}
    launch = module_hash(layer.launch_module) if layer.launch_module else None
    return AppModules(launch=launch, support=support)


def copy_module(module: SourceModule, site_packages: Path) -> str:
    """Copy a module into *site_packages*; links are replaced by what they point to.

    Returns:
        What `module_hash` returns, of the copy: the module may be edited meanwhile.
    """
    from shutil import copyfile  # noqa: PLC0415 - not where nothing is built

    listed = []
    for place, path in module_files(module):
        target = site_packages / place
        target.parent.mkdir(parents=True, exist_ok=True)
        copyfile(path, target)
        executable = os.access(path, os.X_OK)
        target.chmod(0o755 if executable else 0o644)
        listed.append([place, sha256_file(target), executable])
    return sha256_json(listed)
