"""3D View, sidebar: renders painted over, and what else the render's studio shows."""

from typing import Any

import bpy
from impasto_studio.texts import tr

from ..engine import NAME as ENGINE
from ..plugin import impasto
from .base import InView3D
from .choices import FOLLOWED, kind_of
from .parts import button, counts, jobs, model_and_steps, notice, ready, seed, wide_prompt, words
from .takes import history, takes

__all__ = ["CLASSES"]


def strength_in_words(strength: float) -> str:
    """Zones as in Krita's panel."""
    if strength <= 0.25:
        return tr("Touches up details")
    if strength <= 0.45:
        return tr("Keeps shapes")
    if strength <= 0.65:
        return tr("Keeps the composition")
    return tr("Follows loosely") if strength < 1.0 else tr("Paints afresh")


class IMPASTO_PT_render(InView3D, bpy.types.Panel):
    bl_label = "Render"
    side = "render"

    def draw(self, context: Any) -> None:
        layout = self.layout
        side = self.begun()
        if side is None or not ready(layout, context, side.view.link):
            return
        fields = self.fields(context)
        view = side.view
        notice(layout, context, "render", view.notice)
        wide_prompt(layout, fields, hint=tr("Describe the picture"))
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(fields, "source")
        column = layout.column(align=True)
        column.prop(fields, "strength", slider=True)
        zone = column.row()
        zone.active = False
        zone.alignment = "RIGHT"
        zone.label(text=strength_in_words(fields.strength), translate=False)
        column = layout.column(align=True)
        column.prop(fields, "takes")
        seed(column, fields)
        row = layout.column()
        row.enabled = view.can_start
        button(row, "impasto.generate", tr("Generate"), "RENDER_STILL", large=True, side="render")
        if view.why_not:
            words(layout, context, view.why_not, quiet=True)
        jobs(layout, context, "render", view.jobs)
        transform = context.scene.view_settings.view_transform
        if context.scene.render.engine == ENGINE and transform != "Standard":
            said = tr(
                "F12 shows it through the view transform {name}; Standard keeps its colours.", name=transform
            )
            words(layout, context, said, quiet=True)


class _Under(InView3D):
    bl_parent_id = "IMPASTO_PT_render"
    side = "render"

    @classmethod
    def poll(cls, context: Any) -> bool:
        return cls.connected()


class IMPASTO_PT_render_takes(_Under, bpy.types.Panel):
    bl_label = "Takes"

    @classmethod
    def poll(cls, context: Any) -> bool:
        side = cls.the_side()
        return cls.connected() and side is not None and bool(side.view.takes)

    def draw(self, context: Any) -> None:
        side = self.the_side()
        if side is not None:
            takes(self.layout, "render", side.view)


class IMPASTO_PT_render_follow(_Under, bpy.types.Panel):
    bl_label = "Follow"

    def draw(self, context: Any) -> None:
        side = self.the_side()
        fields = self.fields(context)
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        for guide in FOLLOWED:
            able = side is not None and bool(kind_of(guide, side.view.model))
            row = layout.row(heading=type(fields).bl_rna.properties[guide].name)
            row.active = able or getattr(fields, guide)
            row.prop(fields, guide, text="")
            strength = row.row()
            strength.enabled = getattr(fields, guide)
            strength.prop(fields, f"{guide}_strength", text="", slider=True)


class IMPASTO_PT_render_output(_Under, bpy.types.Panel):
    bl_label = "Picture"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Any) -> None:
        fields = self.fields(context)
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        for name in ("picture", "longest_px", "insert"):
            layout.prop(fields, name)
        layout.prop(fields, "region")


class IMPASTO_PT_render_animation(_Under, bpy.types.Panel):
    bl_label = "Animation"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Any) -> None:
        it = impasto()
        if it is None:
            return
        layout, fields, film, scene = self.layout, self.fields(context), it.film.view, context.scene
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(fields, "own_seeds")
        text = tr("Paint Frames {first} – {last}", first=scene.frame_start, last=scene.frame_end)
        button(layout, "impasto.paint_animation", text, "RENDER_ANIMATION")
        if film.running:
            row = layout.row(align=True)
            said = tr("Frame {frame}: {done} of {total} are there", **counts(film))
            words(row, context, said, quiet=True)
            row.operator("impasto.cancel_animation", text="", icon="X", emboss=False)
        elif film.sentence:
            words(layout, context, film.sentence, icon="INFO")


class IMPASTO_PT_render_advanced(_Under, bpy.types.Panel):
    bl_label = "Advanced"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Any) -> None:
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        model_and_steps(layout, self.fields(context))


class IMPASTO_PT_render_history(_Under, bpy.types.Panel):
    bl_label = "History"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: Any) -> bool:
        side = cls.the_side()
        return cls.connected() and side is not None and bool(side.view.history)

    def draw(self, context: Any) -> None:
        side = self.the_side()
        if side is not None:
            history(self.layout, "render", side.view)


CLASSES = (
    IMPASTO_PT_render,
    IMPASTO_PT_render_takes,
    IMPASTO_PT_render_follow,
    IMPASTO_PT_render_output,
    IMPASTO_PT_render_animation,
    IMPASTO_PT_render_advanced,
    IMPASTO_PT_render_history,
)
