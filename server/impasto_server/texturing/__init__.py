"""Painting objects from several views: which texel sees which pixel, and what colour it gets. Numpy alone; no
torch, no host program.
"""
