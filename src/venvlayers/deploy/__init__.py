"""Layers in the place where they run."""
