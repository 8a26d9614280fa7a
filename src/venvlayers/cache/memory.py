"""Short texts that were found out once, each under a digest of all that it follows from.

Only a memory: it may be deleted at any time, and then everything is found out again. What
was cut, damaged or renamed does not count. What the texts say is not known here; frames,
which are large and go into what is shipped, are `store.py`'s.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

from venvlayers.cache.place import make_private
from venvlayers.files import remove_tree, write_text
from venvlayers.values import frozen


@frozen
class Memory:
    """A directory with a file for each text.

    Attributes:
        directory: Where; made when there is something to remember. None remembers nothing.
        most: So many texts are remembered; who has more than that forgets them all.
        longest: A text with more characters than that is not.
    """

    directory: Path | None
    most: int
    longest: int

    def recall(self, key: str) -> str | None:
        """Return the text under *key*, or None.

        Args:
            key: Lower-case hexadecimal digits of a digest.
        """
        if self.directory is None:
            return None
        try:
            seal, _, text = (self.directory / key).read_text("utf-8").partition("\n")
        except (OSError, ValueError):
            return None
        return text if seal == _seal(key, text) else None

    def remember(self, key: str, text: str) -> None:
        """Keep *text* under *key*, if it can be kept."""
        directory = self.directory
        if directory is None or len(text) > self.longest:
            return
        with contextlib.suppress(OSError, ValueError):  # then it is found out again
            make_private(directory)
            if len(os.listdir(directory)) >= self.most:  # noqa: PTH208 - only the number
                remove_tree(directory)
                make_private(directory)
            write_text(directory / key, f"{_seal(key, text)}\n{text}", mode=0o600)


def _seal(key: str, text: str) -> str:
    """Return what a file that was cut, damaged or renamed does not begin with."""
    return hashlib.sha256(f"{key}\n{text}".encode()).hexdigest()
