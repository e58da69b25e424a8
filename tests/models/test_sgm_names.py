"""LoRAs for Stable Diffusion XL name blocks as its authors do: each of their layers is one of diffusers'."""

from __future__ import annotations

import pytest
import torch
from impasto_server.models.sgm_names import in_diffusers_words

# The UNet of SDXL, as its published config says it.
SDXL = {
    "sample_size": 128,
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "cross_attention_dim": 2048,
    "transformer_layers_per_block": (1, 2, 10),
    "attention_head_dim": (5, 10, 20),
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}


@pytest.fixture(scope="module")
def layers() -> dict[str, tuple[int, ...]]:
    """Flat name → shape, of a UNet without memory for its weights."""
    import diffusers

    with torch.device("meta"):
        unet = diffusers.UNet2DConditionModel(**SDXL)
    return {
        name.removesuffix(".weight").replace(".", "_"): tuple(value.shape)
        for name, value in unet.named_parameters()
        if name.endswith(".weight")
    }


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("input_blocks_0_0", "conv_in"),
        ("input_blocks_1_0_in_layers_2", "down_blocks_0_resnets_0_conv1"),
        ("input_blocks_3_0_op", "down_blocks_0_downsamplers_0_conv"),
        ("input_blocks_4_1_proj_in", "down_blocks_1_attentions_0_proj_in"),
        ("input_blocks_4_0_skip_connection", "down_blocks_1_resnets_0_conv_shortcut"),
        (
            "input_blocks_8_1_transformer_blocks_9_attn2_to_k",
            "down_blocks_2_attentions_1_transformer_blocks_9_attn2_to_k",
        ),
        (
            "middle_block_1_transformer_blocks_0_ff_net_0_proj",
            "mid_block_attentions_0_transformer_blocks_0_ff_net_0_proj",
        ),
        ("middle_block_2_emb_layers_1", "mid_block_resnets_1_time_emb_proj"),
        (
            "output_blocks_5_1_transformer_blocks_1_attn1_to_out_0",
            "up_blocks_1_attentions_2_transformer_blocks_1_attn1_to_out_0",
        ),
        ("output_blocks_2_2_conv", "up_blocks_0_upsamplers_0_conv"),
        ("output_blocks_8_0_out_layers_3", "up_blocks_2_resnets_2_conv2"),
        ("label_emb_0_2", "add_embedding_linear_2"),
        ("out_2", "conv_out"),
    ],
)
def test_a_layer_of_theirs_is_one_of_ours(theirs: str, ours: str, layers: dict[str, tuple[int, ...]]) -> None:
    assert in_diffusers_words(theirs, 2) == ours
    assert ours in layers


def test_every_attention_has_a_name_of_theirs_and_keeps_its_own(layers: dict[str, tuple[int, ...]]) -> None:
    """What diffusers itself makes of their names when it loads a file is what the file was compared by."""
    from types import SimpleNamespace

    from diffusers.loaders.lora_conversion_utils import _maybe_map_sgm_blocks_to_diffusers

    blocks = [
        *(f"input_blocks_{number}_1" for number in (4, 5, 7, 8)),
        "middle_block_1",
        *(f"output_blocks_{number}_1" for number in range(6)),
    ]
    attentions = {name for name in layers if "_attentions_" in name and name.endswith("_attn1_to_q")}
    theirs = [f"{block}_transformer_blocks_{depth}_attn1_to_q" for block in blocks for depth in range(10)]
    ours = [in_diffusers_words(name, 2) for name in theirs]
    assert attentions == {name for name in ours if name in layers}
    keys = {f"lora_unet_{name}.lora_down.weight": index for index, name in enumerate(theirs)}
    mapped = _maybe_map_sgm_blocks_to_diffusers(keys, SimpleNamespace(layers_per_block=2))
    levels = {"input_blocks": "down_blocks", "middle_block": "mid_block", "output_blocks": "up_blocks"}
    by_index = {index: name for name, index in mapped.items()}
    for number, name in by_index.items():  # which diffusers renames in its next step
        word = next(word for word in levels if word in name)
        by_index[number] = name.replace(word, levels[word])
    assert [by_index[index] for index in range(len(ours))] == [
        f"lora_unet_{name}.lora_down.weight" for name in ours
    ]


@pytest.mark.parametrize(
    "name", ["down_blocks_0_attentions_0_proj_in", "middle_block_7_x", "input_blocks_2_9_x", "to_q"]
)
def test_other_names_stay(name: str) -> None:
    assert in_diffusers_words(name, 2) == name
