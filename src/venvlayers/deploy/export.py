"""Local export: environments copied to where they could run, without packing.

An export has exactly the files that an archive would have. They are copies, so
an edit in an export reaches neither the build nor uv's cache, and a later build
does not change an export (X9).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from venvlayers.build.model import LayerEnvironment
from venvlayers.errors import PublishError
from venvlayers.files import private_directory, replace_directory
from venvlayers.publish.contents import LayerContents, plan_contents
from venvlayers.report import Kind, Reporter


def export(environments: Sequence[LayerEnvironment], output_dir: Path, reporter: Reporter) -> None:
    """Copy *environments* into *output_dir*, each whole or not at all.

    Raises:
        PublishError: They cannot be written.
    """
