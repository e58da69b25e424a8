"""Layers and alpha-over."""

from __future__ import annotations

import numpy as np
import pytest
from impasto_server.compositing import alpha_over, as_layer, composite
from PIL import Image

RANDOM = np.random.default_rng(0)
COLOUR = RANDOM.random((20, 30, 3), dtype=np.float32)
ALPHA = np.clip(RANDOM.random((20, 30), dtype=np.float32) * 1.6 - 0.3, 0, 1)


def test_alpha_over_agrees_with_pillow() -> None:
    document = RANDOM.integers(0, 256, (20, 30, 4), dtype=np.uint8)
    layer = as_layer(COLOUR, ALPHA, np.uint8)
    theirs = Image.alpha_composite(Image.fromarray(document), Image.fromarray(layer))
    ours = alpha_over(document, layer)
    shown = ours[:, :, 3] > 0
    assert np.abs(ours.astype(int) - np.asarray(theirs).astype(int))[shown].max() <= 1


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_over_an_opaque_document_it_is_a_plain_mix(dtype: str) -> None:
    peak = {"uint8": 255, "uint16": 65535, "float32": 1}[dtype]
    document = (RANDOM.random((20, 30, 3)) * peak).astype(dtype)
    layer = as_layer(COLOUR, ALPHA, dtype)
    alpha = layer[:, :, 3:].astype(np.float64) / peak
    expected = layer[:, :, :3] * alpha + document * (1 - alpha)
    error = np.abs(alpha_over(document, layer) - expected).max()
    assert error <= (0.51 if dtype != "float32" else 1e-6)


def test_an_opaque_layer_makes_a_transparent_document_opaque() -> None:
    document = np.zeros((20, 30, 4), dtype=np.uint8)
    layer = as_layer(COLOUR, np.ones((20, 30), np.float32), np.uint8)
    assert np.array_equal(alpha_over(document, layer), layer)


def test_a_gray_document_gets_a_neutral_layer() -> None:
    layer = as_layer(COLOUR, np.ones((20, 30), np.float32), np.uint8, channels=1)
    assert np.array_equal(layer[:, :, 0], layer[:, :, 2])
    document = np.full((20, 30), 9, dtype=np.uint8)
    result = alpha_over(document, layer)
    assert result.shape == (20, 30)
    assert np.array_equal(result, layer[:, :, 0])


def test_transparent_layer_pixels_carry_no_colour_and_copy_the_documents_bits() -> None:
    layer = as_layer(COLOUR, np.full((20, 30), 0.4 / 255, np.float32), np.uint8)
    assert not layer.any()
    document = np.full((20, 30, 3), np.nan, dtype=np.float32)
    document[3, 4] = -0.0
    result = alpha_over(document, as_layer(COLOUR, np.zeros((20, 30), np.float32), np.float32))
    assert result.tobytes() == document.tobytes()


def test_composite_places_the_layer_and_leaves_the_document_as_it_was() -> None:
    document = np.zeros((50, 60, 3), dtype=np.uint8)
    layer = as_layer(np.ones((20, 30, 3), np.float32), np.ones((20, 30), np.float32), np.uint8)
    result = composite(document, layer, 25, 13)
    assert (result[13:33, 25:55] == 255).all()
    assert result.sum() == 20 * 30 * 3 * 255
    assert not document.any()
