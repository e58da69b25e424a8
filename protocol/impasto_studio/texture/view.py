"""What a texture panel shows: one frozen value, made anew whenever something changes. Its texts are
translated.
"""

from dataclasses import dataclass
from typing import Optional, Tuple

from impasto_protocol.messages import ModelInfo

from impasto_studio.host import LayerEntry
from impasto_studio.texture.host import ObjectEntry
from impasto_studio.texture.intent import AS_IT_STARTS, TextureIntent
from impasto_studio.view import SEARCHING, JobView, LinkView

__all__ = ["TextureResult", "TextureState"]


@dataclass(frozen=True)
class TextureResult:
    """A finished job, as long as the server keeps it."""

    job: str
    title: str  # the prompt's beginning, or what was done
    objects: str  # names: "Suzanne, Cube"
    views: int
    covered: float  # 0 … 1 of the texels on the surface, that views have painted; negative: unknown
    seed: int
    created_s: float  # Unix time
    applied: bool = False
    can_apply: bool = True  # its textures are finished
    textures: bool = True  # False: it ended before they were made; the views it has can be laid on


@dataclass(frozen=True)
class TextureState:
    """Everything a texture panel shows."""

    link: LinkView = SEARCHING
    objects: Tuple[ObjectEntry, ...] = ()
    cameras: Tuple[LayerEntry, ...] = ()
    pictures: Tuple[str, ...] = ()
    intent: TextureIntent = AS_IT_STARTS
    models: Tuple[ModelInfo, ...] = ()  # those that can texture
    model: Optional[ModelInfo] = None
    start: str = "Texture"  # the main button's text
    can_start: bool = False
    why_not: str = ""  # when it cannot: the sentence
    jobs: Tuple[JobView, ...] = ()  # oldest first
    results: Tuple[TextureResult, ...] = ()  # of this file, newest first
    inspecting: str = ""  # the map that is shown
    notice: str = ""
