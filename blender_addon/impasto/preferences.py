"""Edit → Preferences → Add-ons → Impasto."""

from typing import Any

import bpy

__all__ = ["ImpastoPreferences", "preferences"]

PACKAGE = __package__ or ""


class ImpastoPreferences(bpy.types.AddonPreferences):
    bl_idname = PACKAGE

    home: bpy.props.StringProperty(
        name="Server Folder",
        description="Where the server keeps its files; empty: the usual place. Counts after the next start",
        subtype="DIR_PATH",
    )
    start_server: bpy.props.BoolProperty(
        name="Start the Server by Itself",
        description="When Impasto's panel is first shown and no server runs",
    )

    def draw(self, context: Any) -> None:
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(self, "home")
        layout.prop(self, "start_server")


class _AsDelivered:
    home = ""
    start_server = False


def preferences() -> Any:
    """What the artist has set; as delivered where the add-on runs without having been switched on."""
    addon = bpy.context.preferences.addons.get(PACKAGE)
    return addon.preferences if addon is not None and addon.preferences is not None else _AsDelivered
