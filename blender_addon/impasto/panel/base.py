"""What all of our panels are."""

from typing import Any

from ..plugin import Side, begin_soon, impasto

__all__ = ["InImageEditor", "InView3D", "Shown"]


class Shown:
    """A panel of one side: "render", "texture" or "image"."""

    bl_region_type = "UI"
    bl_category = "Impasto"
    side = ""

    @classmethod
    def the_side(cls) -> Side | None:
        """None: Impasto does not run yet."""
        it = impasto()
        return it.sides[cls.side] if it is not None else None

    @classmethod
    def begun(cls) -> Side | None:
        """The same; if it does not run, it begins as soon as Blender has drawn this. Not for `poll`, which is
        asked for tabs that nobody looks at, too."""
        side = cls.the_side()
        if side is None:
            begin_soon()
        return side

    @classmethod
    def fields(cls, context: Any) -> Any:
        return getattr(context.window_manager.impasto, cls.side)

    @classmethod
    def connected(cls) -> bool:
        side = cls.the_side()
        return side is not None and side.view.link.state == "ready"


class InView3D(Shown):
    bl_space_type = "VIEW_3D"


class InImageEditor(Shown):
    bl_space_type = "IMAGE_EDITOR"
    side = "image"
