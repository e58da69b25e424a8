"""Blender's windows, for pictures and for hands."""

import bpy
from under_test import addon


def area_of(kind):
    return max(
        (area for area in bpy.context.window_manager.windows[0].screen.areas if area.type == kind),
        key=lambda area: area.width * area.height,
    )


def region_of(area, kind):
    return next(region for region in area.regions if region.type == kind)


def prepare(editor="VIEW_3D"):
    """One large editor with its sidebar."""
    bpy.context.preferences.view.show_splash = False
    window = bpy.context.window_manager.windows[0]
    kept = area_of("VIEW_3D")
    for other in ("DOPESHEET_EDITOR", "OUTLINER", "PROPERTIES"):
        for area in [one for one in window.screen.areas if one.type == other]:
            with bpy.context.temp_override(window=window, screen=window.screen, area=area):
                bpy.ops.screen.area_close()
            for _ in range(5):
                yield
    kept = area_of("VIEW_3D")
    kept.type = editor
    kept.spaces.active.show_region_ui = True
    for _ in range(20):
        yield


def tab(number=3):
    """Where the sidebar's tab of that number stands, in pixels of the screen, from the top left."""
    window = bpy.context.window_manager.windows[0]
    area = max(window.screen.areas, key=lambda area: area.width * area.height)
    region = region_of(area, "UI")
    return [region.x + region.width - 10, window.height - (region.y + region.height) + 20 + (50 * number)]


def shown():
    """Whether a panel of ours has been drawn: Impasto runs since."""
    for _ in range(40):
        yield
    return addon("plugin").impasto() is not None


def frames(count=10):
    """Lets Blender draw."""
    for _ in range(count):
        for area in bpy.context.window_manager.windows[0].screen.areas:
            area.tag_redraw()
        yield


def show_editor(kind):
    area = max(bpy.context.window_manager.windows[0].screen.areas, key=lambda area: area.width * area.height)
    area.type = kind
    area.spaces.active.show_region_ui = True
    for _ in range(20):
        yield


def unfold():
    """All of our panels."""
    classes = addon("panel").CLASSES
    for one in reversed(classes):
        bpy.utils.unregister_class(one)
    for one in classes:
        one.bl_options = set(getattr(one, "bl_options", ())) - {"DEFAULT_CLOSED"}
        bpy.utils.register_class(one)
    yield


def stage():
    """Suzanne in place of the cube, near, with her textures shown in the solid view."""
    bpy.data.objects.remove(bpy.data.objects["Cube"])
    area = area_of("VIEW_3D")
    window = bpy.context.window_manager.windows[0]
    with bpy.context.temp_override(window=window, area=area, region=region_of(area, "WINDOW")):
        bpy.ops.mesh.primitive_monkey_add(size=2)
        bpy.ops.object.shade_smooth()
        bpy.ops.object.modifier_add(type="SUBSURF")
    space = area.spaces.active
    space.shading.color_type = "TEXTURE"
    view = space.region_3d
    view.view_rotation = (0.83, 0.47, 0.16, 0.25)
    view.view_distance = 5.5
    view.view_location = (0.55, 0.0, -0.1)
    yield


def only(panel):
    """Only that panel of ours and what is under it: the sidebar of a small screen has room for one."""
    classes = addon("panel").CLASSES
    for one in reversed(classes):
        if one.is_registered:
            bpy.utils.unregister_class(one)
    for one in classes:
        if one.__name__.startswith(f"IMPASTO_PT_{panel}"):
            if one.__name__ == f"IMPASTO_PT_{panel}":
                one.bl_options = set(getattr(one, "bl_options", ())) - {"DEFAULT_CLOSED"}
                if panel == "live":  # Blender remembers by its name that it was folded
                    one.bl_idname = "IMPASTO_PT_live_unfolded"
            bpy.utils.register_class(one)
    for _ in range(10):
        yield


def theme(name):
    folder = next(path for path in bpy.utils.preset_paths("interface_theme"))
    with bpy.context.temp_override(window=bpy.context.window_manager.windows[0]):
        bpy.ops.script.execute_preset(
            filepath=f"{folder}/{name}.xml", menu_idname="USERPREF_MT_interface_theme_presets"
        )
    yield


def show_texture():
    """The newest texture of ours in the Image Editor, as large as it fits."""
    image = next(one for one in reversed(bpy.data.images) if "impasto_job" in one or one.size[0] == 1024)
    area = area_of("IMAGE_EDITOR")
    area.spaces.active.image = image
    with bpy.context.temp_override(
        window=bpy.context.window_manager.windows[0], area=area, region=region_of(area, "WINDOW")
    ):
        bpy.ops.image.view_all(fit_view=True)
    yield
