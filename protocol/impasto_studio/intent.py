"""What the artist asks for: everything the docker or panel says, as one comparable value."""

from dataclasses import dataclass
from typing import NamedTuple, Tuple

__all__ = [
    "ACTIONS",
    "AS_IT_STARTS",
    "INSERTS",
    "JOB_MODES",
    "LIVE",
    "MODES",
    "ControlRow",
    "Intent",
    "LoraRow",
    "Margins",
]

LIVE = "live"  # the mode in which previews follow the drawing
JOB_MODES = ("generate", "fill", "refine", "upscale")
MODES = (*JOB_MODES, LIVE)
ACTIONS = ("fill", "expand", "add", "remove", "replace background")  # of the mode "fill"
INSERTS = ("layer", "group", "mask", "replace")  # how a take comes into the document


class Margins(NamedTuple):
    """How far "expand" goes beyond the document, in document pixels."""

    left: int = 0
    top: int = 0
    right: int = 0
    bottom: int = 0


NO_MARGINS = Margins()


@dataclass(frozen=True)
class ControlRow:
    """A layer that the picture follows, as one kind of control image."""

    kind: str  # one of the model's `ModelInfo.controls`
    layer: str = ""  # the host's id of the layer; empty: what the artist sees
    strength: float = 1.0  # 0 … 2
    start: float = 0.0  # 0 … 1, share of the steps
    end: float = 1.0


@dataclass(frozen=True)
class LoraRow:
    name: str  # one of the model's `ModelInfo.loras`
    strength: float = 1.0  # -4 … 4


@dataclass(frozen=True)
class Intent:
    """Zeros, negative numbers and empty texts leave the choice to the model, as in `GenerateRequest`."""

    mode: str = "generate"
    action: str = "fill"
    prompt: str = ""
    negative: str = ""
    model: str = ""  # empty: the server's first
    style: str = ""  # name of a `styles.Style`
    fill_strength: float = 1.0  # 0 … 1
    refine_strength: float = 0.5
    upscale_strength: float = 0.3
    scale: float = 2.0  # of "upscale"
    margins: Margins = NO_MARGINS
    steps: int = 0
    guidance: float = -1.0
    seed: int = -1  # negative: another one each time
    takes: int = 3
    controls: Tuple[ControlRow, ...] = ()
    loras: Tuple[LoraRow, ...] = ()
    insert: str = "layer"
    live_strength: float = 0.5
    live_seed: int = 0  # of all previews, until the artist wants another one
    live_steps: int = 0  # of the whole schedule; 0: as few as the model bears
    live_px: int = 0  # side of a square as large as the previews; 0: the model's own
    live_on_canvas: bool = False  # the preview lies over the canvas too

    @property
    def strength(self) -> float:
        """The strength of the mode at hand, 0 … 1."""
        return {
            "fill": self.fill_strength,
            "refine": self.refine_strength,
            "upscale": self.upscale_strength,
            LIVE: self.live_strength,
        }.get(self.mode, 1.0)


AS_IT_STARTS = Intent()
