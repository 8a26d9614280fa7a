"""The user's cache: where it is, the store of compressed frames in it, and looking after both."""
