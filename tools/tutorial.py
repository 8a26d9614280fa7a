"""Does what docs/tutorial.md says, as a reader would: pastes its blocks into one shell.

The only thing changed is the Python that the tutorial names, because a machine that
cannot fetch one has the one that runs this, and perhaps no other.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TUTORIAL = ROOT / "docs" / "tutorial.md"
EXPECTED = ("Hello from Python", "1.2 million times", "3rd", "That was all.")


def script(text: str) -> str:
    """Return the tutorial's blocks as one script that stops at the first failure."""
    blocks = re.findall(r"^```bash\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    ours = f"cpython@{sys.version_info.major}.{sys.version_info.minor}"
    pasted = re.sub(r"cpython@[\d.]+", ours, "\n".join(blocks))
    return f"set -eux\n{pasted}"


def main() -> int:
    """Run the tutorial in a new directory, and look for what its applications print."""
    with tempfile.TemporaryDirectory(prefix="tutorial-") as directory:
        completed = subprocess.run(
            ["bash", "-c", script(TUTORIAL.read_text("utf-8"))],
            cwd=directory,
            env=os.environ | {"HATCH_VENVSTACKS": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            check=False,
        )
    print(completed.stdout)
    missing = [text for text in EXPECTED if text not in completed.stdout]
    if missing:
        print(f"the tutorial did not print {missing}")
    return completed.returncode or bool(missing)


if __name__ == "__main__":
    sys.exit(main())
