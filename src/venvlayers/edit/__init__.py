"""Changing specification files without disturbing what is in them."""
