"""What a plugin decides, without its host: from what the artist asks for to jobs, takes, history and layers.

`Studio` is the whole: commands in, `View` out. A host gives it a `Host`. Standard library only, Python 3.8.
"""
