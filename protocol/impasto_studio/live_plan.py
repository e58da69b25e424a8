"""What live previews follow and what they show, or the sentence why there are none.

Pure: the same arguments give the same plan.
"""

from dataclasses import dataclass
from math import floor, sqrt
from typing import Optional, Tuple, Union

from impasto_protocol.messages import LiveControl, LiveRequest, Lora

from impasto_studio.geometry import Box
from impasto_studio.growing import context
from impasto_studio.host import Scene, Watch
from impasto_studio.intent import Intent
from impasto_studio.plan import Possible, adapter_trouble, no_document, no_such_model, too_small
from impasto_studio.styles import Style, styled
from impasto_studio.texts import tr

__all__ = ["LivePlan", "layer_role", "live_steps_run", "plan_live", "working_size"]

GRID_PX = 8  # of the latents of most model families
LARGEST_PX = 2048  # side of a square as large as the previews
_LONGEST_SHARE = 2  # a side, of the square's: models lose themselves in longer strips


@dataclass(frozen=True)
class LivePlan:
    """One way of following the drawing, before there are canvases for it."""

    watch: Watch
    request: LiveRequest  # its canvases are named by role: IMAGE, MASK, and `layer_role` of each control

    IMAGE = "image"
    MASK = "mask"

    @property
    def size(self) -> Tuple[int, int]:
        return self.watch.width, self.watch.height


def layer_role(layer: str) -> str:
    """The role of what a control row follows. What the artist sees is the picture itself, sent once."""
    return f"layer {layer}" if layer else LivePlan.IMAGE


def plan_live(
    intent: Intent, scene: Optional[Scene], possible: Possible, style: Optional[Style]
) -> Union[LivePlan, str]:
    """The plan, or why there is none."""
    if scene is None:
        return no_document()
    model = possible.model_for(intent, style)
    if model is None:
        return no_such_model(intent)
    wanted = styled(intent, style, model)
    if not possible.live:
        return tr("This server cannot follow the drawing. Bring Impasto's server up to date.")
    if "live" not in model.capabilities or (scene.selection is not None and "mask" not in model.capabilities):
        return tr("“{model}” cannot do this. Choose another model.", model=model.title)
    inside = scene.box if scene.selection is None else scene.selection.common(scene.box)
    if inside is None:
        return tr("The selection lies outside of the document. Select a part of the picture.")
    if wanted.live_strength >= 1.0 and not wanted.prompt.strip():
        return tr("Write what the picture shall show, or lower the strength.")
    trouble = too_small(scene) or adapter_trouble(wanted, scene, model, possible.limits)
    if trouble:
        return trouble
    box = scene.box
    if scene.selection is not None:
        box = context(inside, scene.box.size, model.native_px, 1.0)
    side = min(wanted.live_px or model.native_px, LARGEST_PX, possible.limits.canvas_px // _LONGEST_SHARE)
    width, height = working_size(box, side)
    masked = scene.selection is not None
    watch = Watch(scene.document, box, width, height, masked, tuple(row.layer for row in wanted.controls))
    request = LiveRequest(
        canvas=LivePlan.IMAGE,
        prompt=wanted.prompt.strip(),
        mask=LivePlan.MASK if masked else "",
        controls=tuple(
            LiveControl(row.kind, layer_role(row.layer), row.strength, row.start, row.end)
            for row in wanted.controls
        ),
        loras=tuple(Lora(row.name, row.strength) for row in wanted.loras),
        negative=wanted.negative.strip(),
        model=model.model,
        longest_px=max(width, height),
        steps=min(wanted.live_steps, possible.limits.steps),
        seed=wanted.live_seed,
        strength=wanted.live_strength,
    )
    return LivePlan(watch, request)


def live_steps_run(intent: Intent) -> int:
    """Denoising steps of a preview; 0: as few as the model bears, which it knows alone.

    Mirrors `_part` of the server's engine/live.py.
    """
    steps = intent.live_steps
    return max(floor(steps * intent.live_strength + 0.5), 1) if steps else 0


def working_size(box: Box, side_px: int) -> Tuple[int, int]:
    """Width and height of the box's proportions, nearly as large as a square of this side, on the grid."""
    ratio = sqrt(box.width / box.height)
    ratio = max(1 / _LONGEST_SHARE, min(ratio, _LONGEST_SHARE))
    return _on_grid(side_px * ratio), _on_grid(side_px / ratio)


def _on_grid(length: float) -> int:
    return max(GRID_PX, round(length / GRID_PX) * GRID_PX)
