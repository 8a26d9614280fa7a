"""The shells that Hatch sees; they have no logic of their own."""
