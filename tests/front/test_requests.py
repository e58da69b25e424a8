"""What a request may say of control images and LoRAs, and the sentence for what it may not."""

from __future__ import annotations

import dataclasses
from dataclasses import replace

import pytest
from impasto_protocol.errors import BadImage, BadValue, ImpastoError, SizeMismatch, UnknownModel
from impasto_protocol.messages import CanvasRef, Control, GenerateRequest, Lora, ModelInfo, Pixels, Submit
from impasto_protocol.rasters import PixelFormat, raster_size
from impasto_server.config import DEFAULT_LIMITS
from impasto_server.front.requests import check_inputs, check_model, check_submit

JOB = "0" * 32
CANVAS = CanvasRef("c", 1)
SCRIBBLE = Control("scribble", CANVAS)
LIMITS = dataclasses.replace(DEFAULT_LIMITS, controls=2, loras=2)
MODEL = ModelInfo("pocket", "Pocket", "sd15", 256, 20, 3.0, ("text",), ("scribble", "depth"), ("ink",))


def pixels(width: int, height: int, format: PixelFormat = PixelFormat.GRAY8) -> Pixels:
    return Pixels(width, height, format, bytes(raster_size(width, height, format)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"controls": (SCRIBBLE,) * 3}, "2 controls at most, not 3"),
        ({"loras": (Lora("a"), Lora("b"), Lora("c"))}, "2 LoRAs at most, not 3"),
        ({"controls": (Control("scribble"),)}, "needs an image"),
        ({"controls": (Control("", CANVAS),)}, "name of its kind"),
        ({"controls": (replace(SCRIBBLE, strength=2.01),)}, "from 0 to 2, not 2.01"),
        ({"controls": (replace(SCRIBBLE, strength=-0.1),)}, "from 0 to 2"),
        ({"controls": (replace(SCRIBBLE, strength=float("nan")),)}, "from 0 to 2"),
        ({"controls": (replace(SCRIBBLE, start=0.6, end=0.6),)}, "start before it ends"),
        ({"controls": (replace(SCRIBBLE, start=-0.1),)}, "start before it ends"),
        ({"controls": (replace(SCRIBBLE, end=1.1),)}, "start before it ends"),
        ({"controls": (replace(SCRIBBLE, end=float("nan")),)}, "start before it ends"),
        ({"loras": (Lora("ink", 4.1),)}, "from -4 to 4, not 4.1"),
        ({"loras": (Lora("ink", float("inf")),)}, "from -4 to 4"),
        ({"loras": (Lora(""),)}, "needs a name"),
        ({"loras": (Lora("ink"), Lora("ink", 0.5))}, "named twice"),
    ],
)
def test_numbers_and_names_out_of_bounds_get_a_sentence(change: dict[str, object], words: str) -> None:
    request = replace(GenerateRequest("x"), **change)  # type: ignore[arg-type]
    with pytest.raises(BadValue, match=words) as refused:
        check_submit(Submit(JOB, request), LIMITS)
    assert refused.value.sentence.endswith(".")


@pytest.mark.parametrize("strength", [0.0, 2.0])
def test_the_bounds_themselves_are_allowed(strength: float) -> None:
    controls = (replace(SCRIBBLE, strength=strength, start=0.0, end=1.0), SCRIBBLE)
    request = GenerateRequest("x", controls=controls, loras=(Lora("ink", -4.0), Lora("wash", 4.0)))
    check_submit(Submit(JOB, request), LIMITS)


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (
            GenerateRequest("x", controls=(Control("pose", CANVAS),)),
            "no ControlNet for “pose”. There are: scribble",
        ),
        (GenerateRequest("x", loras=(Lora("ink"), Lora("pen"))), "no LoRA “pen”. There are: ink"),
    ],
)
def test_what_the_model_does_not_have_is_named_with_what_it_has(
    request_: GenerateRequest, words: str
) -> None:
    with pytest.raises(UnknownModel, match=words):
        check_model(request_, (MODEL,))
    check_model(request_, ())  # no worker has said what there is: the engine will


def test_where_there_is_none_the_sentence_says_where_to_put_it() -> None:
    bare = replace(MODEL, controls=(), loras=())
    with pytest.raises(UnknownModel, match=r"There is none yet.*controlnets/"):
        check_model(GenerateRequest("x", controls=(SCRIBBLE,)), (bare,))
    with pytest.raises(UnknownModel, match=r"There is none yet.*loras/"):
        check_model(GenerateRequest("x", loras=(Lora("ink"),)), (bare,))


@pytest.mark.parametrize("format", list(PixelFormat))
def test_control_images_come_in_every_format(format: PixelFormat) -> None:
    request = GenerateRequest("x", controls=(Control("depth", CANVAS),))
    check_inputs(request, {"control 1": pixels(8, 6, format)}, LIMITS)


@pytest.mark.parametrize(
    ("size", "image", "first", "second", "error", "words"),
    [
        ((0, 0), (8, 6), (8, 7), None, SizeMismatch, "8×7 pixels and the picture 8×6"),
        ((0, 0), None, (8, 6), (6, 8), SizeMismatch, "6×8 pixels and the picture 8×6"),
        ((16, 16), None, (8, 6), None, SizeMismatch, "8×6 pixels and the picture 16×16"),
        ((16, 0), None, (8, 6), None, SizeMismatch, "16×6"),
        ((0, 0), None, (4096, 1), None, BadImage, "each side must be from 1 to 2048"),
    ],
)
def test_control_images_have_the_picture_s_size(
    size: tuple[int, int],
    image: tuple[int, int] | None,
    first: tuple[int, int],
    second: tuple[int, int] | None,
    error: type[ImpastoError],
    words: str,
) -> None:
    pictures = {"control 1": pixels(*first)}
    if image is not None:
        pictures["image"] = pixels(*image, PixelFormat.RGB8)
    if second is not None:
        pictures["control 2"] = pixels(*second)
    controls = (SCRIBBLE, Control("depth", CANVAS))[: 1 if second is None else 2]
    request = GenerateRequest("x", width=size[0], height=size[1], controls=controls)
    with pytest.raises(error, match=words):
        check_inputs(request, pictures, replace(LIMITS, canvas_px=2048))


def test_bytes_that_do_not_make_the_control_image_are_refused() -> None:
    with pytest.raises(BadImage, match="“scribble” image"):
        check_inputs(
            GenerateRequest("x", controls=(SCRIBBLE,)),
            {"control 1": Pixels(8, 8, PixelFormat.GRAY8, b"short")},
            LIMITS,
        )
