"""F12: a render engine that paints the frame as the Render panel says. It does something only for artists who
choose it in the Render properties.
"""

import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy
import numpy
from impasto_studio.texts import tr

from .plugin import Impasto, begin, impasto
from .still import Order

__all__ = ["CLASSES", "NAME", "register", "unregister"]

NAME = "IMPASTO"  # of `scene.render.engine`
TURN_S = 0.005
LOOK_S = 0.05
# Blender's own panels that say nothing an engine must obey (it marks them so), and those of materials, which
# the picture shows in their viewport colours and another engine renders.
COMMON = "BLENDER_RENDER"
PREFIXES = ("EEVEE_MATERIAL_PT_context", "EEVEE_MATERIAL_PT_surface", "EEVEE_WORLD_PT_surface")


class ImpastoRenderEngine(bpy.types.RenderEngine):
    bl_idname = NAME
    bl_label = "Impasto"
    bl_use_eevee_viewport = True

    def render(self, depsgraph: Any) -> None:
        """On the render's thread; without a window, or called from a script, on the main thread."""
        scene = depsgraph.scene
        if self.is_preview or depsgraph.view_layer.name != _first_layer(scene, depsgraph):
            return
        on_main = threading.current_thread() is threading.main_thread()
        it = impasto() or (begin() if on_main else None)
        if it is None:
            self._sorry(tr("Open the tab Impasto in the 3D view's sidebar, then render again."))
        elif scene.render.use_multiview:
            self._sorry(tr("Impasto paints one picture, not two. Switch off Stereoscopy, then render again."))
        else:
            self._paint(scene, it, on_main)

    def _paint(self, scene: Any, it: Impasto, on_main: bool) -> None:
        size = self.resolution_x, self.resolution_y
        folder = Path(tempfile.mkdtemp(prefix="impasto-render-"))
        order = Order(scene.name, scene.frame_current, self.is_animation, size, folder)
        try:
            it.still.paint(order)
            if not self._waited(order, it, on_main):
                order.given_up.set()
            elif order.sentence:
                self._sorry(order.sentence)
            else:
                self._hand_over(scene, order)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _waited(self, order: Order, it: Impasto, on_main: bool) -> bool:
        """False: Esc, or the add-on was switched off. Only the main thread gives Impasto its turns: if this
        is it, they are given here."""
        while not order.ended.is_set():
            if self.test_break() or impasto() is not it:
                return False
            self.update_stats("", f"Impasto: {order.says}" if order.says else "Impasto")
            self.update_progress(order.share)
            if on_main:
                it.pump()
                time.sleep(TURN_S)
            else:
                order.ended.wait(LOOK_S)
        return True

    def _hand_over(self, scene: Any, order: Order) -> None:
        """The same to all view layers. Blender turns the file's sRGB into its own scene-linear colours."""
        x, y, width, height = _border(scene.render, *order.size)
        result = self.begin_result(0, 0, width, height)
        for layer in result.layers:
            layer.load_from_file(str(order.path), x=x, y=y)
        self.end_result(result)

    def _sorry(self, sentence: str) -> None:
        """In the status bar and in Blender's output, and over the picture."""
        self.report({"ERROR"}, sentence)
        self.error_set(sentence)


def _first_layer(scene: Any, depsgraph: Any) -> str:
    """The view layer with which all are painted; Blender asks for one after the other."""
    if scene.render.use_single_layer:
        return str(depsgraph.view_layer.name)
    return next((layer.name for layer in scene.view_layers if layer.use), "")


def _border(render: Any, width: int, height: int) -> tuple[int, int, int, int]:
    """What Blender wants to have: x, y from the bottom left, width, height, px; cut off as Blender does."""
    if not render.use_border:
        return 0, 0, width, height
    edges = (
        int(numpy.float32(share) * numpy.float32(side))
        for share, side in (
            (render.border_min_x, width),
            (render.border_min_y, height),
            (render.border_max_x, width),
            (render.border_max_y, height),
        )
    )
    left, bottom, right, top = edges
    return left, bottom, right - left, top - bottom


def register() -> None:
    for engines, named in _panels():
        if COMMON in engines or named:
            engines.add(NAME)


def unregister() -> None:
    for engines, _ in _panels():
        engines.discard(NAME)


def _panels() -> Iterator[tuple[set[str], bool]]:
    for panel in bpy.types.Panel.__subclasses__():
        engines = getattr(panel, "COMPAT_ENGINES", None)
        if isinstance(engines, set):
            yield engines, panel.__name__.startswith(PREFIXES)


CLASSES = (ImpastoRenderEngine,)
