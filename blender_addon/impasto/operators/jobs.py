"""Jobs begun, watched and ended."""

from typing import Any

import bpy
from impasto_studio.intent import LIVE

from ..host.loop import Trouble
from ..panel.choices import last_seed
from ..plugin import Side, impasto
from .base import ForJob, ForSide

__all__ = ["CLASSES"]

WATCH_S = 0.2


class IMPASTO_OT_watch(bpy.types.Operator):
    """Waits for Esc while Impasto works"""

    bl_idname = "impasto.watch"
    bl_label = "Watch Impasto's Jobs"
    bl_options = {"INTERNAL"}

    running = False
    _timer: Any = None

    def invoke(self, context: Any, event: Any) -> set[str]:
        if IMPASTO_OT_watch.running or context.window is None:
            return {"CANCELLED"}
        IMPASTO_OT_watch.running = True
        manager = context.window_manager
        self._timer = manager.event_timer_add(WATCH_S, window=context.window)
        manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: Any, event: Any) -> set[str]:
        it = impasto()
        if it is None or not it.busy:
            self._end(context)
            return {"FINISHED"}
        if event.type == "ESC" and event.value == "PRESS":
            it.cancel_all()
            self._end(context)
            return {"CANCELLED"}
        return {"PASS_THROUGH"}

    def cancel(self, context: Any) -> None:
        """Blender ends, or opens another file."""
        self._end(context)

    def _end(self, context: Any) -> None:
        IMPASTO_OT_watch.running = False
        if self._timer is not None:
            context.window_manager.event_timer_remove(self._timer)
            self._timer = None


def watch() -> None:
    """Esc cancels from now on, until nothing is painted any more."""
    if not bpy.app.background and not IMPASTO_OT_watch.running:
        bpy.ops.impasto.watch("INVOKE_DEFAULT")


class Start(ForSide):
    def do(self, side: Side) -> None:
        side.studio.start()
        watch()


class IMPASTO_OT_generate(Start, bpy.types.Operator):
    """Paint over what the source shows"""

    bl_idname = "impasto.generate"
    bl_label = "Generate"
    bl_options = {"REGISTER"}

    def do(self, side: Side) -> None:
        """A job, also while previews follow in another mode."""
        mode = side.intent.mode
        if mode == LIVE:
            side.edit(mode="refine")
        super().do(side)
        if mode == LIVE:
            side.edit(mode=LIVE)


class IMPASTO_OT_texture(Start, bpy.types.Operator):
    """Paint textures for the selected objects"""

    bl_idname = "impasto.texture"
    bl_label = "Texture"
    bl_options = {"REGISTER"}


class IMPASTO_OT_paint_image(Start, bpy.types.Operator):
    """Paint the image anew, as the mode says"""

    bl_idname = "impasto.paint_image"
    bl_label = "Paint Image"
    bl_options = {"REGISTER"}


class IMPASTO_OT_paint_animation(bpy.types.Operator):
    """Paint every frame of the scene as the panel says; frames that are there already are kept"""

    bl_idname = "impasto.paint_animation"
    bl_label = "Paint Animation"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: Any) -> bool:
        it = impasto()
        return it is not None and not it.film.view.running

    def execute(self, context: Any) -> set[str]:
        """The seed is kept: started again, it is the same recipe, and goes on where it stopped."""
        it = impasto()
        assert it is not None  # see `poll`
        side = it.sides["render"]
        side.edit(mode="refine", seed=side.intent.seed if side.intent.seed >= 0 else last_seed(side))
        try:
            it.film.start(context.scene)
        except Trouble as trouble:
            self.report({"ERROR"}, str(trouble))
            return {"CANCELLED"}
        watch()
        return {"FINISHED"}


class IMPASTO_OT_cancel_animation(bpy.types.Operator):
    """Stop painting frames; those that are finished stay"""

    bl_idname = "impasto.cancel_animation"
    bl_label = "Cancel Animation"

    @classmethod
    def poll(cls, context: Any) -> bool:
        it = impasto()
        return it is not None and it.film.view.running

    def execute(self, context: Any) -> set[str]:
        it = impasto()
        if it is not None:
            it.film.cancel()
        return {"FINISHED"}


class IMPASTO_OT_cancel(ForJob, bpy.types.Operator):
    """Stop this job; what it has finished stays"""

    bl_idname = "impasto.cancel"
    bl_label = "Cancel"

    def do(self, side: Side) -> None:
        side.studio.cancel(self.job)


class IMPASTO_OT_cancel_all(bpy.types.Operator):
    """Stop all jobs; what they have finished stays"""

    bl_idname = "impasto.cancel_all"
    bl_label = "Cancel All"

    @classmethod
    def poll(cls, context: Any) -> bool:
        it = impasto()
        return it is not None and it.busy

    def execute(self, context: Any) -> set[str]:
        it = impasto()
        if it is not None:
            it.cancel_all()
        return {"FINISHED"}


class IMPASTO_OT_retry(ForJob, bpy.types.Operator):
    """Try this job again, with the same pictures"""

    bl_idname = "impasto.retry"
    bl_label = "Retry"

    def do(self, side: Side) -> None:
        side.studio.retry(self.job)
        watch()


class IMPASTO_OT_dismiss(ForJob, bpy.types.Operator):
    """Take this job off the list"""

    bl_idname = "impasto.dismiss"
    bl_label = "Dismiss"

    def do(self, side: Side) -> None:
        side.studio.dismiss(self.job)


class IMPASTO_OT_dismiss_notice(ForSide, bpy.types.Operator):
    """Take this message away"""

    bl_idname = "impasto.dismiss_notice"
    bl_label = "Dismiss"

    def do(self, side: Side) -> None:
        side.studio.dismiss_notice()


class IMPASTO_OT_start_server(bpy.types.Operator):
    """Start the server that ran last on this computer"""

    bl_idname = "impasto.start_server"
    bl_label = "Start Server"

    @classmethod
    def poll(cls, context: Any) -> bool:
        it = impasto()
        return it is not None and it.render.view.link.can_start

    def execute(self, context: Any) -> set[str]:
        it = impasto()
        if it is not None:
            it.render.start_server()
        return {"FINISHED"}


CLASSES = (
    IMPASTO_OT_watch,
    IMPASTO_OT_generate,
    IMPASTO_OT_texture,
    IMPASTO_OT_paint_image,
    IMPASTO_OT_paint_animation,
    IMPASTO_OT_cancel_animation,
    IMPASTO_OT_cancel,
    IMPASTO_OT_cancel_all,
    IMPASTO_OT_retry,
    IMPASTO_OT_dismiss,
    IMPASTO_OT_dismiss_notice,
    IMPASTO_OT_start_server,
)
