"""Texturing objects, without the 3D program: commands in, a frozen `TextureState` out, and a `TextureHost`
that does what only the program can do. Beside `Studio`, with a session of its own.
"""
