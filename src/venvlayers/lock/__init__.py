"""What exactly goes into each layer."""
