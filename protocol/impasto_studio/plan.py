"""From what the artist asks for to what is captured and requested, or the sentence why not.

Pure: the same arguments give the same plan.
"""

from dataclasses import dataclass, replace
from math import ceil
from typing import Optional, Tuple, Union

from impasto_protocol.messages import GenerateRequest, Limits, ModelInfo

from impasto_studio.host import Capture, Scene
from impasto_studio.intent import Intent
from impasto_studio.styles import Style, styled
from impasto_studio.tasks import MAKERS, Plan, upscaled
from impasto_studio.texts import tr

__all__ = [
    "Possible",
    "adapter_trouble",
    "no_document",
    "no_such_model",
    "plan_job",
    "plan_map",
    "start_text",
    "steps_run",
    "too_small",
]

SMALLEST_PX = 16  # as the server's front has it
LARGEST_AREA_PX = 128 << 20  # of one picture: more does not fit into the memory of a usual machine
_LEAST_STEPS = 4  # see `steps_run`
_LONGEST_SCHEDULE = 1000


@dataclass(frozen=True)
class Possible:
    """What the connected server can do."""

    limits: Limits
    models: Tuple[ModelInfo, ...]
    maps: Tuple[str, ...] = ()
    live: bool = False  # it can follow a drawing

    def model_for(self, intent: Intent, style: Optional[Style]) -> Optional[ModelInfo]:
        """The model the intent names, None if it is gone; else the style's if it is there, or the first."""
        by_name = {model.model: model for model in self.models}
        if intent.model:
            return by_name.get(intent.model)
        first = next(iter(self.models), None)
        return by_name.get(style.model, first) if style is not None else first


def plan_job(
    intent: Intent, scene: Optional[Scene], possible: Possible, style: Optional[Style], seed: int
) -> Union[Plan, str]:
    """The plan, or why there is none. `seed` counts when the intent has none."""
    if scene is None:
        return no_document()
    model = possible.model_for(intent, style)
    if model is None:
        return no_such_model(intent)
    wanted = styled(intent, style, model)
    wanted = replace(wanted, takes=min(wanted.takes, possible.limits.takes))
    trouble = _trouble(wanted, scene, model, possible)
    if trouble:
        return trouble
    plan = MAKERS[_task(wanted, scene)](wanted, scene, model, seed)
    return _too_large(plan, possible.limits) or plan


def plan_map(kind: str, scene: Optional[Scene], possible: Possible) -> Union[Plan, str]:
    """The control map of a kind, made from what the artist sees."""
    if scene is None:
        return no_document()
    if kind not in possible.maps:
        return tr("The server cannot make “{kind}” from a picture. Draw it on a layer.", kind=kind)
    request = GenerateRequest("", model=possible.models[0].model if possible.models else "", make_map=kind)
    capture = Capture(scene.document, scene.box)
    plan = Plan(scene.document, scene.box.size, scene.box, request, capture)
    return _too_large(plan, possible.limits) or plan


def start_text(intent: Intent, scene: Optional[Scene]) -> str:
    """What the main button says."""
    selected = scene is not None and scene.selection is not None
    if intent.mode == "upscale":
        if scene is None:
            return tr("Upscale")
        width, height = upscaled(intent, scene)
        return tr("Upscale to {width} × {height}", width=width, height=height)
    if intent.mode == "fill":
        return {
            "expand": tr("Expand"),
            "add": tr("Add in selection"),
            "remove": tr("Remove selection"),
            "replace background": tr("Replace background"),
        }.get(intent.action, tr("Fill selection"))
    if intent.mode == "refine":
        return tr("Refine selection") if selected else tr("Refine")
    return tr("Generate in selection") if selected else tr("Generate")


def steps_run(intent: Intent, model: Optional[ModelInfo]) -> int:
    """Denoising steps that the strength at hand really runs; 0 when that is unknown or none.

    Mirrors `schedule` of the server's engine/painting.py: a weak strength is the end of a longer schedule.
    """
    steps = intent.steps or (model.default_steps if model is not None else 0)
    strength = intent.strength
    if strength >= 1.0 or steps == 0:
        return steps
    if strength <= 0.0:
        return 0
    total = min(max(steps, ceil(min(_LEAST_STEPS, steps) / strength - 1e-9)), _LONGEST_SCHEDULE)
    return max(total - round(total * (1.0 - strength)), 1)


# ── what stands against it ───────────────────────────────────────────────────────────────────────────────


def no_document() -> str:
    return tr("Open or create a document first.")


def no_such_model(intent: Intent) -> str:
    return tr("The model “{model}” is not there any more. Choose another.", model=intent.model)


def too_small(scene: Scene) -> str:
    """The sentence, or nothing."""
    if min(scene.width, scene.height) >= SMALLEST_PX:
        return ""
    return tr("The document is too small. Make it at least {size} × {size} pixels large.", size=SMALLEST_PX)


def _task(intent: Intent, scene: Scene) -> str:
    """Which of `tasks.MAKERS`: the mode, and for a fill its action."""
    if intent.mode == "fill":
        return intent.action
    if intent.mode == "generate" and scene.selection is not None:
        return "generate in selection"
    return intent.mode


def _trouble(intent: Intent, scene: Scene, model: ModelInfo, possible: Possible) -> str:
    """The sentence, or nothing."""
    task = _task(intent, scene)
    if too_small(scene):
        return too_small(scene)
    if task in ("fill", "add", "remove", "replace background") and scene.selection is None:
        return {
            "add": tr("Select where something shall be added."),
            "remove": tr("Select what shall be removed."),
            "replace background": tr("Select what stays: all around it is repainted."),
        }.get(task, tr("Select the part to repaint."))
    if (
        scene.selection is not None
        and scene.selection.common(scene.box) is None
        and task not in ("expand", "upscale")
    ):
        return tr("The selection lies outside of the document. Select a part of the picture.")
    if (
        task in ("generate", "generate in selection", "add", "replace background")
        and not intent.prompt.strip()
    ):
        return tr("Write what the picture shall show.")
    if intent.steps > possible.limits.steps:
        return tr("The server runs {limit} steps at most. Lower the number.", limit=possible.limits.steps)
    needed = {"generate": "text", "refine": "mask" if scene.selection else "image", "upscale": "upscale"}
    if needed.get(task, "mask") not in model.capabilities:
        return tr("“{model}” cannot do this. Choose another model.", model=model.title)
    return "" if task == "upscale" else adapter_trouble(intent, scene, model, possible.limits)


def adapter_trouble(intent: Intent, scene: Scene, model: ModelInfo, limits: Limits) -> str:
    """What stands against the controls and LoRAs: the sentence, or nothing."""
    layers = {entry.layer for entry in scene.layers} | {""}
    for row in intent.controls:
        if row.kind not in model.controls:
            return tr(
                "“{model}” has no ControlNet for “{kind}”. Remove the row, or choose another model.",
                model=model.title,
                kind=row.kind,
            )
        if row.layer not in layers:
            return tr("The layer of the control “{kind}” is gone. Choose another one.", kind=row.kind)
        if not row.start < row.end:
            return tr("The control “{kind}” must start before it ends. Change its range.", kind=row.kind)
    for lora in intent.loras:
        if lora.name not in model.loras:
            return tr(
                "“{model}” has no LoRA “{name}”. Remove it, or choose another model.",
                model=model.title,
                name=lora.name,
            )
    if len({lora.name for lora in intent.loras}) != len(intent.loras):
        return tr("A LoRA is named twice. Remove one of the two.")
    if len(intent.controls) > limits.controls or len(intent.loras) > limits.loras:
        return tr(
            "The server takes {controls} controls and {loras} LoRAs at most. Remove some.",
            controls=limits.controls,
            loras=limits.loras,
        )
    return ""


def _too_large(plan: Plan, limits: Limits) -> str:
    """Sizes against what the server accepts: the sentence, or nothing."""
    sides = (*plan.box.size, plan.request.width, plan.request.height)
    if max(sides) > limits.canvas_px:
        return tr(
            "This is {size} pixels long, and the server takes {limit}. Work on a smaller part or document.",
            size=max(sides),
            limit=limits.canvas_px,
        )
    width, height = plan.request.width or plan.box.width, plan.request.height or plan.box.height
    if width * height > LARGEST_AREA_PX:
        return tr(
            "This is {size} megapixels, and Impasto paints {limit} at once. Select a smaller part.",
            size=-(-width * height >> 20),
            limit=LARGEST_AREA_PX >> 20,
        )
    rasters = _rasters(plan)
    if rasters * plan.box.area > limits.canvas_bytes:
        return tr(
            "This needs {size} MiB on the server, and it takes {limit}. Select a smaller part.",
            size=-(-rasters * plan.box.area >> 20),
            limit=limits.canvas_bytes >> 20,
        )
    return ""


def _rasters(plan: Plan) -> int:
    """Bytes per pixel of the box that go to the server."""
    image = plan.capture is not None and plan.capture.image
    return 4 * (image + len(plan.request.controls)) + (1 if plan.mask else 0)
