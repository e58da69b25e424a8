"""3D View, sidebar: previews that follow the view and the scene."""

from typing import Any

import bpy
from impasto_studio.texts import tr
from impasto_studio.view import LiveView

from .base import InView3D
from .parts import button, words
from .pictures import icon_of

__all__ = ["CLASSES"]

SCALE = 9.0  # of the preview, in the height of a button


class IMPASTO_PT_live(InView3D, bpy.types.Panel):
    bl_label = "Live"
    bl_options = {"DEFAULT_CLOSED"}
    side = "render"

    @classmethod
    def poll(cls, context: Any) -> bool:
        return cls.connected()

    def draw(self, context: Any) -> None:
        side = self.the_side()
        if side is None:
            return
        layout, fields, live = self.layout, self.fields(context), side.view.live
        layout.use_property_split = True
        layout.use_property_decorate = False
        switch = tr("Stop Following") if live.on else tr("Go Live")
        row = layout.row(align=True)
        row.use_property_split = False
        row.scale_y = 1.5
        row.prop(
            fields, "live", text=switch, icon="PAUSE" if live.on else "PLAY", toggle=True, translate=False
        )
        if live.on:
            _preview(layout, context, live)
        column = layout.column(align=True)
        column.prop(fields, "live_strength", slider=True)
        column.prop(fields, "live_steps")
        layout.prop(fields, "live_on_canvas")


def _preview(layout: Any, context: Any, live: LiveView) -> None:
    if live.picture is not None:
        layout.template_icon(icon_value=icon_of("live", live.picture), scale=SCALE)
    if live.sentence:
        words(layout, context, live.sentence, icon="ERROR" if live.state == "stopped" else "NONE", quiet=True)
    row = layout.row()
    row.enabled = live.picture is not None
    button(row, "impasto.pin_live", tr("Keep as Image"), "PINNED", side="render")


CLASSES = (IMPASTO_PT_live,)
