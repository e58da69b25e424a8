"""What can be done with textures, beside painting them."""

from typing import Any

import bpy
from impasto_studio.texts import tr

from ..host.materials import undressed, worn
from ..plugin import Side, impasto
from .base import ForJob
from .jobs import watch

__all__ = ["CLASSES"]


class ForTextures(ForJob):
    """The texture side's, with or without a job."""

    def the_side(self) -> Side:
        self.side = "texture"
        return super().the_side()


class IMPASTO_OT_apply_textures(ForTextures, bpy.types.Operator):
    """Put these textures on their objects once more"""

    bl_idname = "impasto.apply_textures"
    bl_label = "Apply Textures"

    @classmethod
    def description(cls, context: Any, properties: Any) -> str:
        """What the result is, too: there is no room for it in the list."""
        result = _result(properties.job)
        if result is None:
            return tr("Put these textures on their objects once more")
        said = [result.objects, tr("{n} views", n=result.views)]
        if result.covered >= 0:
            said.append(tr("{n} % seen", n=round(100 * result.covered)))
        said.append(tr("seed {seed}", seed=result.seed))
        return " · ".join(said)

    def do(self, side: Side) -> None:
        side.studio.apply(self.job)


class IMPASTO_OT_result_menu(ForTextures, bpy.types.Operator):
    """More to do with these textures"""

    bl_idname = "impasto.result_menu"
    bl_label = "Result"

    def do(self, side: Side) -> None:
        result = _result(self.job)
        if result is not None:
            bpy.context.window_manager.popup_menu(
                lambda menu, _context: _menu(menu.layout, result), title=result.title or result.objects
            )


def _result(job: str) -> Any:
    it = impasto()
    results = it.sides["texture"].view.results if it is not None else ()
    return next((result for result in results if result.job == job), None)


def _menu(layout: Any, result: Any) -> None:
    columns = layout.row()
    column = columns.column()
    for name, text, icon in (
        ("impasto.apply_textures", tr("Apply"), "CHECKMARK"),
        ("impasto.reproject", tr("Project Again"), "MOD_UVPROJECT"),
        ("impasto.show_views", tr("Show Views"), "IMAGE_DATA"),
        ("impasto.discard", tr("Discard"), "TRASH"),
    ):
        called = column.operator(name, text=text, icon=icon, translate=False)
        called.job = result.job
    column = columns.column()
    for view in range(result.views):
        text = tr("Repaint View {n}", n=view + 1)
        called = column.operator("impasto.repaint_view", text=text, icon="FILE_REFRESH", translate=False)
        called.job, called.view = result.job, view


class IMPASTO_OT_repaint_view(ForTextures, bpy.types.Operator):
    """Paint one view anew with another seed; the others keep their pictures"""

    bl_idname = "impasto.repaint_view"
    bl_label = "Repaint View"

    view: bpy.props.IntProperty(options={"SKIP_SAVE", "HIDDEN"})

    def do(self, side: Side) -> None:
        side.studio.repaint_view(self.job, self.view)
        watch()


class IMPASTO_OT_reproject(ForTextures, bpy.types.Operator):
    """Lay the views' pictures onto the objects as they are now; views painted over count"""

    bl_idname = "impasto.reproject"
    bl_label = "Project Again"

    def do(self, side: Side) -> None:
        side.studio.reproject(self.job)
        watch()


class IMPASTO_OT_show_views(ForTextures, bpy.types.Operator):
    """Make images of the views, to look at and paint on"""

    bl_idname = "impasto.show_views"
    bl_label = "Show Views"

    def do(self, side: Side) -> None:
        side.studio.show_views(self.job)


class IMPASTO_OT_discard(ForTextures, bpy.types.Operator):
    """Remove this result from the list, for good; textures that are on objects stay"""

    bl_idname = "impasto.discard"
    bl_label = "Discard"

    def do(self, side: Side) -> None:
        side.studio.discard(self.job)


class IMPASTO_OT_edit_texture(ForTextures, bpy.types.Operator):
    """Repaint what the 3D View shows of the selected objects; the rest of their textures stays"""

    bl_idname = "impasto.edit_texture"
    bl_label = "Repaint What You See"
    bl_options = {"REGISTER"}

    def do(self, side: Side) -> None:
        side.studio.edit(side.picked.get("mask", ""))
        watch()


class IMPASTO_OT_project_picture(ForTextures, bpy.types.Operator):
    """Lay an image onto the selected objects, as seen through the camera or the view"""

    bl_idname = "impasto.project_picture"
    bl_label = "Project Picture"
    bl_options = {"REGISTER"}

    def do(self, side: Side) -> None:
        side.studio.project(side.picked.get("picture", ""), side.picked.get("camera", ""))
        watch()


class IMPASTO_OT_inspect(ForTextures, bpy.types.Operator):
    """Show over the objects how well the views see them, or which view is where"""

    bl_idname = "impasto.inspect"
    bl_label = "Inspect"

    what: bpy.props.StringProperty(options={"SKIP_SAVE", "HIDDEN"})

    def do(self, side: Side) -> None:
        side.studio.inspect(self.what)


class IMPASTO_OT_toggle_camera(ForTextures, bpy.types.Operator):
    """Paint from this camera, or not"""

    bl_idname = "impasto.toggle_camera"
    bl_label = "Use Camera"

    camera: bpy.props.StringProperty(options={"SKIP_SAVE", "HIDDEN"})

    def do(self, side: Side) -> None:
        chosen = side.intent.cameras
        without = tuple(one for one in chosen if one != self.camera)
        side.edit(cameras=without if self.camera in chosen else (*chosen, self.camera))


class IMPASTO_OT_take_off(bpy.types.Operator):
    """Give the selected objects the materials back that they had; the textures stay in the file"""

    bl_idname = "impasto.take_off"
    bl_label = "Take Textures Off"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: Any) -> bool:
        return context.mode == "OBJECT" and any(worn(thing) for thing in context.selected_objects)

    def execute(self, context: Any) -> set[str]:
        there = [undressed(thing) for thing in context.selected_objects if thing.library is None]
        return {"FINISHED"} if any(there) else {"CANCELLED"}


CLASSES = (
    IMPASTO_OT_take_off,
    IMPASTO_OT_apply_textures,
    IMPASTO_OT_result_menu,
    IMPASTO_OT_repaint_view,
    IMPASTO_OT_reproject,
    IMPASTO_OT_show_views,
    IMPASTO_OT_discard,
    IMPASTO_OT_edit_texture,
    IMPASTO_OT_project_picture,
    IMPASTO_OT_inspect,
    IMPASTO_OT_toggle_camera,
)
