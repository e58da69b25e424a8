"""What the artist asks of the texture panel, as one comparable value."""

from dataclasses import dataclass
from typing import Tuple

__all__ = ["AS_IT_STARTS", "ORDERS", "SOURCES", "UNWRAPS", "TextureIntent"]

SOURCES = ("around", "cameras", "view")  # where the views come from
ORDERS = ("together", "in turn")  # as in `TextureRequest.order`
UNWRAPS = ("own", "new")  # which UV layout: the object's, or one of Impasto's


@dataclass(frozen=True)
class TextureIntent:
    """Zeros, negative numbers and empty texts leave the choice to the model, as in `GenerateRequest`."""

    prompt: str = ""
    negative: str = ""
    model: str = ""  # empty: the server's first that can texture
    separately: bool = False  # each object is a job of its own, instead of all in one …
    prompts: Tuple[Tuple[str, str], ...] = ()  # … with these prompts: (object id, its own prompt)
    source: str = "around"  # one of SOURCES
    around: int = 8  # views of "around"
    cameras: Tuple[str, ...] = ()  # ids of "cameras"
    order: str = "together"
    unwrap: str = "own"  # objects without a usable layout get a new one in any case
    texture_px: int = 1024  # side of new textures
    view_px: int = 0  # longer side of the views' pictures; 0: the model's native size
    steps: int = 0
    guidance: float = -1.0
    seed: int = -1  # negative: another one each time
    depth: float = 1.0  # 0 … 2: how strictly the true depth is followed
    keep: bool = False  # go on from the textures there are, instead of anew
    strength: float = 0.6  # 0 … 1, with `keep`: how much of them is painted anew


AS_IT_STARTS = TextureIntent()
