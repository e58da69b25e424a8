"""Pocket's tokenizer: CLIP's byte-pair form with a small vocabulary learned from Pocket's own captions.

Any text encodes, because every byte is in the vocabulary; words that no caption uses merely cost more tokens.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from . import scenes

LENGTH = 32
"""Tokens per prompt, start and end included; the longest caption needs 27."""

LEARNED = 512
"""Vocabulary of the learner, before the 2 × 256 single bytes that make every text encodable."""

START, END = "<|startoftext|>", "<|endoftext|>"


def captions(count: int, seed: int) -> list[str]:
    """Captions drawn from both mixes."""
    rng = np.random.default_rng(seed)
    return [scenes.sample(rng, "broad" if i % 2 else "shapes").caption for i in range(count)]


def train(folder: Path, seed: int = 7) -> None:
    """Learn merges from 20,000 captions and write the folder that `CLIPTokenizer.from_pretrained` reads."""
    from tokenizers.implementations import CharBPETokenizer
    from tokenizers.pre_tokenizers import ByteLevel

    learner = CharBPETokenizer(lowercase=True, suffix="</w>")
    learner.train_from_iterator(captions(20_000, seed), LEARNED, 5, show_progress=False, special_tokens=[])
    learned = json.loads(learner.to_str())["model"]
    merges = [tuple(pair) if isinstance(pair, list) else tuple(pair.split(" ")) for pair in learned["merges"]]
    alphabet = sorted(ByteLevel.alphabet())
    tokens = (
        alphabet
        + [letter + "</w>" for letter in alphabet]
        + ["".join(pair) for pair in merges]
        + [START, END]
    )
    vocabulary = {token: index for index, token in enumerate(dict.fromkeys(tokens))}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))
    load_files(folder).save_pretrained(folder)


def load_files(folder: Path):
    """A CLIPTokenizer from the two learned files."""
    from transformers import CLIPTokenizer

    vocabulary = json.loads((folder / "vocab.json").read_text())
    merges = [tuple(line.split(" ")) for line in (folder / "merges.txt").read_text().splitlines()[1:]]
    return CLIPTokenizer(
        vocab=vocabulary,
        merges=merges,
        model_max_length=LENGTH,
        unk_token=END,
        bos_token=START,
        eos_token=END,
        pad_token=END,
    )


def load(folder: Path):
    """The tokenizer of a Pocket folder, offline."""
    from transformers import CLIPTokenizer

    return CLIPTokenizer.from_pretrained(folder, local_files_only=True)


def encode(tokenizer, texts: list[str]) -> np.ndarray:
    """Token ids as the stock pipelines make them → (len(texts), LENGTH) int64."""
    ids = tokenizer(texts, padding="max_length", max_length=LENGTH, truncation=True)["input_ids"]
    return np.asarray(ids, dtype=np.int64)
