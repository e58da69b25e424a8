"""Blender's windows, for pictures and for hands."""

import bpy


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
    area = window.screen.areas[0]
    region = region_of(area, "UI")
    return [region.x + region.width - 8, window.height - (region.y + region.height) + 30 + 55 * number]
