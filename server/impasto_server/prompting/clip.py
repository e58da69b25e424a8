"""Prompts with weights, and long ones, for CLIP text encoders.

A prompt longer than the encoder reads is cut into windows; each is read by itself and they are laid one after
another, as every denoiser with cross-attention takes them. A weight multiplies the embeddings of its tokens;
the window's mean is then put back to what it was, since the denoiser knows no other.
"""

from __future__ import annotations

from typing import Any

import torch

from impasto_server.prompting.emphasis import emphasised

__all__ = ["embed", "is_plain", "without_marks"]

Token = tuple[int, float]  # id and weight


def is_plain(tokenizer: Any, *prompts: str) -> bool:
    """Whether the stock encoding does all there is to do: no weights, and nothing is cut off."""
    return all(
        len(words := emphasised(prompt)) == 1
        and words[0] == (prompt, 1.0)
        and len(_ids(tokenizer, prompt)) <= _room(tokenizer)
        for prompt in prompts
    )


def without_marks(prompt: str) -> str:
    """The words alone, for an encoder that gives one summary of them all."""
    return "".join(words.text for words in emphasised(prompt))


def embed(tokenizer: Any, encoder: Any, prompts: tuple[str, ...], device: str) -> list[torch.Tensor]:
    """(1, windows × L, width) for each prompt, L what the encoder reads at once; all of the same length.
    `encoder` takes ids (1, L) and gives their embeddings (1, L, width) first.
    """
    tokens = [_tokens(tokenizer, prompt) for prompt in prompts]
    room = _room(tokenizer)
    windows = max(1, *(-(-len(found) // room) for found in tokens))
    return [
        torch.cat(
            [
                _window(tokenizer, encoder, found[at * room : (at + 1) * room], device)
                for at in range(windows)
            ],
            dim=1,
        )
        for found in tokens
    ]


def _window(tokenizer: Any, encoder: Any, tokens: list[Token], device: str) -> torch.Tensor:
    """(1, L, width) of at most L − 2 tokens between the encoder's marks of beginning and end."""
    length = tokenizer.model_max_length
    rest = length - len(tokens) - 2
    ids = [
        tokenizer.bos_token_id,
        *(token for token, _ in tokens),
        tokenizer.eos_token_id,
        *[tokenizer.pad_token_id] * rest,
    ]
    weights = torch.tensor([1.0, *(weight for _, weight in tokens), 1.0, *[1.0] * rest], device=device)
    plain = encoder(torch.tensor([ids], device=device))[0]
    if bool((weights == 1.0).all()):
        return torch.as_tensor(plain)
    heavy = plain * weights[None, :, None].to(plain.dtype)
    before, after = plain.float().mean(), heavy.float().mean()
    # A mean near zero has no scale to be put back to.
    scale = before / after if abs(float(after)) > 1e-6 else torch.ones_like(before)
    return torch.as_tensor(heavy * scale.clamp(0.5, 2.0).to(heavy.dtype))


def _tokens(tokenizer: Any, prompt: str) -> list[Token]:
    return [(token, words.weight) for words in emphasised(prompt) for token in _ids(tokenizer, words.text)]


def _ids(tokenizer: Any, text: str) -> list[int]:
    """Without marks of beginning and end, and without a warning that the text is long."""
    return list(tokenizer(text, add_special_tokens=False, truncation=False, verbose=False).input_ids)


def _room(tokenizer: Any) -> int:
    return int(tokenizer.model_max_length) - 2
