"""3D View, sidebar: objects textured."""

from typing import Any

import bpy
from impasto_studio.texts import tr
from impasto_studio.texture.view import TextureResult

from .base import InView3D
from .parts import button, jobs, model_and_steps, notice, seed, wide_prompt, words

__all__ = ["CLASSES"]

MOST_OBJECTS = 8  # in the list, before the rest is counted
MOST_RESULTS = 12


class IMPASTO_PT_texture(InView3D, bpy.types.Panel):
    bl_label = "Texture"
    side = "texture"

    @classmethod
    def poll(cls, context: Any) -> bool:
        return cls.connected()

    def draw(self, context: Any) -> None:
        layout = self.layout
        side = self.the_side()
        if side is None:
            return
        fields, view = self.fields(context), side.view
        notice(layout, context, "texture", view.notice)
        if view.objects:
            _objects(layout, context, view.objects, fields.separately)
        wide_prompt(layout, fields, hint=tr("Describe the surface"))
        layout.use_property_split = True
        layout.use_property_decorate = False
        if len(view.objects) > 1:
            layout.prop(fields, "separately")
        column = layout.column(align=True)
        column.prop(fields, "source")
        if side.intent.source == "around":
            column.prop(fields, "around")
        elif side.intent.source == "cameras":
            _cameras(layout, side)
        layout.prop(fields, "texture_px")
        row = layout.row(heading=tr("Keep"))
        row.prop(fields, "keep", text="")
        strength = row.row()
        strength.enabled = fields.keep
        strength.prop(fields, "strength", text="", slider=True)
        seed(layout, fields)
        row = layout.column()
        row.enabled = view.can_start
        button(row, "impasto.texture", view.start, "TEXTURE", large=True, side="texture")
        if view.why_not:
            words(layout, context, view.why_not, quiet=True)
        jobs(layout, context, "texture", view.jobs)


def _objects(layout: Any, context: Any, objects: tuple[Any, ...], separately: bool) -> None:
    rows = {row.object: row for row in context.window_manager.impasto.objects}
    column = layout.column(align=True)
    for entry in objects[:MOST_OBJECTS]:
        icon = "ERROR" if entry.trouble else ("SHADING_TEXTURE" if entry.textured else "OBJECT_DATA")
        if separately and entry.object in rows and not entry.trouble:
            line = column.split(factor=0.4, align=True)
            line.label(text=entry.name, icon=icon, translate=False)
            line.prop(rows[entry.object], "prompt", text="")
        else:
            column.label(text=entry.name, icon=icon, translate=False)
        if entry.trouble:
            words(column, context, entry.trouble, icon="BLANK1", quiet=True)
    if len(objects) > MOST_OBJECTS:
        column.label(text=tr("and {n} more", n=len(objects) - MOST_OBJECTS), icon="BLANK1", translate=False)


def _cameras(layout: Any, side: Any) -> None:
    column = layout.column(align=True)
    for camera in side.view.cameras:
        on = camera.layer in side.intent.cameras
        called = column.operator(
            "impasto.toggle_camera",
            text=camera.name,
            icon="CHECKBOX_HLT" if on else "CHECKBOX_DEHLT",
            depress=on,
            translate=False,
        )
        called.camera = camera.layer
    if not side.view.cameras:
        row = column.row()
        row.active = False
        row.label(text=tr("This scene has no camera"), icon="INFO", translate=False)


class _Under(InView3D):
    bl_parent_id = "IMPASTO_PT_texture"
    side = "texture"


class IMPASTO_PT_texture_results(_Under, bpy.types.Panel):
    bl_label = "Results"

    @classmethod
    def poll(cls, context: Any) -> bool:
        side = cls.the_side()
        return side is not None and (bool(side.view.results) or _textured(side))

    def draw(self, context: Any) -> None:
        side = self.the_side()
        if side is None:
            return
        column = self.layout.column(align=True)
        for result in side.view.results[:MOST_RESULTS]:
            _result(column, result)
        if _textured(side):
            self.layout.operator("impasto.take_off", icon="LOOP_BACK")


def _textured(side: Any) -> bool:
    return any(entry.textured for entry in side.view.objects)


def _result(column: Any, result: TextureResult) -> None:
    row = column.row(align=True)
    name = row.row(align=True)
    name.enabled = result.can_apply
    called = name.operator(
        "impasto.apply_textures",
        text=result.title or result.objects,
        icon="CHECKMARK" if result.applied else "BLANK1",
        depress=result.applied,
        translate=False,
    )
    called.job = result.job
    more = row.operator("impasto.result_menu", text="", icon="DOWNARROW_HLT")
    more.job = result.job


class IMPASTO_PT_texture_edit(_Under, bpy.types.Panel):
    bl_label = "From This View"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Any) -> None:
        layout, fields = self.layout, self.fields(context)
        layout.use_property_split = True
        layout.use_property_decorate = False
        column = layout.column()
        column.prop_search(fields, "mask", bpy.data, "images", icon="IMAGE_DATA")
        column.prop(fields, "strength", slider=True)
        button(column, "impasto.edit_texture", tr("Repaint What You See"), "BRUSH_DATA")
        layout.separator()
        column = layout.column()
        column.prop_search(fields, "picture", bpy.data, "images", icon="IMAGE_DATA")
        column.prop(fields, "camera")
        row = column.row()
        row.enabled = bool(fields.picture)
        button(row, "impasto.project_picture", tr("Project Picture"), "MOD_UVPROJECT")


class IMPASTO_PT_texture_maps(_Under, bpy.types.Panel):
    bl_label = "Inspect"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Any) -> None:
        side = self.the_side()
        if side is None:
            return
        row = self.layout.row(align=True)
        for what, name in (("coverage", tr("Coverage")), ("views", tr("Views"))):
            on = side.view.inspecting == what
            called = row.operator("impasto.inspect", text=name, depress=on, translate=False)
            called.what = "" if on else what


class IMPASTO_PT_texture_advanced(_Under, bpy.types.Panel):
    bl_label = "Advanced"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Any) -> None:
        layout, fields = self.layout, self.fields(context)
        layout.use_property_split = True
        layout.use_property_decorate = False
        model_and_steps(layout, fields)
        column = layout.column(align=True)
        for name in ("depth", "order", "view_px", "unwrap"):
            column.prop(fields, name)


CLASSES = (
    IMPASTO_PT_texture,
    IMPASTO_PT_texture_results,
    IMPASTO_PT_texture_edit,
    IMPASTO_PT_texture_maps,
    IMPASTO_PT_texture_advanced,
)
