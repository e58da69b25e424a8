"""A training's state travels in small parts and goes on where it was."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("cairocffi", exc_type=(ImportError, OSError))
pytest.importorskip("skimage")

from tools.pocket import bundle, checkpoint, loop  # noqa: E402 - after the look for those


def _training(out, limit_s):
    torch.manual_seed(0)
    model = torch.nn.Linear(8, 8)
    inputs = torch.randn(64, 8)

    def loss_of(model, progress, rng, generator):
        return (model(inputs) - inputs.flip(1)).square().mean(), len(inputs)

    settings = loop.Fit(out, "unet p", out / "unet-p.safetensors", limit_s, torch.device("cpu"), 1)
    return loop.fit(settings, model, loss_of)


def test_a_packed_training_goes_on_elsewhere(tmp_path, monkeypatch):
    here, there = tmp_path / "here", tmp_path / "there"
    (here / "done").mkdir(parents=True)
    for stage in ("words", "data"):
        (here / "done" / stage).touch()
    _training(here, 0.2)
    path = here / "unet-p.safetensors"
    state = checkpoint.load(path)
    checkpoint.save(path, {**state, "done": False})

    monkeypatch.setattr(bundle, "PART_BYTES", 4096)
    parts = bundle.pack(here, tmp_path / "parts")
    assert len(parts) > 1
    assert max(part.stat().st_size for part in parts) <= 4096
    assert bundle.unpack(tmp_path / "parts", there)
    assert (there / "done" / "words").exists()
    assert not (there / "done" / "data").exists()  # latents stay behind

    brought = checkpoint.load(there / "unet-p.safetensors")
    assert torch.allclose(state["average"]["weight"], brought["average"]["weight"].float(), atol=0.01)
    _training(there, 0.4)
    later = checkpoint.load(there / "unet-p.safetensors")
    assert later["done"]
    assert later["step"] > state["step"]


def test_nothing_to_unpack_is_said(tmp_path):
    assert not bundle.unpack(tmp_path, tmp_path / "there")


def test_an_interrupted_training_keeps_its_state(tmp_path):
    model = torch.nn.Linear(4, 4)
    calls = []

    def loss_of(model, progress, rng, generator):
        calls.append(progress)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return model(torch.ones(2, 4)).square().mean(), 2

    settings = loop.Fit(tmp_path, "s", tmp_path / "s.safetensors", 60, torch.device("cpu"), 1)
    with pytest.raises(KeyboardInterrupt):
        loop.fit(settings, model, loss_of)
    kept = checkpoint.load(tmp_path / "s.safetensors")
    assert kept["step"] == 4
    assert not kept["done"]
