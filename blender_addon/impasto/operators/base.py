"""What all of our operators are."""

from typing import Any

import bpy

from ..plugin import Side, impasto

__all__ = ["ForJob", "ForSide"]


class ForSide:
    """Tells a studio something. What comes of it is the studio's, so nothing is to be undone here."""

    bl_options = {"REGISTER", "INTERNAL"}

    side: bpy.props.StringProperty(options={"SKIP_SAVE", "HIDDEN"})

    @classmethod
    def poll(cls, context: Any) -> bool:
        return impasto() is not None

    def the_side(self) -> Side:
        it = impasto()
        assert it is not None  # see `poll`
        return it.sides[self.side]

    def execute(self, context: Any) -> set[str]:
        self.do(self.the_side())
        return {"FINISHED"}

    def do(self, side: Side) -> None:
        """Each operator's own. (No ABC: Blender's classes have a metaclass already.)"""
        raise NotImplementedError


class ForJob(ForSide):
    job: bpy.props.StringProperty(options={"SKIP_SAVE", "HIDDEN"})
