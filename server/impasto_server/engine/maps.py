"""Control maps as results: no model is loaded, and nothing is drawn by chance."""

from __future__ import annotations

import cv2
import numpy as np
from impasto_protocol.messages import GenerateRequest, LayerInfo, Recipe
from impasto_protocol.rasters import PixelFormat

from impasto_server import __version__
from impasto_server.controls import control_map
from impasto_server.engine.interface import Layer
from impasto_server.engine.layers import Canvas

__all__ = ["make_map"]


def make_map(request: GenerateRequest, canvas: Canvas) -> Layer:
    """The map `request.make_map` of the canvas, GRAY8, at its size. Raises `BadValue` for an unknown kind."""
    width, height = canvas.size
    lines = np.ascontiguousarray(control_map(request.make_map, canvas.pixels))[:, :, None]
    # Only what decides the map, so that equal maps have equal recipes.
    made = GenerateRequest(
        "", model="", width=width, height=height, seed=0, image=request.image, make_map=request.make_map
    )
    software = {"impasto": __version__, "opencv": str(cv2.__version__)}
    info = LayerInfo(request.make_map, 0, 0, width, height, PixelFormat.GRAY8, Recipe(made, "", "", software))
    return Layer(info, lines)
