"""The image mathematics around a diffusion model, in numpy and OpenCV: no torch, no other part of Impasto.

``inpaint`` ties it together and is the contract with the engine; the other modules are its rooms.
"""

from impasto_server.compositing.composite import alpha_over, as_layer, composite
from impasto_server.compositing.errors import (
    BadGeneration,
    CompositingError,
    EmptyMask,
    MaskSizeMismatch,
    UnknownFill,
    UnsupportedRaster,
)
from impasto_server.compositing.fill import FILL_MODES, default_fill
from impasto_server.compositing.finish import InpaintResult
from impasto_server.compositing.geometry import Box
from impasto_server.compositing.inpaint import InpaintPlan, WorkPass, finish_inpaint, hires_pass, plan_inpaint
from impasto_server.compositing.masks import release_thresholds
from impasto_server.compositing.metrics import InpaintMetrics

__all__ = [
    "FILL_MODES",
    "BadGeneration",
    "Box",
    "CompositingError",
    "EmptyMask",
    "InpaintMetrics",
    "InpaintPlan",
    "InpaintResult",
    "MaskSizeMismatch",
    "UnknownFill",
    "UnsupportedRaster",
    "WorkPass",
    "alpha_over",
    "as_layer",
    "composite",
    "default_fill",
    "finish_inpaint",
    "hires_pass",
    "plan_inpaint",
    "release_thresholds",
]
