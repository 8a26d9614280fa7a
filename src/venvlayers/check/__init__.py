"""What can be known of an environment by looking at it: nothing of it runs."""
