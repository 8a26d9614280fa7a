"""The project as a value: where it is, and the wheel that its build backend made."""

from __future__ import annotations

from pathlib import Path

from venvlayers.values import frozen


@frozen
class ProjectPlace:
    """Where a project is, and where what we know about it is kept.

    Attributes:
        root: The directory of its ``pyproject.toml``.
        name: Its name, normalised.
        store: Our own directory, for its wheel and the record of that; may be missing.
        outputs: Directories whose content is made, and is no source; absolute.
        reads_git: Whether its version may come from what git knows.
    """

    root: Path
    name: str
    store: Path
    outputs: tuple[Path, ...] = ()
    reads_git: bool = False


@frozen
class ProjectWheel:
    """A wheel of the project.

    Two wheels with one `content_hash` install the same files, whatever the times and the
    order in them.

    Attributes:
        path: The file.
        name: The project's name, normalised.
        version: The project's version.
        sha256: Of the file, in hex.
        content_hash: ``sha256:<hex>`` of all that it installs.
        code_hash: The same without what describes it, for what is to stay when a newer
            build backend describes the same code.
        requires: Its ``Requires-Dist``.
        extras: Its ``Provides-Extra``, normalised.
        requires_python: Its ``Requires-Python``; None for any.
    """

    path: Path
    name: str
    version: str
    sha256: str
    content_hash: str
    code_hash: str
    requires: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    requires_python: str | None = None

    @property
    def is_pure(self) -> bool:
        """Whether its name says that it is for any platform and any ABI (PEP 427)."""
        return self.path.name.endswith("-none-any.whl")
