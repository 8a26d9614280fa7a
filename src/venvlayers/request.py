"""What a shell asks of the engine: one value, with a default for whatever it does not say."""

from __future__ import annotations

from dataclasses import field
from enum import Enum
from pathlib import Path

from venvlayers.lock.model import Upgrade
from venvlayers.plan import OUTPUT_ACTIONS, Goal
from venvlayers.selection import Choice, Extent, Operations
from venvlayers.values import frozen


class LockPolicy(Enum):
    """What becomes of locks."""

    NEVER = Extent.NO
    """They are used as they are; an outdated one is an error."""
    IF_NEEDED = Extent.IF_NEEDED
    """Those that are missing or outdated are made."""
    ALWAYS = Extent.YES
    """All are made anew, with the versions that they had where those still fit."""


@frozen
class Request:
    """What a shell was asked for. Relative paths start from the specification's directory.

    Attributes:
        project: The specification, or a directory that has one.
        goal: How far to go.
        choice: Which layers it is about.
        lock: What becomes of locks.
        locked: Whether to fail rather than change a lock; one that is up to date is kept.
        upgrade: Which locked versions are not kept; `Choice.reset_lock` adds to it.
        local_wheels: Directories of wheels to lock from too.
        use_index: Whether indexes are asked when locking.
        build: Whether environments may be made; else those that are there have to do.
        clean: Whether to remove the environments first.
        force: Whether to pack, or export, what is up to date too.
        platforms: Names of the platforms to make layers for; ``all`` stands for all of the
            layers', ``host`` for this machine's. If there are none, ``VENVSTACKS_PLATFORMS``
            says, unless it is an export. Locks are for all platforms in any case.
        platforms_by_default: What it is if neither says; this machine's if empty.
        build_dir: Where environments are; None for what the stack says, or ``_build``.
        output_dir: Where archives or exports go; None for ``_artifacts`` or ``_export``.
        tag_outputs: Whether names of outputs have the platform in them; None for what the
            stack says.
        tags_by_default: What it is if the stack says nothing either.
        archive_format: How archives are packed, by name; None for what the stack says.
        compression_level: How hard; None for what the stack says, or the format's default.
        best: Whether it is as hard as the format can; None for what ``VENVSTACKS_BEST`` says,
            or the stack. With a level too, a request is refused.
    """

    project: Path
    goal: Goal
    choice: Choice = field(default_factory=Choice)
    lock: LockPolicy = LockPolicy.IF_NEEDED
    locked: bool = False
    upgrade: Upgrade = field(default_factory=Upgrade)
    local_wheels: tuple[Path, ...] = ()
    use_index: bool = True
    build: bool = True
    clean: bool = False
    force: bool = False
    platforms: tuple[str, ...] = ()
    platforms_by_default: tuple[str, ...] = ()
    build_dir: Path | None = None
    output_dir: Path | None = None
    tag_outputs: bool | None = None
    tags_by_default: bool = False
    archive_format: str | None = None
    compression_level: int | None = None
    best: bool | None = None

    def wish(self, *, locked: bool) -> Operations:
        """Return what is to be done with the layers that it is about.

        Args:
            locked: Whether locks must not change: then they are only looked at.
        """
        lock = self.lock.value
        builds = self.goal >= Goal.BUILD and self.build
        anew = {False: Extent.IF_NEEDED, True: Extent.YES}
        return Operations(
            lock=min(lock, Extent.IF_NEEDED) if locked else lock,
            build=anew[self.clean] if builds else Extent.NO,
            publish=(anew[self.force or self.clean] if self.goal in OUTPUT_ACTIONS else Extent.NO),
            clean=self.clean,
        )
