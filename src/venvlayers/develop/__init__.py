"""Environments for working on layers: they use what is built, and the sources as they are."""
