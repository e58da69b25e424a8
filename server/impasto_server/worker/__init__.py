"""A process that owns one device and the loaded models."""
