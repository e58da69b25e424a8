"""What each task captures and requests. All that can stand against it has been checked in `plan`."""

from dataclasses import dataclass, replace
from typing import Optional, Tuple

from impasto_protocol.messages import Control, GenerateRequest, Lora, ModelInfo

from impasto_studio.boxes import around, expanded
from impasto_studio.geometry import Box
from impasto_studio.growing import context
from impasto_studio.host import Capture, Scene
from impasto_studio.intent import Intent

__all__ = ["MAKERS", "Plan", "upscaled"]

_SEEDS = 2**63


@dataclass(frozen=True)
class Plan:
    """One job, before its pixels are there."""

    document: str
    size: Tuple[int, int]  # of the document, px
    box: Box  # what all pictures of the job cover
    request: GenerateRequest  # its pictures are None yet
    capture: Optional[Capture] = None  # None: nothing is needed
    mask: str = ""  # what becomes of it: "selection", "outside" of the selection, "frame" around the document
    resize: Optional[Box] = None  # see `host.NewLayer`
    scale: bool = False
    grows: Optional[Box] = None  # what the pictures that grow show; None: unknown, or not worth showing
    selection: Optional[Box] = None  # the part of it that changes; None: all


def _request(intent: Intent, model: ModelInfo, seed: int) -> GenerateRequest:
    """All that does not depend on the task."""
    takes = max(1, intent.takes)
    chosen = intent.seed if intent.seed >= 0 else seed
    return GenerateRequest(
        intent.prompt.strip(),
        negative=intent.negative.strip(),
        model=model.model,
        steps=intent.steps,
        guidance=intent.guidance,
        seed=min(chosen, _SEEDS - takes),
        takes=takes,
        controls=tuple(Control(row.kind, None, row.strength, row.start, row.end) for row in intent.controls),
        loras=tuple(Lora(row.name, row.strength) for row in intent.loras),
    )


def _capture(intent: Intent, scene: Scene, box: Box, image: bool = True, mask: bool = False) -> Capture:
    return Capture(scene.document, box, image, mask, tuple(row.layer for row in intent.controls))


def _generate(intent: Intent, scene: Scene, model: ModelInfo, seed: int) -> Plan:
    request = replace(_request(intent, model, seed), width=scene.width, height=scene.height)
    capture = _capture(intent, scene, scene.box, image=False) if intent.controls else None
    return Plan(scene.document, scene.box.size, scene.box, request, capture, grows=scene.box)


def _repaint(
    intent: Intent,
    scene: Scene,
    model: ModelInfo,
    request: GenerateRequest,
    mask: str = "selection",
) -> Plan:
    """The selection, or what is outside of it."""
    size, selection = scene.box.size, scene.selection
    assert selection is not None
    if mask == "outside":
        capture = _capture(intent, scene, scene.box, mask=True)
        return Plan(scene.document, size, scene.box, request, capture, mask, grows=scene.box)
    box = around(selection, size, model.native_px)
    assert box is not None
    inside = selection.common(scene.box)
    assert inside is not None
    seen = context(inside.moved(-box.x, -box.y), box.size, model.native_px, request.strength)
    capture = _capture(intent, scene, box, mask=True)
    grows = seen.moved(box.x, box.y)
    return Plan(scene.document, size, box, request, capture, mask, grows=grows, selection=inside)


def _generate_in_selection(intent: Intent, scene: Scene, model: ModelInfo, seed: int) -> Plan:
    request = replace(_request(intent, model, seed), fill="neutral", strength=1.0)
    return _repaint(intent, scene, model, request)


def _fill(intent: Intent, scene: Scene, model: ModelInfo, seed: int) -> Plan:
    """By strength the server continues the surroundings, or keeps what is there."""
    request = replace(_request(intent, model, seed), strength=intent.fill_strength)
    return _repaint(intent, scene, model, request)


def _add(intent: Intent, scene: Scene, model: ModelInfo, seed: int) -> Plan:
    request = replace(_request(intent, model, seed), strength=intent.fill_strength, fill="neutral")
    return _repaint(intent, scene, model, request)


def _remove(intent: Intent, scene: Scene, model: ModelInfo, seed: int) -> Plan:
    """What the artist names is what shall go: it is the negative prompt."""
    request = _request(intent, model, seed)
    negative = ", ".join(text for text in (request.prompt, request.negative) if text)
    request = replace(request, prompt="", negative=negative, strength=intent.fill_strength, fill="border")
    return _repaint(intent, scene, model, request)


def _replace_background(intent: Intent, scene: Scene, model: ModelInfo, seed: int) -> Plan:
    request = replace(_request(intent, model, seed), strength=intent.fill_strength)
    return _repaint(intent, scene, model, request, mask="outside")


def _expand(intent: Intent, scene: Scene, model: ModelInfo, seed: int) -> Plan:
    """The surroundings are empty, so they are always filled from the picture's border first."""
    request = replace(_request(intent, model, seed), strength=intent.fill_strength, fill="border")
    box = expanded(scene.box.size, intent.margins)
    capture = _capture(intent, scene, box)
    return Plan(scene.document, scene.box.size, box, request, capture, "frame", box, grows=box)


def _refine(intent: Intent, scene: Scene, model: ModelInfo, seed: int) -> Plan:
    request = replace(_request(intent, model, seed), strength=intent.refine_strength)
    if scene.selection is not None:
        return _repaint(intent, scene, model, replace(request, fill="none"))
    capture = _capture(intent, scene, scene.box)
    return Plan(scene.document, scene.box.size, scene.box, request, capture, grows=scene.box)


def _upscale(intent: Intent, scene: Scene, model: ModelInfo, seed: int) -> Plan:
    """One take, without controls and LoRAs: it adds detail to what is there. It grows in tiles, unseen."""
    width, height = upscaled(intent, scene)
    request = _request(replace(intent, controls=(), loras=(), takes=1), model, seed)
    request = replace(request, width=width, height=height, strength=intent.upscale_strength)
    capture = Capture(scene.document, scene.box)
    resize = Box(0, 0, width, height)
    return Plan(scene.document, scene.box.size, scene.box, request, capture, resize=resize, scale=True)


def upscaled(intent: Intent, scene: Scene) -> Tuple[int, int]:
    """Width and height of "upscale"."""
    return round(scene.width * intent.scale), round(scene.height * intent.scale)


MAKERS = {
    "generate": _generate,
    "generate in selection": _generate_in_selection,
    "fill": _fill,
    "add": _add,
    "remove": _remove,
    "replace background": _replace_background,
    "expand": _expand,
    "refine": _refine,
    "upscale": _upscale,
}
