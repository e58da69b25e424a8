"""A training in short runs ends where one long run would: with a folder that stock diffusers loads."""

import json

import numpy as np
import pytest

pytest.importorskip("cairocffi", exc_type=(ImportError, OSError))
pytest.importorskip("skimage")
pytest.importorskip("tokenizers")
torch = pytest.importorskip("torch")

from tools.pocket import data, denoising, recipes, tokenizer, train  # noqa: E402 - after the look for those


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    folder = tmp_path_factory.mktemp("words")
    tokenizer.train(folder)
    return tokenizer.load(folder)


def test_every_caption_fits_the_text_encoder(words):
    longest = max(len(ids) for ids in words(tokenizer.captions(2000, 5))["input_ids"])
    assert longest <= tokenizer.LENGTH


def test_words_of_the_vocabulary_are_single_tokens_and_any_text_encodes(words):
    assert words.tokenize("a red circle on a blue background") == [
        word + "</w>" for word in ["a", "red", "circle", "on", "a", "blue", "background"]
    ]
    assert words.unk_token not in words.tokenize("naïve café ☕ 猫")


def test_phases_open_their_data_when_they_say():
    rng = np.random.default_rng(0)
    phase = denoising.Phase(
        "p", 1.0, 1.0, (denoising.Source(("a", 1), 1.0), denoising.Source(("b", 1), 1.0, 0.5))
    )
    assert {denoising.pick(phase, 0.1, rng) for _ in range(50)} == {("a", 1)}
    assert {denoising.pick(phase, 0.9, rng) for _ in range(50)} == {("a", 1), ("b", 1)}


@pytest.mark.parametrize("recipe", [recipes.SHORT, recipes.FULL, recipes.FURTHER])
def test_a_recipe_trains_on_data_it_makes_and_its_lanes_fit_the_budget(recipe):
    used = {source.kind for phase in recipe.phases for source in phase.sources}
    assert used <= recipe.shards.keys()
    assert sum(phase.share for phase in recipe.phases) == pytest.approx(1)
    assert recipe.stages <= set(train.STAGES)
    for lane in recipe.lanes:
        assert sum(recipe.shares.get(stage, 0) for stage in lane) <= 1


def test_the_unet_takes_the_second_core_while_the_second_lane_rests(tmp_path, monkeypatch):
    monkeypatch.setattr(train.os, "cpu_count", lambda: 2)
    settings = train.Run(tmp_path, 30, torch.device("cpu"))
    marks = tmp_path / "done"
    marks.mkdir()
    assert settings.other_lane_rests()  # the text encoder waits for its words
    (marks / "words").touch()
    assert not settings.other_lane_rests()
    for stage in ("text", "data"):
        (marks / stage).touch()
    assert settings.other_lane_rests()  # the decoder waits for the autoencoder
    (marks / "autoencoder").touch()
    assert not settings.other_lane_rests()
    (marks / "decoder").touch()
    assert settings.other_lane_rests()
    monkeypatch.setattr(train.os, "cpu_count", lambda: 1)
    assert not settings.other_lane_rests()


@pytest.mark.parametrize("mix", ["broad", "control"])
def test_a_shard_depends_on_nothing_but_its_name(words, monkeypatch, mix):
    monkeypatch.setattr(data, "SHARD", 4)
    encoder = torch.nn.AvgPool2d(8)
    first, again, other = (
        data.encode(data.paint((mix, 64), index), encoder, words, torch.device("cpu")) for index in (0, 0, 1)
    )
    assert first.keys() == again.keys()
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["latents"], other["latents"])


def test_a_training_resumes_and_exports_a_folder_that_stock_diffusers_loads(tmp_path, monkeypatch):
    from diffusers import StableDiffusionPipeline

    monkeypatch.setattr(data, "SHARD", 16)
    monkeypatch.setattr(denoising, "BATCH", {128: 4, 256: 2})
    monkeypatch.setattr(
        train.os, "cpu_count", lambda: 1
    )  # what is patched here does not reach a second process
    settings = train.Run(tmp_path, 0.1, torch.device("cpu"))
    first = tuple(stage for stage in train.STAGES if stage not in ("decoder", "export"))
    train.run(settings, first, tmp_path / "model")
    weights = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("unet-*.safetensors")}
    assert len(weights) == len(settings.recipe.phases)
    train.run(settings, train.STAGES, tmp_path / "model")
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("unet-*.safetensors")} == weights

    pipeline = StableDiffusionPipeline.from_pretrained(tmp_path / "model", local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    picture = pipeline("a red circle", num_inference_steps=2, output_type="np").images[0]
    assert picture.shape == (128, 128, 3)
    card = json.loads((tmp_path / "model" / "pocket.json").read_text())
    assert card["native_px"] == 128
    sizes = [path.stat().st_size for path in (tmp_path / "model").rglob("*") if path.is_file()]
    assert max(sizes) <= 16 * 2**20
    assert sum(sizes) <= 32 * 2**20
    stages = [json.loads(line)["stage"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert {"text", "unet", "decoder", "export"} <= set(stages)


def test_a_stage_whose_ground_is_missing_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match="unet needs"):
        train.run(train.Run(tmp_path, 0.1, torch.device("cpu")), ("unet",), tmp_path / "model")
