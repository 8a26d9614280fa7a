"""Files that travel inside a layer: standard library only, any Python 3.8 or newer."""
