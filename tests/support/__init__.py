"""What several tests need: things made at test time, and ways to run the real programs."""
