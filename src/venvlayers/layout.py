"""Where a stack's files are: every path that stages and users share, in one place.

A `Layout` only computes paths. What is in the files is known by the stage that
writes them.
"""

from __future__ import annotations

from pathlib import Path

from venvlayers.platforms import Platform
from venvlayers.spec.model import StackSpec
from venvlayers.values import frozen

STAGING_PREFIX = ".venvstacks-"
"""What the names of directories begin with in which results wait for their place beside them."""


@frozen
class Layout:
    """The directories of one stack.

    Attributes:
        lock_dir: Holds a directory of lock files for each layer; to be committed.
        build_dir: Holds environments and what we remember about them; disposable.
    """

    lock_dir: Path
    build_dir: Path

    @classmethod
    def beside(cls, root: Path) -> Layout:
        """Return the usual layout of a project at *root*."""
        return cls(lock_dir=root / "requirements", build_dir=root / "_build")

    @classmethod
    def of(cls, spec: StackSpec) -> Layout:
        """Return the layout of a stack: the usual one, unless it says otherwise."""
        usual, options = cls.beside(spec.root), spec.options
        return cls(
            lock_dir=options.lock_dir or usual.lock_dir,
            build_dir=options.build_dir or usual.build_dir,
        )

    @property
    def work_dir(self) -> Path:
        """Private files of running builds; what a killed one left is removed by the next."""
        return self.build_dir / ".work"

    @property
    def guard(self) -> Path:
        """The file whose lock lets one build at a time change this stack."""
        return self.build_dir / ".lock"

    @property
    def project_store(self) -> Path:
        """What we keep of the project whose file declares the stack: its wheel."""
        return self.build_dir / ".project"

    def environments(self, platform: Platform) -> Path:
        """Return the directory in which environments are siblings, as they are when deployed."""
        return self.build_dir / platform.name

    def environment(self, deployed_name: str, platform: Platform) -> Path:
        """Return the directory of a layer's environment."""
        return self.environments(platform) / deployed_name

    def environment_record(self, env_name: str, platform: Platform) -> Path:
        """Return the file that tells what an environment was made of."""
        return self._records(platform) / f"{env_name}.last-build.json"

    def check_report(self, env_name: str, platform: Platform) -> Path:
        """Return the file that tells what checking an environment found."""
        return self._records(platform) / f"{env_name}.check.json"

    def published_record(self, platform: Platform, *, tagged: bool) -> Path:
        """Return the file that tells what was published last, under names with or without tag.

        One each, as Hatch and the command, each with its usual names, may take turns.
        """
        return self._records(platform) / ("published-tagged.json" if tagged else "published.json")

    def exported_record(self, platform: Platform) -> Path:
        """Return the file that tells what was exported last."""
        return self._records(platform) / "exported.json"

    def _records(self, platform: Platform) -> Path:
        # Apart from environments, which may have any name that does not begin with a dot.
        return self.build_dir / ".records" / platform.name

    def pylock(self, env_name: str) -> Path:
        """Return a layer's lock file (PEP 751 allows no further dots in its name)."""
        return self._beside_lock(env_name, f"pylock.{env_name.replace('.', '_')}.toml")

    def lock_record(self, env_name: str) -> Path:
        """Return the file with the recorded inputs of a layer's lock."""
        return self.pylock(env_name).with_suffix(".meta.json")

    def declared(self, env_name: str) -> Path:
        """Return the file that repeats a layer's declared requirements."""
        return self._beside_lock(env_name, f"requirements-{env_name}.in")

    def summary(self, env_name: str) -> Path:
        """Return the file that lists a layer's packages for people."""
        return self._beside_lock(env_name, f"packages-{env_name}.txt")

    def _beside_lock(self, env_name: str, file_name: str) -> Path:
        return self.lock_dir / env_name / file_name
