"""What the live sittings of an engine share: its models, and the loops that paint their frames."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

import torch

from impasto_server.engine.adapters import Adaptation
from impasto_server.engine.frame_loop import FrameLoop, FrameShape, Parts
from impasto_server.engine.gate_hooks import JobStack
from impasto_server.engine.loading import LoadedModel
from impasto_server.engine.memory import Tier
from impasto_server.engine.shelf import Shelf

# Loops that are kept, of other models, sizes or step counts: their buffers are small beside a model.
_LOOPS = 8


@dataclass(frozen=True, eq=False)
class Borrowed:
    """A model and its adapters while a sitting works with them, as `JobStack` and `Shelf` see it. There is no
    gate to meet."""

    model: LoadedModel
    adaptation: Adaptation

    def before_forward(self, module: str) -> None:
        """See `gate_hooks.SteppedJob`."""
        self.model.set_up(Tier.FULL, module, self.adaptation)


@dataclass(frozen=True, eq=False)
class Lent:
    """A loop, and what was written into it last, by what it is for."""

    loop: FrameLoop
    _holds: dict[Hashable, object] = field(default_factory=dict)

    def hold(self, what: Hashable, value: object, write: Callable[[], None]) -> bool:
        """Writes unless `value` is the very object that stands there; whether it did."""
        if self._holds.get(what) is value:
            return False
        write()
        self._holds[what] = value
        return True


@dataclass(eq=False)
class LiveRoom:
    """One for all sittings of an engine."""

    shelf: Shelf
    stack: JobStack
    _loops: OrderedDict[Hashable, tuple[Borrowed, Lent]] = field(default_factory=OrderedDict)

    def loop(self, borrowed: Borrowed, shape: FrameShape) -> Lent:
        """A loop of that shape on that model with its ControlNets."""
        model, nets = borrowed.model, borrowed.adaptation.modules
        key = (id(model), *map(id, nets), shape)
        if key not in self._loops:
            parts = Parts(model.denoiser, model.modules["vae"], nets, torch.device(model.device))
            # The model is kept with it: else another one might get its id.
            self._loops[key] = (borrowed, Lent(FrameLoop(parts, shape)))
            while len(self._loops) > _LOOPS:
                self._loops.popitem(last=False)
        self._loops.move_to_end(key)
        return self._loops[key][1]
