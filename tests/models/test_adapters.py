"""ControlNets and LoRAs: found where the artist put them, offered where they fit, refused with a reason."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from impasto_protocol.errors import BadModel, UnknownModel
from impasto_server import pocket
from impasto_server.models.adapters import Adapters
from impasto_server.models.catalogue import Catalogue
from impasto_server.models.control_kinds import kind_of
from impasto_server.models.folder import ModelFolder

from tests.fixtures import tiny


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model with a ControlNet and a LoRA, and a model of another structure."""
    home = tmp_path_factory.mktemp("made")
    tiny.build(home / "models" / "tiny")
    tiny.build(home / "models" / "pooled", pocket_like=True)
    tiny.build_control(home / "net", home / "models" / "tiny")
    tiny.build_control(home / "pooled net", home / "models" / "pooled")
    tiny.build_lora(home / "ink.safetensors", home / "models" / "tiny", text=True)
    return home


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made / "models", tmp_path / "models")
    return tmp_path


def model(home: Path, name: str = "tiny") -> ModelFolder:
    return Catalogue(home).get(name)


def put_net(made: Path, home: Path, name: str, net: str = "net") -> Path:
    return shutil.copytree(made / net, home / "controlnets" / name)


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("scribble", "scribble"),
        ("control_v11p_sd15_canny", "edges"),
        ("sd-controlnet-depth", "depth"),
        ("control_v11p_sd15_openpose", "pose"),
        ("Control_HED_v2", "softedge"),
        ("my own Thing", "my-own-thing"),
        ("…", "control"),
    ],
)
def test_a_folder_s_name_says_the_kind(folder: str, kind: str) -> None:
    assert kind_of(folder) == kind


def test_nets_are_found_at_any_time_also_one_folder_down(made: Path, home: Path) -> None:
    adapters = Adapters(home)
    assert adapters.controls(model(home)) == {}
    put_net(made, home, "by others/control_v11p_sd15_depth")
    assert list(adapters.controls(model(home))) == ["depth"]
    shutil.rmtree(home / "controlnets")
    assert adapters.controls(model(home)) == {}


def test_the_artist_s_card_says_the_kind_and_a_broken_card_says_nothing(made: Path, home: Path) -> None:
    folder = put_net(made, home, "net from my friend")
    for card, kind in (
        ('{"kind": "Depth"}', "depth"),
        ('{"kind": "inked"}', "inked"),
        ('{"kind": 3}', "net-from-my-friend"),
        ("{", "net-from-my-friend"),
    ):
        (folder / "impasto.json").write_text(card)
        assert list(Adapters(home).controls(model(home))) == [kind]


def test_scribble_and_edges_stand_in_for_each_other_until_each_has_its_own(made: Path, home: Path) -> None:
    scribble = put_net(made, home, "scribble")
    adapters = Adapters(home)
    found = adapters.controls(model(home))
    assert {kind: net.folder for kind, net in found.items()} == {"scribble": scribble, "edges": scribble}
    canny = put_net(made, home, "canny")
    found = adapters.controls(model(home))
    assert {kind: net.folder for kind, net in found.items()} == {"scribble": scribble, "edges": canny}


def test_a_second_net_of_a_kind_goes_by_its_folder_s_name(made: Path, home: Path) -> None:
    first, second = put_net(made, home, "a-depth"), put_net(made, home, "b-depth")
    found = Adapters(home).controls(model(home))
    assert {kind: net.folder for kind, net in found.items()} == {"depth": first, "b-depth": second}


def test_nets_fit_models_of_their_structure_only(made: Path, home: Path) -> None:
    put_net(made, home, "depth")
    put_net(made, home, "pose", "pooled net")
    adapters = Adapters(home)
    assert list(adapters.controls(model(home, "tiny"))) == ["depth"]
    assert list(adapters.controls(model(home, "pooled"))) == ["pose"]
    with pytest.raises(UnknownModel, match=r"has no ControlNet for “pose”\. There are: depth"):
        adapters.control(model(home, "tiny"), "pose")


@pytest.mark.parametrize(
    "change",
    [
        {"cross_attention_dim": 768},
        {"block_out_channels": [320, 640]},
        {"layers_per_block": 2},
        {"conditioning_channels": 1},
        {"in_channels": 9},
    ],
)
def test_a_config_of_another_structure_does_not_fit(
    made: Path, home: Path, change: dict[str, object]
) -> None:
    config = put_net(made, home, "depth") / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), **change}))
    assert Adapters(home).controls(model(home)) == {}


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"_class_name": "MotionAdapter"}', '{"quantization_config": {}}']
)
def test_a_folder_that_is_no_net_is_left_out_and_says_why(made: Path, home: Path, content: str) -> None:
    (put_net(made, home, "depth") / "config.json").write_text(content)
    adapters = Adapters(home)
    assert adapters.controls(model(home)) == {}
    with pytest.raises(BadModel, match="“depth”"):
        adapters.control(model(home), "depth")


def test_a_net_may_come_in_half_precision(made: Path, home: Path) -> None:
    folder = put_net(made, home, "depth")
    weights = folder / "diffusion_pytorch_model.safetensors"
    weights.rename(folder / "diffusion_pytorch_model.fp16.safetensors")
    assert Adapters(home).controls(model(home))["depth"].variant == "fp16"


def test_the_artist_may_link_to_what_lies_elsewhere(made: Path, home: Path) -> None:
    (home / "controlnets").mkdir()
    (home / "controlnets" / "depth").symlink_to(made / "net")
    (home / "loras").mkdir()
    (home / "loras" / "ink.safetensors").symlink_to(made / "ink.safetensors")
    adapters = Adapters(home)
    assert [*adapters.controls(model(home)), *adapters.loras(model(home))] == ["depth", "ink"]


def test_a_net_s_own_links_must_stay_inside(made: Path, home: Path) -> None:
    inside = put_net(made, home, "pose")
    weights = inside / "diffusion_pytorch_model.safetensors"
    weights.unlink()
    weights.symlink_to(made / "net" / weights.name)
    adapters = Adapters(home)
    assert adapters.controls(model(home)) == {}
    with pytest.raises(BadModel, match="link to somewhere else"):
        adapters.control(model(home), "pose")


def test_loras_go_by_their_file_s_name_and_of_equal_ones_the_second_is_numbered(
    made: Path, home: Path
) -> None:
    for name in ("my: ink", "people/faces", "places/faces"):
        path = home / "loras" / f"{name}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(made / "ink.safetensors", path)
    assert sorted(Adapters(home).loras(model(home))) == ["faces", "faces-2", "my: ink"]


def test_a_lora_fits_by_the_names_and_shapes_of_the_weights_it_changes(made: Path, home: Path) -> None:
    (home / "loras").mkdir()
    shutil.copy(made / "ink.safetensors", home / "loras")
    adapters = Adapters(home)
    lora = adapters.lora(model(home), "ink")
    assert adapters.parts_changed(lora, model(home)) == {"unet", "text_encoder"}
    with pytest.raises(BadModel, match="another kind of model than “Pocket”"):
        adapters.lora(model(home, "pocket"), "ink")


def test_a_lora_s_digest_is_its_file_s_and_a_net_s_changes_with_its_config(made: Path, home: Path) -> None:
    import hashlib

    (home / "loras").mkdir()
    path = shutil.copy(made / "ink.safetensors", home / "loras" / "renamed.safetensors")
    adapters = Adapters(home)
    lora = adapters.lora(model(home), "renamed")
    assert adapters.digest(lora) == hashlib.sha256(path.read_bytes()).hexdigest() == adapters.digest(lora)
    config = put_net(made, home, "depth") / "config.json"
    before = adapters.digest(adapters.control(model(home), "depth"))
    config.write_text(config.read_text() + " ")
    assert adapters.digest(adapters.control(model(home), "depth")) != before


def test_pocket_s_own_lie_in_the_package(made: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = home / "package"
    shutil.copytree(made / "net", package / "controls" / "scribble")
    (package / "loras").mkdir()
    shutil.copy(made / "ink.safetensors", package / "loras" / "style.safetensors")
    monkeypatch.setattr(pocket, "_HERE", package)
    shutil.copytree(made / "models" / "tiny", package / "weights")
    info = Catalogue(home).infos()[0]
    assert (info.model, info.controls, info.loras) == ("pocket", ("scribble", "edges"), ("style",))


def test_every_adapter_in_the_package_fits_pocket() -> None:
    (info, *_) = Catalogue(Path("/nonexistent")).infos()
    assert set(pocket.controls()) <= set(info.controls)
    assert set(pocket.loras()) == set(info.loras)
