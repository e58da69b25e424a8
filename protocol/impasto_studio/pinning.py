"""A live preview becomes a layer."""

from typing import Callable, Tuple

from impasto_protocol.messages import Control, GenerateRequest, LiveRequest, Lora

from impasto_studio.base_work import short
from impasto_studio.host import Host, NewLayer
from impasto_studio.intent import LIVE, Intent
from impasto_studio.live import LiveShown
from impasto_studio.notes import Note
from impasto_studio.remembered import Memory, Recipe
from impasto_studio.texts import tr

__all__ = ["Pinner"]


class Pinner:
    """`say` tells the artist; `changed` is called when a layer is in. On the UI thread."""

    def __init__(
        self, host: Host, memory: Memory, say: Callable[[str], None], changed: Callable[[], None]
    ) -> None:
        self._host = host
        self._memory = memory
        self._say = say
        self._changed = changed
        self._busy = False  # one at a time: a second press while one is on its way would insert it twice

    def pin(self, shown: LiveShown, intent: Intent, document_size: Tuple[int, int]) -> None:
        """`intent`: what the panel says, kept with the layer."""
        if self._busy:
            return
        self._busy = True
        watch, request = shown.plan.watch, shown.plan.request
        box, title = watch.box, short(request.prompt) or tr("Live preview")
        layer = NewLayer(watch.document, title, box.x, box.y, shown.new, size=box.size)
        note = Note(watch.document, box, document_size, LIVE, title, intent=intent)

        def pinned(name: str) -> None:
            self._busy = False
            self._memory.remember(watch.document, name, Recipe(note, _as_job(request, shown)))
            self._changed()

        def failed(sentence: str) -> None:
            self._busy = False
            self._say(sentence)

        self._host.insert(layer, pinned, failed)


def _as_job(live: LiveRequest, shown: LiveShown) -> GenerateRequest:
    """What was asked for, in the words of a job; its pictures are kept by nobody."""
    return GenerateRequest(
        live.prompt,
        negative=live.negative,
        model=live.model,
        width=shown.picture.width,
        height=shown.picture.height,
        seed=live.seed,
        strength=live.strength,
        controls=tuple(Control(one.kind, None, one.strength, one.start, one.end) for one in live.controls),
        loras=tuple(Lora(one.name, one.strength) for one in live.loras),
    )
