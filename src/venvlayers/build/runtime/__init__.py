"""The bottom layer: a Python that can be moved anywhere."""
