"""Each take is handed over as soon as it is finished, and nothing that happens later takes it back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
from impasto_protocol.messages import GenerateRequest
from impasto_server.engine.interface import Cancelled, Input, Layer

from tests.engine.conftest import as_input, by_role, disc, picture
from tests.engine.gates import Listener

REQUEST = GenerateRequest("a red circle", model="tiny", steps=2, strength=0.6, seed=7, takes=3)
IMAGE, MASK = as_input(picture(64, 64)), as_input(disc(64, 64, 30, 34, 14))
KINDS: dict[str, tuple[GenerateRequest, dict[str, Input]]] = {
    "text": (REQUEST, {}),
    "image": (REQUEST, by_role(IMAGE)),
    "mask": (REQUEST, by_role(IMAGE, MASK)),
    "upscaling": (replace(REQUEST, width=96, height=96), by_role(IMAGE)),
}


@dataclass
class Impatient(Listener):
    """Cancels once `wanted` takes are there."""

    wanted: int = 1

    def check(self) -> None:
        super().check()
        if len(self.delivered) == self.wanted:
            raise Cancelled


@pytest.mark.parametrize("kind", KINDS)
def test_takes_are_delivered_one_by_one_while_the_others_are_painted(engine: Any, kind: str) -> None:
    checks: list[int] = []

    class Counting(Listener):
        def deliver(self, layer: Layer) -> None:
            super().deliver(layer)
            checks.append(self.checks)

    gate = Counting()
    layers = engine.generate(*KINDS[kind], gate)
    assert gate.delivered == list(layers)
    assert [layer.info.recipe.request.seed for layer in layers] == [7, 8, 9]
    assert 0 < checks[0] < checks[1] < checks[2]


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_delivered_before_a_cancel_is_what_would_have_been_painted(engine: Any, kind: str) -> None:
    whole = engine.generate(*KINDS[kind], Listener())
    gate = Impatient(wanted=2)
    with pytest.raises(Cancelled):
        engine.generate(*KINDS[kind], gate)
    assert [layer.info for layer in gate.delivered] == [layer.info for layer in whole[:2]]
    assert [layer.pixels.tobytes() for layer in gate.delivered] == [
        layer.pixels.tobytes() for layer in whole[:2]
    ]


def test_a_map_is_delivered_too(engine: Any) -> None:
    gate = Listener()
    layers = engine.generate(replace(REQUEST, make_map="edges"), {"image": IMAGE}, gate)
    assert gate.delivered == list(layers)
    assert len(layers) == 1
