"""A directory for one platform."""
