"""The names that the authors of Stable Diffusion XL gave the UNet's blocks, and most of its LoRAs use.

Their UNet counts all blocks through, where diffusers' counts resnets, attentions and samplers of each level:
`input_blocks_4_1_…` is `down_blocks_1_attentions_0_…`.
"""

from __future__ import annotations

import re

__all__ = ["in_diffusers_words"]

_BLOCK = re.compile(
    r"(?P<side>input_blocks|output_blocks)_(?P<block>\d+)_(?P<part>\d+)_(?P<rest>.+)"
    r"|middle_block_(?P<middle>\d+)_(?P<inside>.+)"
)
_PARTS = ("resnets", "attentions", "upsamplers")
_MIDDLE = ("resnets_0", "attentions_0", "resnets_1")
_SIDES = {"input_blocks": "down_blocks", "output_blocks": "up_blocks"}
_RESNET = {
    "in_layers_0": "norm1",
    "in_layers_2": "conv1",
    "emb_layers_1": "time_emb_proj",
    "out_layers_0": "norm2",
    "out_layers_3": "conv2",
    "skip_connection": "conv_shortcut",
}
_OUTSIDE = {
    "input_blocks_0_0": "conv_in",
    "time_embed_0": "time_embedding_linear_1",
    "time_embed_2": "time_embedding_linear_2",
    "label_emb_0_0": "add_embedding_linear_1",
    "label_emb_0_2": "add_embedding_linear_2",
    "out_2": "conv_out",
}


def in_diffusers_words(name: str, layers_per_block: int) -> str:
    """A layer's flat name (underscores for dots) as diffusers has it; the same for a name that is not of this
    kind. `layers_per_block` is of the UNet's config.
    """
    if name in _OUTSIDE:
        return _OUTSIDE[name]
    found = _BLOCK.fullmatch(name)
    if found is None:
        return name
    if found["middle"] is not None:
        middle = int(found["middle"])
        if middle >= len(_MIDDLE):
            return name
        return f"mid_block_{_MIDDLE[middle]}_{_RESNET.get(found['inside'], found['inside'])}"
    # The first of the input blocks is the convolution before all levels.
    number = int(found["block"]) - (found["side"] == "input_blocks")
    level, layer = divmod(number, layers_per_block + 1)
    part, rest = int(found["part"]), found["rest"]
    if number < 0 or part >= len(_PARTS):
        return name
    if rest == "op":
        return f"{_SIDES[found['side']]}_{level}_downsamplers_0_conv"
    kind, place = _PARTS[part], layer if part < 2 else 0
    return f"{_SIDES[found['side']]}_{level}_{kind}_{place}_{_RESNET.get(rest, rest)}"
