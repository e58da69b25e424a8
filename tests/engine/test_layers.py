"""Names that fit a layer list."""

from __future__ import annotations

import pytest
from impasto_protocol.messages import GenerateRequest
from impasto_server.engine.layers import layer_name, take


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("a red circle", "a red circle"),
        ("  a\n red\tcircle ", "a red circle"),
        ("", "Impasto"),
        ("\x00\x1b[31m", "[31m"),
        ("word " * 30, "word word word word word word word word word…"),
        ("x" * 100, "x" * 47 + "…"),
    ],
)
def test_a_layer_is_called_after_its_prompt(prompt: str, name: str) -> None:
    assert layer_name(prompt, "Impasto") == name


def test_seeds_of_takes_wrap_at_the_top() -> None:
    request = GenerateRequest(prompt="", seed=2**63 - 1, takes=3)
    assert [take(request, number).seed for number in range(3)] == [2**63 - 1, 0, 1]
