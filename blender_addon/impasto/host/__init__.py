"""What only Blender can do, for the studios."""
