"""Finished pictures compared and applied; previews kept."""

from typing import Any

import bpy
from impasto_studio.intent import ControlRow

from ..host.loop import Trouble
from ..plugin import Side, impasto
from .base import ForJob, ForSide
from .jobs import watch

__all__ = ["CLASSES"]


class ForTake(ForJob):
    index: bpy.props.IntProperty(options={"SKIP_SAVE", "HIDDEN"})


class IMPASTO_OT_show_take(ForTake, bpy.types.Operator):
    """Look at this take"""

    bl_idname = "impasto.show_take"
    bl_label = "Show Take"

    def do(self, side: Side) -> None:
        side.studio.compare(self.job, self.index)


class IMPASTO_OT_step_take(ForSide, bpy.types.Operator):
    """Look at the next or previous take"""

    bl_idname = "impasto.step_take"
    bl_label = "Next Take"

    by: bpy.props.IntProperty(default=1, options={"SKIP_SAVE", "HIDDEN"})

    def do(self, side: Side) -> None:
        side.studio.step(self.by)


class IMPASTO_OT_apply_take(ForSide, bpy.types.Operator):
    """Put this take where the result goes"""

    bl_idname = "impasto.apply_take"
    bl_label = "Apply Take"

    def do(self, side: Side) -> None:
        side.studio.apply()


class IMPASTO_OT_put_takes_away(ForSide, bpy.types.Operator):
    """End the comparison; the takes stay in the history"""

    bl_idname = "impasto.put_takes_away"
    bl_label = "Put Takes Away"

    def do(self, side: Side) -> None:
        side.studio.put_away()


class IMPASTO_OT_reuse_take(ForTake, bpy.types.Operator):
    """Use this take's prompt, seed and settings again"""

    bl_idname = "impasto.reuse_take"
    bl_label = "Use Settings Again"

    def do(self, side: Side) -> None:
        side.studio.reuse(self.job, self.index)


class IMPASTO_OT_make_map(ForSide, bpy.types.Operator):
    """Make a control map from the image"""

    bl_idname = "impasto.make_map"
    bl_label = "Make Control Map"

    kind: bpy.props.StringProperty(options={"SKIP_SAVE", "HIDDEN"})

    def do(self, side: Side) -> None:
        """Studios make the map of a control row: there is one for a moment."""
        rows = side.intent.controls
        side.edit(controls=(*rows, ControlRow(self.kind)))
        side.studio.make_map(len(rows))
        side.edit(controls=rows)
        watch()


class IMPASTO_OT_pin_live(ForSide, bpy.types.Operator):
    """Keep the preview as an image"""

    bl_idname = "impasto.pin_live"
    bl_label = "Pin Preview"

    def do(self, side: Side) -> None:
        side.studio.pin_live()


class IMPASTO_OT_paint_mask(bpy.types.Operator):
    """Show the image's mask to paint on it with Blender's brushes, or the image again"""

    bl_idname = "impasto.paint_mask"
    bl_label = "Paint Mask"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: Any) -> bool:
        space = context.space_data
        return impasto() is not None and space is not None and space.type == "IMAGE_EDITOR"

    def execute(self, context: Any) -> set[str]:
        it, space = impasto(), context.space_data
        assert it is not None  # see `poll`
        owner = it.image_host.masks.owner(space.image) if space.image is not None else None
        if owner is not None:
            space.image = owner
            return {"FINISHED"}
        try:
            it.image_host.make_mask()
        except Trouble as trouble:
            self.report({"ERROR"}, str(trouble))
            return {"CANCELLED"}
        space.ui_mode = "PAINT"
        return {"FINISHED"}


CLASSES = (
    IMPASTO_OT_paint_mask,
    IMPASTO_OT_show_take,
    IMPASTO_OT_step_take,
    IMPASTO_OT_apply_take,
    IMPASTO_OT_put_takes_away,
    IMPASTO_OT_reuse_take,
    IMPASTO_OT_make_map,
    IMPASTO_OT_pin_live,
)
