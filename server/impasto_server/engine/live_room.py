"""What the live sittings of an engine share: its models, and the loops that paint their frames."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Protocol
from weakref import WeakSet

from impasto_server.engine.adapters import Adaptation
from impasto_server.engine.frame_loop import FrameLoop, FrameShape
from impasto_server.engine.gate_hooks import JobStack
from impasto_server.engine.graphs import Graphs
from impasto_server.engine.live_parts import LiveParts, live_parts
from impasto_server.engine.loading import LoadedModel
from impasto_server.engine.memory import Tier
from impasto_server.engine.shelf import Shelf

# Loops of a model that are kept, of other sizes or step counts: their buffers are small beside it.
_LOOPS = 8


@dataclass(frozen=True, eq=False)
class Borrowed:
    """A model and its adapters while a sitting works with them, as `JobStack` and `Shelf` see it. There is no
    gate to meet."""

    model: LoadedModel
    adaptation: Adaptation

    @property
    def worn(self) -> tuple[tuple[str, float], ...]:
        """The LoRAs, with strengths."""
        return tuple((lora.adapter, strength) for lora, strength in self.adaptation.loras)

    def before_forward(self, module: str) -> None:
        """See `gate_hooks.SteppedJob`."""
        self.model.set_up(Tier.FULL, module, self.adaptation)


@dataclass(frozen=True, eq=False)
class Lent:
    """A loop, and what was written into it last, by what it is for. graphs: None where there are none."""

    loop: FrameLoop
    graphs: Graphs | None
    _holds: dict[Hashable, object] = field(default_factory=dict)

    def hold(self, what: Hashable, value: object, write: Callable[[], None]) -> bool:
        """Writes unless `value` is the very object that stands there; whether it did."""
        if self._holds.get(what) is value:
            return False
        write()
        self._holds[what] = value
        return True


class LetsGo(Protocol):
    """What the room needs of a sitting."""

    def let_go(self, model: LoadedModel) -> None: ...


@dataclass(eq=False)
class Atelier:
    """Of one model: the modules for live frames, and the loops around them."""

    parts: LiveParts
    loops: OrderedDict[Hashable, Lent] = field(default_factory=OrderedDict)

    def lend(self, borrowed: Borrowed, shape: FrameShape) -> Lent:
        adaptation = borrowed.adaptation
        parts = self.parts.at_work(adaptation)
        key = (shape, *parts.nets)
        if key not in self.loops:
            loop = FrameLoop(parts, shape)
            # Weights that come and go have no place that a graph could remember.
            stay = parts.device.type == "cuda" and not (borrowed.model.offloads or adaptation.offloads)
            self.loops[key] = Lent(loop, Graphs(loop) if stay else None)
            if len(self.loops) > _LOOPS:
                self.loops.popitem(last=False)
        self.loops.move_to_end(key)
        lent = self.loops[key]
        if lent.graphs is not None:
            for part in (borrowed.model.source.family.denoiser, "vae"):  # a graph calls no hooks
                borrowed.before_forward(part)
        return lent


@dataclass(eq=False)
class LiveRoom:
    """One for all sittings of an engine. What it holds of a model goes when the shelf drops the model."""

    shelf: Shelf
    stack: JobStack
    ateliers: dict[LoadedModel, Atelier] = field(default_factory=dict)
    sittings: WeakSet[LetsGo] = field(default_factory=WeakSet)

    def __post_init__(self) -> None:
        self.shelf.on_drop = self.forget

    def lend(self, borrowed: Borrowed, shape: FrameShape) -> Lent:
        """A loop of that shape for frames of that model with its adapters."""
        model = borrowed.model
        if model not in self.ateliers:
            self.ateliers[model] = Atelier(live_parts(model, self.shelf.catalogue))
        return self.ateliers[model].lend(borrowed, shape)

    def forget(self, model: LoadedModel) -> None:
        self.ateliers.pop(model, None)
        for sitting in self.sittings:
            sitting.let_go(model)
