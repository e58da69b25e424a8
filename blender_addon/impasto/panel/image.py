"""Image Editor, sidebar: a part repainted, the whole refined or made larger, control maps."""

from typing import Any

import bpy
from impasto_studio.texts import tr

from .base import InImageEditor
from .parts import button, jobs, model_and_steps, notice, ready, seed, wide_prompt, words
from .takes import history, takes

__all__ = ["CLASSES"]

HINTS = {"fill": "Describe what goes there", "refine": "Describe the image", "upscale": "Describe the image"}


class IMPASTO_PT_image(InImageEditor, bpy.types.Panel):
    bl_label = "Paint"

    def draw(self, context: Any) -> None:
        layout = self.layout
        side = self.begun()
        if side is None or not ready(layout, context, side.view.link):
            return
        fields, view, mode = self.fields(context), side.view, side.intent.mode
        notice(layout, context, "image", view.notice)
        layout.row(align=True).prop(fields, "mode", expand=True)
        wide_prompt(
            layout,
            fields,
            hint=tr("Describe what goes there") if mode == "fill" else tr("Describe the image"),
        )
        layout.use_property_split = True
        layout.use_property_decorate = False
        if mode == "upscale":
            layout.prop(fields, "scale")
            layout.prop(fields, "upscale_strength", slider=True)
        else:
            layout.prop(fields, "selection")
            if fields.selection == "BOX":
                layout.prop(fields, "box")
            layout.prop(fields, f"{mode}_strength", slider=True)
            layout.prop(fields, "takes")
        seed(layout, fields)
        layout.prop(fields, "seamless")
        row = layout.column()
        row.enabled = view.can_start
        button(row, "impasto.paint_image", view.start, "BRUSH_DATA", large=True, side="image")
        if view.why_not:
            words(layout, context, view.why_not, quiet=True)
        jobs(layout, context, "image", view.jobs)


class _Under(InImageEditor):
    bl_parent_id = "IMPASTO_PT_image"

    @classmethod
    def poll(cls, context: Any) -> bool:
        return cls.connected()


class IMPASTO_PT_image_takes(_Under, bpy.types.Panel):
    bl_label = "Takes"

    @classmethod
    def poll(cls, context: Any) -> bool:
        side = cls.the_side()
        return cls.connected() and side is not None and bool(side.view.takes)

    def draw(self, context: Any) -> None:
        side = self.the_side()
        if side is not None:
            takes(self.layout, "image", side.view)


class IMPASTO_PT_image_maps(_Under, bpy.types.Panel):
    bl_label = "Control Maps"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Any) -> None:
        side = self.the_side()
        if side is None:
            return
        column = self.layout.column(align=True)
        names = {"edges": tr("Make Edges"), "scribble": tr("Make Scribble"), "depth": tr("Make Depth")}
        for kind in side.view.map_kinds:
            text = names.get(kind) or tr("Make “{kind}”", kind=kind)
            button(column, "impasto.make_map", text, "IMAGE_DATA", side="image", kind=kind)


class IMPASTO_PT_image_advanced(_Under, bpy.types.Panel):
    bl_label = "Advanced"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Any) -> None:
        layout, fields = self.layout, self.fields(context)
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(fields, "result")
        model_and_steps(layout, fields)


class IMPASTO_PT_image_history(_Under, bpy.types.Panel):
    bl_label = "History"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: Any) -> bool:
        side = cls.the_side()
        return cls.connected() and side is not None and bool(side.view.history)

    def draw(self, context: Any) -> None:
        side = self.the_side()
        if side is not None:
            history(self.layout, "image", side.view)


CLASSES = (
    IMPASTO_PT_image,
    IMPASTO_PT_image_takes,
    IMPASTO_PT_image_maps,
    IMPASTO_PT_image_advanced,
    IMPASTO_PT_image_history,
)
