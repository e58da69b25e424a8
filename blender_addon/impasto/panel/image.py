"""Image Editor, sidebar: a part repainted, the whole refined or made larger, control maps."""

from typing import Any

import bpy
from impasto_studio.texts import tr

from ..plugin import impasto
from .base import InImageEditor
from .parts import button, jobs, model_and_steps, notice, ready, seed, wide_prompt, words
from .takes import history, takes

__all__ = ["CLASSES"]


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
                column = layout.column(align=True)
                for number, name in enumerate((tr("X"), tr("Y"), tr("Width"), tr("Height"))):
                    column.prop(fields, "box", index=number, text=name, translate=False)
            elif fields.selection == "PAINTED":
                _mask(layout, context)
            layout.prop(fields, f"{mode}_strength", slider=True)
            layout.prop(fields, "takes")
        seed(layout, fields)
        layout.prop(fields, "seamless")
        row = layout.column()
        trouble = _trouble()
        row.enabled = view.can_start and not trouble
        button(row, "impasto.paint_image", view.start, "BRUSH_DATA", large=True, side="image")
        if trouble or view.why_not:
            words(layout, context, trouble or view.why_not, quiet=True)
        jobs(layout, context, "image", view.jobs)


def _trouble() -> str:
    """Why the image that is shown cannot be painted on."""
    it = impasto()
    return it.image_host.trouble() if it is not None else ""


def _mask(layout: Any, context: Any) -> None:
    it, image = impasto(), context.space_data.image
    shown = it is not None and image is not None and it.image_host.masks.owner(image) is not None
    text = tr("Show the Image") if shown else tr("Paint a Mask")
    button(layout, "impasto.paint_mask", text, "IMAGE_DATA" if shown else "BRUSH_DATA")


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
