"""Kinds of control image, and what is known of them. Any other name may be a kind too: it just means nothing
here.
"""

from __future__ import annotations

import re

__all__ = ["DEPTH", "LINES", "kind_of", "stand_in"]

DEPTH = "depth"
LINES = frozenset({"edges", "lineart", "mlsd", "scribble", "softedge"})  # white lines on black

# A ControlNet of the one kind serves the other where there is none of its own: both follow outlines.
_STAND_INS = {"edges": "scribble", "scribble": "edges"}
# What the folders of published ControlNets have in their names.
_WORDS = {
    **{kind: kind for kind in (DEPTH, *LINES)},
    "canny": "edges",
    "hed": "softedge",
    "normalbae": "normal",
    "openpose": "pose",
}


def kind_of(folder_name: str) -> str:
    """The kind a ControlNet's folder is named for: `control_v11p_sd15_canny` → edges; else its own name."""
    name = re.sub(r"[^a-z0-9._-]+", "-", folder_name.lower()).strip("-._") or "control"
    return next((_WORDS[word] for word in re.split(r"[._-]", name) if word in _WORDS), name)


def stand_in(kind: str) -> str | None:
    """The kind whose ControlNet serves this one too."""
    return _STAND_INS.get(kind)
