"""What a client may ask for: the checks that need no engine, made before anything is accepted."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from impasto_protocol.errors import BadImage, BadValue, EmptyMask, EmptyPrompt, UnknownModel
from impasto_protocol.messages import (
    FILL_MODES,
    NOTE_BYTES,
    THUMBNAIL_PX,
    URGENCIES,
    Control,
    GenerateRequest,
    Limits,
    LiveControl,
    LiveRequest,
    Lora,
    ModelInfo,
    Pixels,
    Submit,
)
from impasto_protocol.rasters import PixelFormat

from impasto_server.controls import check_kind
from impasto_server.front.demands import (
    IMAGE_FORMATS,
    LONGEST_PROMPT,
    SMALLEST_PX,
    Picture,
    check_picture,
    check_size,
    demand,
)
from impasto_server.front.texture_requests import check_texture, check_texture_inputs

__all__ = [
    "check_inputs",
    "check_live",
    "check_live_model",
    "check_live_pictures",
    "check_model",
    "check_note",
    "check_submit",
    "check_thumbnail",
]

LAST_SEED = 2**63 - 1
MOST_GUIDANCE = 100.0
_JOB = re.compile(r"[0-9a-f]{32}")
MOST_CONTROL = 2.0
MOST_LORA = 4.0
MOST_NAMED = 12  # of what there is, in a sentence
LONGEST_QUOTE = 60
LONGEST_NAME = 200  # of a kind or a LoRA
LONGEST_ID = 64  # characters of a live session's name
MOST_LIVE_PX = 2048  # of a preview's longer side: three bytes a pixel have to fit a channel frame
_LIVE_FORMATS = (PixelFormat.RGB8, PixelFormat.RGBA8)
_CONTROL_FORMATS = (*IMAGE_FORMATS, PixelFormat.GRAY8, PixelFormat.GRAY16, PixelFormat.DEPTH32F)


def check_submit(submit: Submit, limits: Limits) -> None:
    """The words and numbers of a request. Raises `BadValue` or `EmptyPrompt`."""
    request = submit.generate
    demand(bool(_JOB.fullmatch(submit.job)), "A job's id must be 32 hex digits.")
    demand(submit.urgency in URGENCIES, f"Urgency must be one of {', '.join(URGENCIES)}.")
    check_note(submit.note)
    demand(request.fill in ("", *FILL_MODES), f"Fill must be one of {', '.join(FILL_MODES)}.")
    _check_words(request)
    for name, side in (("width", request.width), ("height", request.height)):
        demand(
            side == 0 or SMALLEST_PX <= side <= limits.canvas_px,
            f"The {name} must be from {SMALLEST_PX} to {limits.canvas_px} pixels, not {side}.",
        )
    demand(
        0 <= request.steps <= limits.steps, f"Steps must be from 1 to {limits.steps}, not {request.steps}."
    )
    demand(
        1 <= request.takes <= limits.takes, f"Takes must be from 1 to {limits.takes}, not {request.takes}."
    )
    demand(request.seed + request.takes - 1 <= LAST_SEED, "The seed is too large. Choose one below 2^63.")
    _check_adapters(request.controls, request.loras, limits)
    if request.texture is not None:
        check_texture(request, request.texture, limits)
        return
    for control in request.controls:
        demand(control.image is not None, f"The control “{control.kind}” needs an image. Send it too.")
    if request.make_map:
        check_kind(request.make_map)
        demand(request.image is not None, "A control map is made from a picture. Send the picture as well.")
    if request.mask is not None and request.image is None:
        raise BadValue("A mask needs an image. Send the picture that is to be repainted too.")
    if request.image is None and not request.prompt.strip():
        raise EmptyPrompt("The prompt is empty. Write what the picture should show.")


def check_note(note: str) -> None:
    """Raises `BadValue` for one that is too long."""
    demand(
        len(note.encode("utf-8", "surrogatepass")) <= NOTE_BYTES,
        f"The program keeps more than {NOTE_BYTES >> 10} KiB with this picture. Update the program.",
    )


def check_thumbnail(longest_px: int) -> None:
    """Raises `BadValue`."""
    smallest, largest = THUMBNAIL_PX
    demand(
        smallest <= longest_px <= largest,
        f"A thumbnail's longer side must be from {smallest} to {largest} pixels, not {longest_px}.",
    )


def check_live(live: str, request: LiveRequest, limits: Limits) -> None:
    """The words and numbers of a live session. Raises `BadValue`."""
    demand(1 <= len(live) <= LONGEST_ID, f"The name of a live session has 1 to {LONGEST_ID} characters.")
    _check_words(request)
    demand(
        request.longest_px == 0 or SMALLEST_PX <= request.longest_px <= MOST_LIVE_PX,
        f"A live preview's longer side must be from {SMALLEST_PX} to {MOST_LIVE_PX} pixels, "
        f"not {request.longest_px}.",
    )
    for name, steps, least in (("Steps", request.steps, 0), ("Refining", request.refine_steps, -1)):
        demand(
            least <= steps <= limits.steps, f"{name} must take from 1 to {limits.steps} steps, not {steps}."
        )
    demand(0 <= request.seed <= LAST_SEED, "The seed must be from 0 to 2^63 - 1.")
    _check_adapters(request.controls, request.loras, limits)


def _check_words(request: GenerateRequest | LiveRequest) -> None:
    """What a job and a live session have in common."""
    for name, text in (("prompt", request.prompt), ("negative prompt", request.negative)):
        demand(len(text) <= LONGEST_PROMPT, f"The {name} is longer than {LONGEST_PROMPT} characters.")
    demand(
        math.isfinite(request.guidance) and request.guidance <= MOST_GUIDANCE,
        f"Guidance must be from 0 to {MOST_GUIDANCE:.0f}, not {request.guidance}.",
    )
    demand(0.0 <= request.strength <= 1.0, f"Strength must be from 0 to 1, not {request.strength}.")


def _check_adapters(controls: Sequence[Control | LiveControl], loras: Sequence[Lora], limits: Limits) -> None:
    for what, held, most in (("controls", controls, limits.controls), ("LoRAs", loras, limits.loras)):
        demand(len(held) <= most, f"A picture may have {most} {what} at most, not {len(held)}.")
    for control in controls:
        demand(1 <= len(control.kind) <= LONGEST_NAME, "A control needs the name of its kind.")
        demand(
            0.0 <= control.strength <= MOST_CONTROL,
            f"The strength of “{control.kind}” must be from 0 to {MOST_CONTROL:.0f}, not {control.strength}.",
        )
        demand(
            0.0 <= control.start < control.end <= 1.0,
            f"“{control.kind}” must start before it ends, both from 0 to 1, not from {control.start} to "
            f"{control.end}.",
        )
    for lora in loras:
        demand(1 <= len(lora.name) <= LONGEST_NAME, "A LoRA needs a name.")
        demand(
            -MOST_LORA <= lora.strength <= MOST_LORA,
            f"The strength of “{lora.name}” must be from -{MOST_LORA:.0f} to {MOST_LORA:.0f}, "
            f"not {lora.strength}.",
        )
    names = [lora.name for lora in loras]
    demand(len(set(names)) == len(names), "A LoRA is named twice. Name it once.")


def check_model(request: GenerateRequest, models: tuple[ModelInfo, ...]) -> None:
    """Raises `UnknownModel`. While no worker has said what there is, `models` is empty; the engine checks."""
    if not models or not request.needs_model:
        return
    chosen = _chosen(request, models)
    if request.texture is not None:
        _demand_capability(chosen, "texture", "textures", models)


def check_live_model(request: LiveRequest, models: tuple[ModelInfo, ...]) -> None:
    """Raises `UnknownModel`, also for one that is too slow for live previews. See `check_model`."""
    if not models:
        return
    _demand_capability(_chosen(request, models), "live", "live previews", models)


def _demand_capability(chosen: ModelInfo, capability: str, what: str, models: tuple[ModelInfo, ...]) -> None:
    if capability not in chosen.capabilities:
        there = ", ".join(sorted(model.title for model in models if capability in model.capabilities))
        advice = f"Choose one that can: {there}." if there else "No model here can."
        raise UnknownModel(f"“{chosen.title}” cannot paint {what}. {advice}")


def _chosen(request: GenerateRequest | LiveRequest, models: tuple[ModelInfo, ...]) -> ModelInfo:
    chosen = next((model for model in models if model.model == request.model), None)
    if chosen is None:
        names = ", ".join(sorted(model.model for model in models))
        raise UnknownModel(f"There is no model {request.model!r} here. There are: {names}.")
    for what, wanted, held, folder in (
        ("ControlNet for", [control.kind for control in request.controls], chosen.controls, "controlnets"),
        ("LoRA", [lora.name for lora in request.loras], chosen.loras, "loras"),
    ):
        missing = next((name for name in wanted if name not in held), None)
        if missing is not None:
            there = f"There are: {', '.join(held[:MOST_NAMED])}." if held else "There is none yet."
            raise UnknownModel(
                f"“{chosen.title}” has no {what} “{missing[:LONGEST_QUOTE]}”. {there} Put one that was made "
                f"for this kind of model into {folder}/ in Impasto's folder."
            )
    return chosen


def check_inputs(request: GenerateRequest, pictures: Mapping[str, Picture], limits: Limits) -> None:
    """The pictures of a request by role, as handed in or as kept. Reads the mask's bytes: not for the event
    loop.

    Raises `BadImage`, `SizeMismatch` or `EmptyMask`.
    """
    if request.texture is not None:
        check_texture_inputs(request.texture, pictures, limits)
        return
    image, mask = pictures.get("image"), pictures.get("mask")
    if image is not None:
        check_picture("image", image, IMAGE_FORMATS, limits)
    _check_controls(request, pictures, limits)
    if mask is None or image is None:
        return
    check_picture("mask", mask, (PixelFormat.GRAY8,), limits)
    check_size("mask", mask, image.width, image.height)
    if isinstance(mask, Pixels) and mask.data is not None and bytes(mask.data).count(0) == len(mask.data):
        raise EmptyMask("The mask is empty, so there is nothing to repaint. Select the part to change.")


def check_live_pictures(request: LiveRequest, pictures: Mapping[str, Pixels], limits: Limits) -> None:
    """The canvases of a live session, by the roles of a job's pictures. Raises `BadImage`, `SizeMismatch`."""
    image, mask = pictures["image"], pictures.get("mask")
    check_picture("picture", image, _LIVE_FORMATS, limits)
    if min(image.width, image.height) < SMALLEST_PX:
        raise BadImage(f"A picture for live previews has at least {SMALLEST_PX} pixels on each side.")
    if mask is not None:
        check_picture("mask", mask, (PixelFormat.GRAY8,), limits)
        check_size("mask", mask, image.width, image.height)
    for number, control in enumerate(request.controls, 1):
        picture = pictures[f"control {number}"]
        check_picture(f"“{control.kind}” image", picture, _CONTROL_FORMATS, limits)
        check_size(f"“{control.kind}” image", picture, image.width, image.height)


def _check_controls(request: GenerateRequest, pictures: Mapping[str, Picture], limits: Limits) -> None:
    """Formats, and that all have the picture's size: the image's, the one asked for, or their own."""
    image = pictures.get("image")
    width, height = (image.width, image.height) if image is not None else (request.width, request.height)
    for number, control in enumerate(request.controls, 1):
        picture = pictures[f"control {number}"]
        check_picture(f"“{control.kind}” image", picture, _CONTROL_FORMATS, limits)
        width, height = width or picture.width, height or picture.height
        check_size(f"“{control.kind}” image", picture, width, height)
