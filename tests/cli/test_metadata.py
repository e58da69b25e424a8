from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from impasto_protocol.errors import BadImage, BadValue, DiskFull
from impasto_protocol.messages import Control, GenerateRequest, InputRef, Lora, Recipe
from impasto_protocol.rasters import PixelFormat
from impasto_server.cli import metadata, png
from PIL import Image

REQUEST = GenerateRequest(
    prompt="a red house, by the sea",
    negative="blurry",
    width=64,
    height=48,
    steps=20,
    guidance=7.5,
    seed=12345,
    strength=0.75,
    image=InputRef("a" * 64, 64, 48, PixelFormat.RGB8),
    mask=InputRef("b" * 64, 64, 48, PixelFormat.GRAY8),
)
RECIPE = Recipe(
    REQUEST, "EulerAncestralDiscreteScheduler", "c0ffee1234" + "0" * 54, {"impasto": "0.1.0", "torch": "2"}
)
PIXELS = np.random.default_rng(1).integers(0, 256, (48, 64, 3), np.uint8)


def written(path: Path, recipe: Recipe = RECIPE, pixels: np.ndarray = PIXELS) -> Path:
    png.write(path, png.encode(pixels, metadata.texts(recipe, pixels.shape[1], pixels.shape[0])))
    return path


def test_the_recipe_comes_back_out_of_the_file(tmp_path: Path) -> None:
    assert metadata.read_recipe(written(tmp_path / "a.png")) == RECIPE


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    prompt=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    seed=st.integers(0, 2**63 - 1),
    guidance=st.floats(0, 30),
)
def test_any_prompt_survives(tmp_path: Path, prompt: str, seed: int, guidance: float) -> None:
    request = dataclasses.replace(REQUEST, prompt=prompt, seed=seed, guidance=guidance)
    recipe = dataclasses.replace(RECIPE, request=request)
    assert metadata.read_recipe(written(tmp_path / "a.png", recipe)) == recipe


def test_the_parameters_are_in_the_form_other_tools_read(tmp_path: Path) -> None:
    with Image.open(written(tmp_path / "a.png")) as image:
        lines = image.info["parameters"].splitlines()
    assert lines[0] == "a red house, by the sea"
    assert lines[1] == "Negative prompt: blurry"
    assert lines[2] == (
        "Steps: 20, Sampler: Euler a, CFG scale: 7.5, Seed: 12345, Size: 64x48, Model hash: c0ffee1234, "
        'Model: pocket, Denoising strength: 0.75, Version: Impasto 0.1.0, Hashes: {"model": "c0ffee1234"}'
    )


def controlled(**changes: object) -> Recipe:
    """A recipe with two controls and a LoRA."""
    depth = InputRef("d" * 64, 64, 48, PixelFormat.DEPTH32F)
    request = dataclasses.replace(
        REQUEST,
        controls=(Control("scribble", REQUEST.mask, 0.8, 0.0, 0.5), Control("depth", depth)),
        loras=(Lora("ink, dark", 0.6),),
    )
    adapters = {"control scribble": "1" * 64, "control depth": "2" * 64, "lora ink, dark": "3" * 64}
    return dataclasses.replace(RECIPE, request=request, adapters=adapters, **changes)  # type: ignore[arg-type]


def test_controls_and_loras_come_back_out_of_the_file(tmp_path: Path) -> None:
    assert metadata.read_recipe(written(tmp_path / "a.png", controlled())) == controlled()


def test_controls_and_loras_are_named_as_other_tools_name_them() -> None:
    first, _, line = metadata.texts(controlled(), 64, 48)["parameters"].splitlines()
    assert first == "a red house, by the sea <lora:ink, dark:0.6>"
    for words in (
        'ControlNet 0: "Module: none, Model: scribble [1111111111], Weight: 0.8, '
        'Guidance Start: 0, Guidance End: 0.5", ControlNet 1: "Module: none, Model: depth [2222222222]',
        'Lora hashes: "ink, dark: 3333333333"',
        'Hashes: {"model": "c0ffee1234", "lora:ink, dark": "3333333333"}',
    ):
        assert words in line


@pytest.mark.parametrize(
    ("field", "value"),
    [("controls", [{"kind": "depth"}]), ("controls", 3), ("loras", [{"name": "ink", "strength": "much"}])],
)
def test_controls_that_make_no_sense_get_a_sentence(tmp_path: Path, field: str, value: object) -> None:
    text = metadata.texts(controlled(), 64, 48)
    table = json.loads(text["impasto"])
    table["recipe"]["request"][field] = value
    png.write(tmp_path / "a.png", png.encode(PIXELS, {"impasto": json.dumps(table)}))
    with pytest.raises(BadImage, match="cannot be read"):
        metadata.read_recipe(tmp_path / "a.png")


def test_a_recipe_of_an_impasto_without_controls_is_read(tmp_path: Path) -> None:
    table = json.loads(metadata.texts(RECIPE, 64, 48)["impasto"])
    del (
        table["recipe"]["request"]["controls"],
        table["recipe"]["request"]["loras"],
        table["recipe"]["adapters"],
    )
    png.write(tmp_path / "a.png", png.encode(PIXELS, {"impasto": json.dumps(table)}))
    assert metadata.read_recipe(tmp_path / "a.png") == RECIPE


def test_pictures_from_words_have_no_denoising_strength() -> None:
    recipe = dataclasses.replace(RECIPE, request=dataclasses.replace(REQUEST, image=None, mask=None))
    assert "Denoising" not in metadata.texts(recipe, 64, 48)["parameters"]


def test_the_source_type_says_what_a_model_painted(tmp_path: Path) -> None:
    whole = dataclasses.replace(RECIPE, request=dataclasses.replace(REQUEST, image=None, mask=None))
    with (
        Image.open(written(tmp_path / "a.png")) as part,
        Image.open(written(tmp_path / "b.png", whole)) as all_of_it,
    ):
        assert "/compositeWithTrainedAlgorithmicMedia<" in part.info["XML:com.adobe.xmp"]
        assert "/trainedAlgorithmicMedia<" in all_of_it.info["XML:com.adobe.xmp"]
        assert ElementTree.fromstring(part.info["XML:com.adobe.xmp"]) is not None  # well-formed


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3), (5, 7, 4)])
def test_pixels_come_out_as_they_went_in(tmp_path: Path, shape: tuple[int, ...], kind: type) -> None:
    import cv2

    pixels = np.random.default_rng(2).integers(0, np.iinfo(kind).max, shape, kind, endpoint=True)
    path = written(tmp_path / "a.png", pixels=pixels)
    read = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if len(shape) == 3:
        read = cv2.cvtColor(read, cv2.COLOR_BGR2RGB if shape[2] == 3 else cv2.COLOR_BGRA2RGBA)
    assert read.dtype == kind
    assert np.array_equal(read, pixels)
    assert metadata.read_recipe(path) == RECIPE


def test_a_picture_of_another_program_has_no_recipe(tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    with pytest.raises(BadImage, match="no recipe"):
        metadata.read_recipe(tmp_path / "a.png")


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"recipe": 3}', '{"recipe": {"request": {}}}', "[" * 100_000],
    ids=["empty", "list", "bare", "number", "hollow", "deep"],
)
def test_a_recipe_that_is_none_gets_a_sentence(tmp_path: Path, text: str) -> None:
    png.write(tmp_path / "a.png", png.encode(PIXELS, {"impasto": text}))
    with pytest.raises(BadImage):
        metadata.read_recipe(tmp_path / "a.png")


def test_a_field_of_the_wrong_kind_gets_a_sentence(tmp_path: Path) -> None:
    table = json.loads(metadata.texts(RECIPE, 64, 48)["impasto"])
    table["recipe"]["request"]["steps"] = "many"
    png.write(tmp_path / "a.png", png.encode(PIXELS, {"impasto": json.dumps(table)}))
    with pytest.raises(BadImage):
        metadata.read_recipe(tmp_path / "a.png")


def test_a_newer_versions_fields_are_passed_over(tmp_path: Path) -> None:
    table = json.loads(metadata.texts(RECIPE, 64, 48)["impasto"])
    table["recipe"]["request"]["mood"] = "blue"
    png.write(tmp_path / "a.png", png.encode(PIXELS, {"impasto": json.dumps(table)}))
    assert metadata.read_recipe(tmp_path / "a.png") == RECIPE


def test_a_full_disk_leaves_the_old_file_and_says_where_the_result_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"before")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("impasto_server.cli.png.os.fsync", full)
    with pytest.raises(DiskFull, match="impasto jobs fetch"):
        png.write(path, b"after")
    assert path.read_bytes() == b"before"
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize("name", ["out.jpg", "missing/out.png", "."])
def test_a_target_that_cannot_be_written_is_refused_before_painting(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadValue):
        png.check_target(tmp_path / name)
