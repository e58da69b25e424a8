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
    """All of our panels, from now on, by telling Blender of them anew without DEFAULT_CLOSED."""
    for one in addon("panel").CLASSES:
        if "DEFAULT_CLOSED" in getattr(one, "bl_options", ()):
            bpy.utils.unregister_class(one)
            one.bl_options = one.bl_options - {"DEFAULT_CLOSED"}
            bpy.utils.register_class(one)
    yield
