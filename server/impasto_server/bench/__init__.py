"""What `impasto bench` measures, and the rivals it measures against. Each bench has `measure` and `table`."""
