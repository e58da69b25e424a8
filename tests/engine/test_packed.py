"""The faster copy computes what its source does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from impasto_server.engine.packed import PackedCopy, can_pack
from torch import nn

from tests.fixtures import tiny

pytestmark = pytest.mark.skipif(not can_pack(), reason="this build of torch has no oneDNN")


@pytest.fixture(scope="module")
def unet(tmp_path_factory: pytest.TempPathFactory) -> Any:
    import diffusers

    folder = tiny.build(tmp_path_factory.mktemp("model"))
    return diffusers.UNet2DConditionModel.from_pretrained(folder, subfolder="unet").eval()


def run(module: Any, dtype: torch.dtype = torch.float32, batch: int = 2, side: int = 8) -> torch.Tensor:
    chance = torch.Generator().manual_seed(0)
    latents = torch.randn(batch, 4, side, side, generator=chance).to(dtype)
    words = torch.randn(batch, 16, 32, generator=chance).to(dtype)
    with torch.inference_mode():
        output: torch.Tensor = module(latents, torch.tensor(300.0), words, return_dict=False)[0]
        return output.float()


def test_it_says_the_same(unet: Any) -> None:
    packed = PackedCopy(unet, torch.float32).module
    kinds = {type(part) for part in packed.modules()}
    assert not kinds & {nn.Conv2d, nn.Linear}
    for batch, side in ((2, 8), (1, 8), (1, 12)):  # also at sizes it was not laid out for
        assert torch.allclose(
            run(packed, batch=batch, side=side), run(unet, batch=batch, side=side), atol=1e-5
        )


def test_in_half_precision_nearly_the_same(unet: Any) -> None:
    expected, found = run(unet), run(PackedCopy(unet, torch.bfloat16).module, torch.bfloat16)
    assert (found - expected).abs().mean() < 0.02 * expected.abs().mean()


def test_the_source_stays_as_it_is(unet: Any) -> None:
    before = {name: value.clone() for name, value in unet.state_dict().items()}
    alone = run(unet)
    run(PackedCopy(unet, torch.bfloat16).module, torch.bfloat16)
    assert torch.equal(run(unet), alone)
    after = unet.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert {type(part) for part in unet.modules()} >= {nn.Conv2d, nn.Linear}


def test_it_does_not_meet_the_step_gate(unet: Any) -> None:
    met: list[int] = []
    handle = unet.register_forward_pre_hook(lambda *_: met.append(1))
    packed = PackedCopy(unet, torch.float32).module
    run(packed)
    assert not met
    run(unet)
    assert met
    handle.remove()


def test_layers_that_cannot_be_packed_are_copied() -> None:
    plain = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(4, 4, 3, padding="same"),
        nn.ConvTranspose2d(4, 4, 2),
        nn.Sequential(nn.Conv2d(4, 2, 1, bias=False)),
    ).eval()
    packed = PackedCopy(plain, torch.float32).module
    assert [type(part) for part in packed][:3] == [type(part) for part in plain][:3]
    assert type(packed[3][0]) is not nn.Conv2d
    pixels = torch.randn(1, 3, 8, 8)
    with torch.inference_mode():
        assert torch.allclose(packed(pixels), plain(pixels), atol=1e-5)


def test_the_copy_s_memory_is_its_own_weights_alone(tmp_path: Path) -> None:
    """Laid out, a layer keeps no second form of its weights."""
    layer = nn.Sequential(nn.Linear(64, 64))
    packed = PackedCopy(layer, torch.bfloat16).module[0]
    with torch.inference_mode():
        packed(torch.zeros(1, 64, dtype=torch.bfloat16))
    assert packed.weight is None
    assert packed.laid_out is not None
