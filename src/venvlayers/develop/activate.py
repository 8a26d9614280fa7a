"""The script that an interactive shell reads to use an environment for development.

A shell that inherits the environment's variables is not enough: what people start in their
``.bashrc`` (pyenv, nvm, a PATH of their own) runs after that and comes before it. So the
script is read when those are through, as with a virtual environment.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from venvlayers.files import write_text

NAME = "activate"
"""What it is called, beside the environment's programs."""

_SCRIPT = """\
# To be read by bash or zsh: `source activate`. `deactivate` takes it back.
# Written by hatch-venvstacks.
deactivate() {{
    PATH=$_VENVSTACKS_PATH
    PS1=$_VENVSTACKS_PS1
    unset VIRTUAL_ENV VIRTUAL_ENV_PROMPT _VENVSTACKS_PATH _VENVSTACKS_PS1
    unset -f deactivate
    hash -r 2>/dev/null
}}
_VENVSTACKS_PATH=$PATH
_VENVSTACKS_PS1=${{PS1-}}
unset PYTHONHOME
export VIRTUAL_ENV={place}
export VIRTUAL_ENV_PROMPT={prompt}
export PATH="$VIRTUAL_ENV/bin:$PATH"
PS1="($VIRTUAL_ENV_PROMPT) ${{PS1-}}"
hash -r 2>/dev/null
"""


def write_activation(bin_dir: Path, place: Path) -> None:
    """Write the script into *bin_dir*, for the environment that is going to be at *place*."""
    words = {"place": shlex.quote(str(place)), "prompt": shlex.quote(place.name)}
    write_text(bin_dir / NAME, _SCRIPT.format(**words))
