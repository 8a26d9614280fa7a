"""Whole stacks, taken from a specification to running applications, and round again.

A `Journey` publishes a project, unpacks it beside nothing else, and runs its
applications. Each time round it checks what holds for every stack: what is
deployed is what is locked, and what was not to be touched is the same file.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.deployments import Deployment, layers
from support.interpreters import VERSION
from support.projects import Project
from support.stacks import Messages, run, spec_and_layout
from venvlayers.build.chain import LAYER_CONFIG
from venvlayers.deploy.unpack import unpack
from venvlayers.lock.lock import load_lock
from venvlayers.lock.model import LayerLock
from venvlayers.lock.state import lock_states
from venvlayers.platforms import host_platform
from venvlayers.workflow import Outcome

SITE_PACKAGES = f"lib/python{VERSION.series}/site-packages"
"""Where packages are in every layer here."""

NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Leg:
    """What going round once did, as sets of environment names.

    Attributes:
        outcome: What the run returned.
        messages: What it said.
        locked: The layers that were locked anew.
        built: Those whose environment was made anew.
        packed: Those whose archive was made anew.
        identities: What identifies the lock of each layer: its set, its version, its time.
    """

    outcome: Outcome
    messages: Messages
    locked: frozenset[str]
    built: frozenset[str]
    packed: frozenset[str]
    identities: Mapping[str, tuple[str, int, str]]

    @property
    def did(self) -> dict[str, frozenset[str]]:
        """What was done to which layers."""
        return {"locked": self.locked, "built": self.built, "packed": self.packed}


@dataclass(slots=True)
class Journey:
    """A project that goes round.

    Attributes:
        project: The project.
        place: A directory for the deployment and the clone.
        legs: What was done so far.
    """

    project: Project
    place: Path
    legs: list[Leg] = field(default_factory=list)

    def go(self, keeping: Iterable[str] = ()) -> Leg:
        """Lock what is outdated, build, publish, unpack, and check what always holds.

        Args:
            keeping: The layers whose locked set, and its time, have to stay as they are.
        """
        before = self._archives()
        messages = Messages()
        outcome = run(self.project, messages=messages)
        leg = Leg(
            outcome=outcome,
            messages=messages,
            locked=frozenset(messages.steps("locking")),
            built=frozenset(messages.steps("building")),
            packed=frozenset(layer.env_name for layer in outcome.published if not layer.reused),
            identities={name: identity(lock) for name, lock in self.locks().items()},
        )
        for name in keeping:
            assert leg.identities[name] == self.legs[-1].identities[name], name
        self.legs.append(leg)
        self._check_untouched(before, leg)
        self._deploy(leg)
        self._check_deployed()
        return leg

    @property
    def deployment(self) -> Deployment:
        """The layers, unpacked side by side."""
        return Deployment(self.place / "deployment with spaces")

    def expect_done(self) -> None:
        """Check that going round again has nothing to do."""
        messages = Messages()
        assert run(self.project, messages=messages).plan.is_done
        assert messages.steps("locking") == messages.steps("building") == []

    def published(self, layer: str) -> dict[str, Any]:
        """Return what is said of a published layer."""
        return layers(self.project.dist)[layer]

    def deployed(self, layer: str) -> Path:
        """Return the directory of a deployed layer."""
        return self.deployment.root / str(self.published(layer)["install_target"])

    def config(self, layer: str) -> dict[str, Any]:
        """Return what a deployed layer says of itself."""
        text = (self.deployed(layer) / LAYER_CONFIG).read_text("utf-8")
        config: dict[str, Any] = json.loads(text)
        return config

    def packages(self, layer: str) -> dict[str, str]:
        """Return the packages of a deployed layer, with their versions, as they lie on the disk."""
        return installed(self.deployed(layer))

    def shipped(self, layer: str) -> set[str]:
        """Return the names of what is in a deployed layer's site-packages."""
        root = self.deployed(layer) / SITE_PACKAGES
        return {path.relative_to(root).as_posix() for path in root.rglob("*")}

    def says(self, layer: str, *arguments: str) -> str:
        """Run a deployed application and return what it prints; it must not fail."""
        module = str(self.published(layer)["app_launch_module"])
        target = self.deployed(layer).name
        result = self.deployment.python(target, "-W", "error", "-m", module, *arguments)
        assert (result.returncode, result.stderr) == (0, "")
        return result.stdout

    def locks(self) -> dict[str, LayerLock]:
        """Return every lock, all of which are valid."""
        spec, layout = spec_and_layout(self.project)
        found: dict[str, LayerLock] = {}
        for name, state in lock_states(spec, layout).items():
            assert state.saved
            assert state.outdated is None
            lower = spec.layer(name).lower
            found[name] = load_lock(state.saved, name, found[lower[-1]].python if lower else None)
        return found

    def expect_same_from_scratch(self, changes: Sequence[str] = ()) -> None:
        """Publish a clone that has nothing but sources and locks: it gives the same archives.

        Whatever was left over from earlier rounds would make a difference.

        Args:
            changes: What was done before, for the failure's message.
        """
        clone = Project(self.place / "clone of the project")
        ignored = shutil.ignore_patterns("_build", "dist")
        shutil.copytree(self.project.root, clone.root, symlinks=True, ignore=ignored)
        run(clone, locked=True)
        assert layers(clone.dist) == layers(self.project.dist), "; ".join(changes)

    def _archives(self) -> dict[str, tuple[str, int, int]]:
        if not self.project.dist.is_dir():
            return {}
        found = {}
        for name, described in layers(self.project.dist).items():
            archive = self.project.dist / str(described["archive_name"])
            found[name] = (archive.name, archive.stat().st_ino, archive.stat().st_mtime_ns)
        return found

    def _check_untouched(self, before: Mapping[str, tuple[str, int, int]], leg: Leg) -> None:
        after = self._archives()
        same = {name for name in after if after[name] == before.get(name)}
        assert same == set(after) - leg.packed
        there = {path.name for path in self.project.dist.iterdir() if path.is_file()}
        archives = {name for name, _inode, _time in after.values()}
        assert {name for name in there if not name.startswith("SHA256SUMS")} == archives

    def _deploy(self, leg: Leg) -> None:
        """Unpack the new archives in the place of the old, and remove layers that are gone."""
        listed = layers(self.project.dist)
        for name in leg.packed:
            archive = self.project.dist / str(listed[name]["archive_name"])
            digest = str(listed[name]["archive_hashes"]["sha256"])
            unpack(archive, self.deployment.root, expected_sha256=digest, replace=True)
        wanted = {str(described["install_target"]) for described in listed.values()}
        for directory in self.deployment.root.iterdir():
            if directory.name not in wanted:
                shutil.rmtree(directory)
        assert {directory.name for directory in self.deployment.root.iterdir()} == wanted

    def _check_deployed(self) -> None:
        listed = layers(self.project.dist).values()
        needed = {
            str(name)
            for layer in listed
            for name in (*layer.get("required_layers", ()), layer["runtime_layer"])
        }
        assert needed <= {str(layer["install_target"]) for layer in listed}
        for name, lock in self.locks().items():
            if name in layers(self.project.dist):
                wanted = {str(p.name): str(p.version) for p in lock.packages_for(host_platform())}
                assert self.packages(name) == wanted, name


def installed(environment: Path) -> dict[str, str]:
    """Return the packages of an environment, by name, with their versions."""
    found = (environment / SITE_PACKAGES).glob("*.dist-info")
    pairs = (directory.name.removesuffix(".dist-info").split("-") for directory in found)
    return {name.replace("_", "-"): version for name, version in pairs}


def identity(lock: LayerLock) -> tuple[str, int, str]:
    """Return what identifies a lock."""
    return lock.requirements_hash, lock.lock_version, lock.locked_at.isoformat()


def change(project: Project, edit: Callable[[dict[str, Any]], None]) -> None:
    """Change the ``[tool]`` table of a project's ``pyproject.toml``."""
    tool = project.read_pyproject()["tool"]
    edit(tool)
    project.write_pyproject(tool)


def layer_table(tool: dict[str, Any], env_name: str) -> dict[str, Any]:
    """Return the table that declares a layer.

    Raises:
        KeyError: There is none.
    """
    stack = tool["venvstacks"]
    for kind, prefix in (("runtimes", ""), ("frameworks", "framework-"), ("applications", "app-")):
        for table in stack.get(kind, ()):
            if f"{prefix}{table['name']}" == env_name:
                found: dict[str, Any] = table
                return found
    raise KeyError(env_name)


def in_layer(env_name: str, **keys: Any) -> Callable[[dict[str, Any]], None]:
    """Return a change of the table that declares a layer."""

    def edit(tool: dict[str, Any]) -> None:
        layer_table(tool, env_name).update(keys)

    return edit
