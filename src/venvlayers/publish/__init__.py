"""Archives and manifests."""
