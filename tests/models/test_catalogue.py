"""Which models are offered, and which folders are refused, with what sentence."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from impasto_protocol.errors import BadModel, UnknownModel
from impasto_server.models.catalogue import POCKET, Catalogue
from impasto_server.models.folder import confine

from tests.fixtures import tiny


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.build(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    return tmp_path


@pytest.fixture
def copy(model: Path, home: Path) -> Path:
    """The tiny model in the home, to be spoilt."""
    return Path(shutil.copytree(model, home / "models" / "spoilt"))


def ids(catalogue: Catalogue) -> list[str]:
    return [info.model for info in catalogue.infos()]


def digest(home: Path, model: str) -> str:
    """As a server that has just started computes it."""
    catalogue = Catalogue(home)
    return catalogue.digest(catalogue.get(model))


def test_a_bare_machine_has_pocket(home: Path) -> None:
    (info,) = Catalogue(home).infos()
    assert (info.model, info.title, info.family) == (POCKET, "Pocket", "sd15")
    assert info.capabilities == ("text", "image", "mask", "control", "lora", "upscale", "live", "texture")
    card = json.loads((Catalogue(home).get(POCKET).folder / "pocket.json").read_text())
    assert info.native_px == card["native_px"]
    assert (info.default_steps, info.default_guidance) == (card["steps"], card["guidance_scale"])


def test_a_distilled_model_is_best_in_the_steps_it_was_made_for(model: Path, home: Path) -> None:
    shutil.copytree(model, home / "models" / "dreams-Lightning 4step")
    shutil.copytree(model, home / "models" / "enlightning")
    infos = {info.model: info for info in Catalogue(home).infos()}
    few, many = infos["dreams-Lightning-4step"], infos["enlightning"]
    assert (few.default_steps, few.default_guidance) == (4, 1.0)
    assert (many.default_steps, many.default_guidance) == (20, 7.5)


def test_models_are_found_in_home_and_configured_folders_and_one_level_down(
    model: Path, home: Path, tmp_path: Path
) -> None:
    other = tmp_path / "elsewhere"
    shutil.copytree(model, home / "models" / "one")
    shutil.copytree(model, other / "artist" / "Two (v2)")
    shutil.copytree(model, other / "models--org--three" / "snapshots" / "0123abcd")
    shutil.copytree(model, other / "one")
    (other / "notes").mkdir()
    catalogue = Catalogue(home, [other, tmp_path / "no-such-folder"])
    assert ids(catalogue) == ["pocket", "one", "Two-v2", "three", "one-2"]
    info = catalogue.get("one").info
    assert (info.native_px, info.default_steps, info.default_guidance) == (64, 20, 7.5)


def test_looking_for_models_imports_no_torch() -> None:
    code = (
        "import sys, pathlib; from impasto_server.models.catalogue import Catalogue; "
        "Catalogue(pathlib.Path('.')).infos(); "
        "print([name for name in ('torch', 'diffusers', 'transformers') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["nothing", "../models/spoilt", "/etc", "", "spoilt/../spoilt", "C:\\x"])
def test_a_name_is_looked_up_and_never_a_path(copy: Path, home: Path, name: str) -> None:
    with pytest.raises(UnknownModel, match="pocket, spoilt"):
        Catalogue(home).get(name)


def test_an_added_folder_stays_known(model: Path, home: Path) -> None:
    info = Catalogue(home).add(model)
    assert info.model == "tiny"
    assert Catalogue(home).add(model).model == "tiny"
    assert ids(Catalogue(home)) == ["pocket", "tiny"]
    assert Catalogue(home).get("tiny").folder == model


def test_an_added_folder_may_have_any_name(model: Path, home: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(model, tmp_path / 'Ünï "quoted" \\ 🖌'))
    added = Catalogue(home).add(folder).model
    assert Catalogue(home).get(added).folder == folder


def test_a_folder_that_is_no_model_is_not_added(home: Path, tmp_path: Path) -> None:
    for folder in (home / "models", tmp_path / "missing"):
        with pytest.raises(BadModel, match=r"model_index\.json"):
            Catalogue(home).add(folder)
    assert not (home / "models.toml").exists()


def test_pickles_are_refused(copy: Path, home: Path) -> None:
    (copy / "unet" / "diffusion_pytorch_model.safetensors").rename(
        copy / "unet" / "diffusion_pytorch_model.bin"
    )
    with pytest.raises(BadModel, match=r"unet as a pickle.*\.safetensors"):
        Catalogue(home).get("spoilt")
    assert ids(Catalogue(home)) == ["pocket"]


def test_a_pickle_beside_safetensors_is_neither_read_nor_hashed(copy: Path, home: Path) -> None:
    before = digest(home, "spoilt")
    (copy / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"cos\nsystem\n")
    assert digest(home, "spoilt") == before


def test_missing_and_truncated_weights_are_refused(copy: Path, home: Path) -> None:
    weights = copy / "vae" / "diffusion_pytorch_model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-100])
    with pytest.raises(BadModel, match=r"diffusion_pytorch_model\.safetensors is cut short"):
        Catalogue(home).get("spoilt")
    weights.unlink()
    with pytest.raises(BadModel, match="no weights in its vae"):
        Catalogue(home).get("spoilt")


def test_a_folder_spoilt_while_the_server_runs_is_seen(copy: Path, home: Path) -> None:
    catalogue = Catalogue(home)
    assert ids(catalogue) == ["pocket", "spoilt"]
    (copy / "unet" / "config.json").write_text("{")
    with pytest.raises(BadModel, match="damaged"):
        catalogue.get("spoilt")
    shutil.rmtree(copy)
    with pytest.raises(UnknownModel):
        catalogue.get("spoilt")


@pytest.mark.parametrize(
    "entry",
    [
        ["my_code", "UNet2DConditionModel"],
        ["diffusers", "StableDiffusionPipeline"],
        ["diffusers_modules.local", "X"],
        [None, None],
        "UNet",
    ],
)
def test_parts_that_are_not_stock_classes_are_refused(copy: Path, home: Path, entry: object) -> None:
    tiny.write_index(copy, unet=entry)
    with pytest.raises(BadModel, match="stock"):
        Catalogue(home).get("spoilt")


def test_other_families_are_named(copy: Path, home: Path) -> None:
    tiny.write_index(copy, _class_name="FluxPipeline")
    with pytest.raises(BadModel, match="FluxPipeline"):
        Catalogue(home).get("spoilt")


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b"\xff", b"[" * 100_000])
def test_a_damaged_index_is_refused(copy: Path, home: Path, raw: bytes) -> None:
    (copy / "model_index.json").write_bytes(raw)
    with pytest.raises(BadModel, match="damaged"):
        Catalogue(home).get("spoilt")


@pytest.mark.parametrize(
    "name", ["../../secret.safetensors", "/etc/passwd", "C:x", "a/../../b", "x\0y", "..\\y"]
)
def test_shards_outside_the_folder_are_refused(copy: Path, home: Path, name: str) -> None:
    (copy / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    index = {"weight_map": {"a": f"{name}.safetensors"}}
    (copy / "unet" / "diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(BadModel, match="outside its folder"):
        Catalogue(home).get("spoilt")


def test_links_out_of_the_folder_are_refused(copy: Path, home: Path, tmp_path: Path) -> None:
    config = copy / "unet" / "config.json"
    config.rename(tmp_path / "secret.json")
    config.symlink_to(tmp_path / "secret.json")
    with pytest.raises(BadModel, match="link"):
        Catalogue(home).get("spoilt")


def test_links_of_a_hub_cache_to_its_own_blobs_are_fine(model: Path, home: Path) -> None:
    cache = home / "models" / "models--org--linked"
    snapshot = Path(shutil.copytree(model, cache / "snapshots" / "abc"))
    (cache / "blobs").mkdir()
    weights = snapshot / "unet" / "diffusion_pytorch_model.safetensors"
    weights.rename(cache / "blobs" / "123")
    weights.symlink_to("../../../blobs/123")
    assert Catalogue(home).get("linked").folder == snapshot


def test_half_precision_copies_are_found(home: Path) -> None:
    folder = tiny.build(home / "models" / "half", variant="fp16")
    found = Catalogue(home).get("half")
    assert found.variant == "fp16"
    assert all(".fp16." in path.name for path in found.files if path.suffix == ".safetensors")
    (folder / "vae" / "diffusion_pytorch_model.fp16.safetensors").rename(
        folder / "vae" / "diffusion_pytorch_model.safetensors"
    )
    with pytest.raises(BadModel, match="mixes"):
        Catalogue(home).get("half")


def test_inpainting_only_models_are_named(copy: Path, home: Path) -> None:
    config = json.loads((copy / "unet" / "config.json").read_text())
    (copy / "unet" / "config.json").write_text(json.dumps({**config, "in_channels": 9}))
    with pytest.raises(BadModel, match="9 channels"):
        Catalogue(home).get("spoilt")


def test_a_digest_is_of_names_and_contents_and_remembered(
    copy: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from impasto_server.models import digests

    first = digest(home, "spoilt")
    twin = Path(shutil.copytree(copy, home / "models" / "twin"))
    assert digest(home, "twin") == first
    read: list[Path] = []
    original = digests._file_digest
    monkeypatch.setattr(digests, "_file_digest", lambda path: read.append(path) or original(path))
    assert digest(home, "twin") == first
    assert read == []
    (twin / "unet" / "config.json").write_text((twin / "unet" / "config.json").read_text() + " ")
    assert digest(home, "twin") != first
    assert [path.name for path in read] == ["config.json"]
    (home / "digests.json").write_text("nonsense")
    assert digest(home, "spoilt") == first


def test_weights_are_counted(model: Path, home: Path) -> None:
    import torch
    from safetensors.torch import load_file

    shutil.copytree(model, home / "models" / "tiny")
    found = Catalogue(home).get("tiny")
    tensors = [load_file(path) for path in found.files if path.suffix == ".safetensors"]
    assert found.weight_values == sum(torch.numel(value) for part in tensors for value in part.values())


@pytest.mark.parametrize("name", ["unet/config.json", "./x", "a/b/c"])
def test_names_inside_are_confined_to_the_folder(tmp_path: Path, name: str) -> None:
    assert confine(tmp_path, name).is_relative_to(tmp_path)
