"""Impasto's generation server: images in, layers out. `docs/architecture.md` is the map."""

__version__ = "0.1.0"
