"""The words both sides speak: messages, codec, rasters, tiles, shared memory, errors. Python 3.8 and up."""
