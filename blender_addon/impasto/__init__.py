"""Impasto in Blender: renders, textures and previews, painted by the server on the artist's own machine.

The archive carries our protocol packages and what they need in `vendor/`, and imports them from there; see
`impasto_server/plugins/relative.py`.
"""

bl_info = {  # for Blender 3.4 … 4.1; newer ones read blender_manifest.toml
    "name": "Impasto",
    "author": "The Impasto developers",
    "version": (0, 1, 0),
    "blender": (3, 4, 0),
    "location": "3D View and Image Editor > Sidebar > Impasto",
    "description": "Renders, textures and previews painted on your own machine",
    "category": "Render",
}


def register() -> None:
    from . import registering

    registering.register()


def unregister() -> None:
    from . import registering

    registering.unregister()
