"""ControlNets and LoRAs begin without an effect and are saved as stock diffusers reads them."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("cairocffi", exc_type=(ImportError, OSError))
pytest.importorskip("skimage")

from tools.pocket import control, lora, unet  # noqa: E402 - after the look for those


@pytest.fixture(scope="module")
def denoiser():
    torch.manual_seed(0)
    return unet.build().eval()


@pytest.fixture(scope="module")
def inputs():
    torch.manual_seed(1)
    return torch.randn(2, 4, 16, 16), torch.tensor([900, 100]), torch.randn(2, 32, 128)


def _hints():
    hint = torch.zeros(2, 3, 128, 128)
    hint[:, :, 40:42, 20:100] = 1
    return hint


@torch.no_grad()
def test_a_fresh_controlnet_changes_nothing_and_lets_a_hint_through(denoiser, inputs):
    net = control.build(denoiser)
    control.calibrate(net, _hints())
    down, middle = net(*inputs, _hints(), return_dict=False)
    assert all(not residual.any() for residual in (*down, middle))
    assert net.controlnet_cond_embedding(_hints()).std() == pytest.approx(1, abs=0.05)


@torch.no_grad()
def test_a_saved_controlnet_is_small_and_stock(denoiser, inputs, tmp_path):
    from diffusers import ControlNetModel

    net = control.build(denoiser)
    control.calibrate(net, _hints())
    for convolution in net.controlnet_down_blocks:
        torch.nn.init.normal_(convolution.weight, std=0.1)
    control.save(net, tmp_path / "scribble")
    files = {path.name: path.stat().st_size for path in (tmp_path / "scribble").iterdir()}
    assert set(files) == {"config.json", "diffusion_pytorch_model.safetensors"}
    assert sum(files.values()) <= 12 * 2**20
    stock = ControlNetModel.from_pretrained(tmp_path / "scribble", torch_dtype=torch.float32)
    theirs, ours = (each(*inputs, _hints(), return_dict=False)[0][0] for each in (stock, net))
    assert torch.allclose(theirs, ours, atol=0.05 * float(ours.abs().max()))


def test_a_lora_is_loaded_by_stock_diffusers_and_has_no_effect_at_first(denoiser, inputs, tmp_path):
    pytest.importorskip("peft")
    from diffusers import StableDiffusionPipeline
    from safetensors.torch import load_file

    plain = unet.build()
    plain.load_state_dict(denoiser.state_dict())
    adapted = unet.build()
    adapted.load_state_dict(denoiser.state_dict())
    adapted = lora.build(adapted)
    with torch.no_grad():
        assert torch.equal(plain(*inputs).sample, adapted(*inputs).sample)
    trained = [name for name, param in adapted.named_parameters() if param.requires_grad]
    assert trained
    assert all("lora_" in name for name in trained)

    lora.save(adapted, tmp_path / "pencil.safetensors")
    assert all(name.startswith("unet.") for name in load_file(tmp_path / "pencil.safetensors"))
    state, alphas = StableDiffusionPipeline.lora_state_dict(tmp_path, weight_name="pencil.safetensors")
    StableDiffusionPipeline.load_lora_into_unet(state, alphas, plain)
    with torch.no_grad():
        assert torch.equal(plain(*inputs).sample, adapted(*inputs).sample)
