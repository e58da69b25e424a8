"""Pocket: the recipe of the embedded model. `python -m tools.pocket --help` lists the commands.

The modules run one way: words ← scenes ← render, photographs ← data ← autoencoder, text_encoder, unet ←
train, evaluate. Nothing here is imported by the server; the server ships only the weights that this recipe
writes.
"""
