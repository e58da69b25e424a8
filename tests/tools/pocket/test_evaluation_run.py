"""Running the evaluation: what is measured again, what is left out, and what is known of the model."""

import argparse
import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("cairocffi", exc_type=(ImportError, OSError))
pytest.importorskip("skimage")
pytest.importorskip("torch")

from tools.pocket import icons, render
from tools.pocket.evaluation import about, everyday, prompts, run, sheets, variation
from tools.pocket.evaluation.book import Result, share
from tools.pocket.evaluation.pipelines import Files
from tools.pocket.words import ICONS


@pytest.fixture
def options(tmp_path):
    """Weights that are only files, and a parser's answers."""
    weights = tmp_path / "weights"
    for part in ("unet", "vae", "text_encoder", "scheduler"):
        (weights / part).mkdir(parents=True)
    (weights / "pocket.json").write_text('{"version": "9", "native_px": 64}')
    (weights / "unet" / "config.json").write_text('{"block_out_channels": [8, 8]}')
    (weights / "scheduler" / "scheduler_config.json").write_text(
        '{"_class_name": "DDIMScheduler", "prediction_type": "epsilon"}'
    )
    (weights / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(_safetensors())
    parser = argparse.ArgumentParser()
    run.arguments(parser)
    arguments = ["--weights", str(weights), "--controls", str(tmp_path / "controls"), "--prompts", "4"]
    return parser.parse_args([*arguments, "--out", str(tmp_path / "out")])


def _safetensors(fill=0):
    from safetensors.numpy import save

    return save({"a": np.full((2, 3), fill, np.float16), "b": np.zeros(4, np.float16)})


@pytest.fixture
def measured(monkeypatch):
    """Two parts instead of Pocket's, and how often each was measured."""
    counts = {"base part": 0, "depth part": 0}

    def part(name):
        def measure(measuring):
            counts[name] += 1
            return Result([share("right", [True] * measuring.prompts)])

        return measure

    parts = {
        "base part": run.Part(part("base part")),
        "depth part": run.Part(part("depth part"), ("base", "depth")),
    }
    monkeypatch.setattr(run, "PARTS", parts)
    return counts


def test_only_missing_parts_are_measured(options, measured, capsys):
    run.run(options)
    run.run(options)
    assert measured == {"base part": 1, "depth part": 0}
    assert "depth part: left out" in capsys.readouterr().out
    options.prompts = 5
    run.run(options)
    assert measured["base part"] == 2
    (options.weights / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(_safetensors(1))
    run.run(options)
    assert measured["base part"] == 3
    (options.weights / "pocket.json").write_text('{"version": "10", "native_px": 64}')
    run.run(options)
    assert measured["base part"] == 3
    options.again = True
    run.run(options)
    assert measured["base part"] == 4


def test_a_part_is_measured_when_its_files_come(options, measured):
    run.run(options)
    (options.controls / "depth").mkdir(parents=True)
    (options.controls / "depth" / "diffusion_pytorch_model.safetensors").write_bytes(_safetensors())
    run.run(options)
    assert measured == {"base part": 1, "depth part": 1}
    figures = json.loads((options.out / "figures.json").read_text())
    assert list(figures["parts"]) == ["base part", "depth part"]
    assert figures["model"]["parts"]["ControlNet, depth"]["parameters"] == 10


def test_parts_are_chosen_by_a_word(measured):
    assert run.chosen("depth") == ["depth part"]
    assert run.chosen("depth; base") == ["base part", "depth part"]
    assert run.chosen(None) == ["base part", "depth part"]


def test_the_model_is_described_by_what_lies_in_its_folder(options):
    known = about.model(Files(options.weights, options.controls))
    assert known["parts"]["UNet"] == {"parameters": 10, "bytes": len(_safetensors())}
    assert (known["version"], known["prediction"]) == ("9", "epsilon")


def test_pocket_keeps_within_its_sizes():
    """32 MB for base, text encoder and autoencoder, 12 MB for a ControlNet, 16 MiB for any one file."""
    from impasto_server import pocket

    parts = about.model(Files(pocket.folder(), pocket.folder().parent / "controls"))["parts"]
    assert sum(parts[name]["bytes"] for name in about.PARTS) <= 32e6
    assert all(size["bytes"] <= 12e6 for name, size in parts.items() if name.startswith("ControlNet"))
    assert max(path.stat().st_size for path in pocket.folder().parent.rglob("*.safetensors")) <= 16 * 2**20


def test_loss_curves_are_thinned_stage_by_stage(tmp_path):
    lines = [{"stage": "unet", "seconds": i, "loss": 100 - i, "samples": 8 * i} for i in range(1, 101)]
    lines += [{"stage": "depth", "seconds": 1, "loss": 3.0}, {"stage": "unet", "done": 5}]
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, lines)))
    unet, depth = about.training(tmp_path, points=10)
    assert len(unet["loss"]) == len(unet["seconds"]) == 10
    assert unet["loss"] == sorted(unet["loss"], reverse=True)
    assert (unet["seconds"][-1], unet["samples"]) == (100, 800)
    assert depth == {"stage": "depth", "seconds": [1], "loss": [3.0], "samples": 0}


class Fading:
    """Stands for the model in img2img: fades the picture by what `amount` makes of the strength."""

    size_px = 32

    def __init__(self, amount):
        self.amount = amount

    def image_to_image(self, prompt, image, strength, seed):
        return (image * (1 - self.amount(strength))).astype(np.uint8)


def test_change_that_grows_with_strength_is_told_from_change_that_does_not():
    growing, _ = variation.image_to_image(Fading(lambda strength: strength), 2)
    assert growing.rows[0].met is True
    turning, _ = variation.image_to_image(Fading(lambda strength: min(strength, 1.3 - strength)), 2)
    assert turning.rows[0].met is False
    assert 0.5 <= turning.rows[0].value < 1


@pytest.fixture
def drawings(tmp_path):
    """Icons that are plain discs of a hundred colours, in place of the fetched ones."""
    rng = np.random.default_rng(0)
    disc = np.zeros((icons.SIDE_PX, icons.SIDE_PX), bool)
    disc[40:150, 40:150] = True
    pictures = np.zeros((len(ICONS), icons.SIDE_PX, icons.SIDE_PX, 4), np.uint8)
    pictures[:, disc, :3] = rng.integers(0, 255, (len(ICONS), 1, 3))
    pictures[:, disc, 3] = 255
    for name in icons.SETS:
        np.savez_compressed(tmp_path / f"{name}.npz", pictures=pictures)
    icons.use(tmp_path)
    yield tmp_path
    icons.use(Path(tmp_path / "nothing"))


@pytest.mark.usefixtures("drawings")
def test_every_object_is_asked_for_equally_often():
    asked = [scene.items[0].shape for scene in everyday.scenes(2)]
    assert asked == [*ICONS, *ICONS]


@pytest.mark.usefixtures("drawings")
def test_the_place_of_the_right_name_is_counted_from_nought():
    import torch

    scenes = everyday.scenes(1)[:3]
    pictures = [render.picture(scene, 64) for scene in scenes]
    logits = torch.zeros(3, len(ICONS))
    for row, place in enumerate((0, 4, 9)):
        logits[row, row] = 5.0
        logits[row, 50 : 50 + place] = 6.0
    assert everyday._places(lambda _: logits, pictures, scenes) == [0, 4, 9]


def test_a_sheet_has_room_for_every_picture_and_its_caption():
    scenes = prompts.singles(9)
    pictures = [render.picture(scene, 64) for scene in scenes]
    bare = sheets.sheet(pictures, columns=4)
    captioned = sheets.sheet(pictures, [scene.caption for scene in scenes], columns=4)
    assert bare.size == (4 * 132 - 4, 3 * 132 - 4)
    assert captioned.height > bare.height
    assert np.asarray(bare)[:128, :128].std() > 0
    assert (np.asarray(bare)[-128:, 132:] == 255).all()  # the last row holds one picture
