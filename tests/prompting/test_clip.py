"""Weights and long prompts through Pocket's own text encoder."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from impasto_server import pocket
from impasto_server.families.sd15 import FAMILY
from impasto_server.prompting import clip


@pytest.fixture(scope="module")
def components() -> Any:
    return FAMILY.load(pocket.folder(), torch.float32, None)


def embedded(components: Any, prompt: str, negative: str = "") -> tuple[torch.Tensor, torch.Tensor]:
    with torch.no_grad():
        found = FAMILY.embed(components, prompt, negative, 5.0, "cpu")
    return found["prompt_embeds"], found["negative_prompt_embeds"]


def test_a_weight_of_one_is_what_the_stock_pipeline_does(components: Any) -> None:
    stock, _ = embedded(components, "a red circle")
    tokenizer, encoder = components.other["tokenizer"], components.modules["text_encoder"]
    with torch.no_grad():
        (ours,) = clip.embed(tokenizer, encoder, ("a red circle",), "cpu")
    assert torch.equal(ours, stock)
    assert torch.equal(embedded(components, "a (red:1) circle")[0], stock)


def test_a_heavier_word_moves_the_embedding_further(components: Any) -> None:
    plain, _ = embedded(components, "a red circle")
    moved = [
        float((embedded(components, f"a (red:{weight}) circle")[0] - plain).norm())
        for weight in (1.1, 1.3, 1.6, 2.0)
    ]
    assert moved[0] > 0
    assert moved == sorted(moved)


def test_only_its_own_window_is_touched_by_a_weight(components: Any) -> None:
    length = components.other["tokenizer"].model_max_length
    long = "a red circle on a blue background " * 8
    plain, _ = embedded(components, long)
    heavy, _ = embedded(components, f"(a red:1.5){long.removeprefix('a red')}")
    assert plain.shape[1] > length
    assert not torch.equal(heavy[:, :length], plain[:, :length])
    assert torch.equal(heavy[:, length:], plain[:, length:])


def test_a_long_prompt_is_read_to_its_end_and_the_negative_one_is_as_long(components: Any) -> None:
    long = "a red circle on a blue background " * 8
    first, opposite = embedded(components, long + "a green star", "blurred")
    other, _ = embedded(components, long + "a white moon", "blurred")
    assert first.shape == opposite.shape == other.shape
    assert not torch.equal(first, other)


def test_which_prompts_are_plain(components: Any) -> None:
    tokenizer = components.other["tokenizer"]
    assert clip.is_plain(tokenizer, "a red circle", "")
    assert not clip.is_plain(tokenizer, "a (red) circle", "")
    assert not clip.is_plain(tokenizer, "a red circle", "[x]")
    assert not clip.is_plain(tokenizer, "a red circle " * 30, "")
