"""Which phases a training has and how its time is shared: the numbers of the recipe, all in one place."""

from __future__ import annotations

from dataclasses import dataclass

from . import unet
from .data import Kind
from .denoising import Phase, Source

SHAPES, FIGURES, BROAD, CONTROL = (("shapes", 128), ("figures", 256), ("broad", 256), ("control", 256))
OVER = ("over", 256)

INPAINTING = (
    Source(OVER, 0.5),
    Source(FIGURES, 0.3),
    Source(BROAD, 0.13),
    Source(("figures", 128), 0.04),
    Source(("broad", 128), 0.03),
)
"""What the last phase learns from: half of it large objects over pictures that the caption does not name, as
inpainting into a picture asks for. After 60,000 samples of it 87 % of 60 objects had their shape on
photographs (75 % before) and 80 % on scenes (72 %), through the stock pipeline; nothing else got worse.
"""


@dataclass(frozen=True)
class Recipe:
    """A training of everything."""

    shares: dict[str, float]
    """Stage → part of the budget, where two processes share the work."""
    unet: dict[str, object]
    """Its configuration."""
    phases: tuple[Phase, ...]
    """Of the UNet."""
    shards: dict[Kind, int]
    """Shards (of 1,024 scenes) of each kind at most; CUDA takes `CUDA_SHARDS` times as many."""
    lanes: tuple[tuple[str, ...], tuple[str, ...]]
    """Stages of the two processes that a CPU training runs in, in order; each waits for what it needs."""

    @property
    def stages(self) -> frozenset[str]:
        """All stages it has."""
        return frozenset(stage for lane in self.lanes for stage in lane)


CUDA_SHARDS = 2
"""A run on a GPU machine paints its data afresh: more would take longer than it is worth."""

SHORT = Recipe(
    shares={"autoencoder": 0.14, "text": 0.04, "data": 0.2, "unet": 0.74, "decoder": 0.12},
    unet=unet.SMALL,
    phases=(Phase("short", 1.0, 1.0, (Source(SHAPES, 1.0), Source(("figures", 128), 1.0, begin=0.4))),),
    shards={SHAPES: 30, ("figures", 128): 30},
    lanes=(("words", "autoencoder", "unet", "export"), ("text", "data", "decoder")),
)
"""For budgets up to three quarters of an hour: a native size of 128 px, where a sample costs a fifth; shapes,
pairs and colours; no control, no style.
"""

FULL = Recipe(
    shares={
        "autoencoder": 0.09,
        "text": 0.025,
        "data": 0.25,
        "unet": 0.66,
        "decoder": 0.08,
        "scribble": 0.2,
        "depth": 0.2,
        "pencil": 0.05,
    },
    unet=unet.CONFIG,
    phases=(
        Phase("small", 0.25, 1.0, (Source(SHAPES, 1.0), Source(("broad", 128), 0.6, begin=0.5))),
        Phase(
            "native",
            0.6,
            0.8,
            (Source(FIGURES, 0.56), Source(BROAD, 0.38), Source(("broad", 128), 0.06)),
        ),
        Phase("inpainting", 0.15, 0.2, INPAINTING),
    ),
    shards={
        SHAPES: 16,
        FIGURES: 24,
        BROAD: 24,
        ("broad", 128): 12,
        ("figures", 128): 8,
        OVER: 10,
        CONTROL: 12,
        ("pencil", 256): 2,
    },
    lanes=(
        ("words", "icons", "autoencoder", "unet", "scribble", "pencil", "export"),
        ("text", "data", "decoder", "depth"),
    ),
)
"""From an empty folder, everything."""

FURTHER = Recipe(
    shares={"text": 0.03, "data": 0.2, "unet": 0.72, "scribble": 0.22, "depth": 0.22, "pencil": 0.05},
    unet=unet.CONFIG,
    phases=(
        Phase(
            "further", 0.8, 0.7, (Source(FIGURES, 0.58), Source(BROAD, 0.38), Source(("figures", 128), 0.04))
        ),
        Phase("inpainting", 0.2, 0.2, INPAINTING),
    ),
    shards={
        FIGURES: 24,
        BROAD: 18,
        ("figures", 128): 8,
        ("broad", 128): 4,
        OVER: 10,
        CONTROL: 12,
        ("pencil", 256): 2,
    },
    lanes=(
        ("words", "icons", "autoencoder", "unet", "scribble", "pencil", "export"),
        ("text", "data", "depth"),
    ),
)
"""From the weights of an earlier training, whose autoencoder and tokenizer stay: new words, more samples."""


def choose(budget_minutes: float, cuda: bool, further: bool) -> Recipe:
    """The recipe for a budget on a kind of device."""
    if further:
        return FURTHER
    return SHORT if budget_minutes <= 45 and not cuda else FULL
