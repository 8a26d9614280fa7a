"""Lets the command run as ``python -m venvlayers``."""

from venvlayers.cli import main

main()
