"""Following what the artist sees.

Krita tells nobody that pixels have changed, so they are looked at: band by band, in slices that leave the UI
thread free. A band whose bytes have another checksum than the last time is converted, scaled and put into a
picture that is kept. Looking is quick (0.3 ms for 512², 5 ms for 2048²) next to converting, so a stroke costs
as much as it is high.

Nothing is missed: looking never ends, it only slows down while nothing happens. A band that Krita composites
while it is read has another checksum afterwards, and is read once more.
"""

import time
from typing import Any, Callable, List, NamedTuple, Optional, Tuple

from impasto_protocol.rasters import PixelFormat
from impasto_studio.geometry import Box
from impasto_studio.host import Captured, Picture, Seen, Watch

from .canvas import Canvas
from .documents import Documents
from .pen import Pen
from .pixels import Buffer, fitted_rows
from .scratch import Scratch
from .slices import BUDGET_S, Pause, Steps
from .sources import Reader, layer, projection, selection

__all__ = ["follow"]

BAND_ROWS = 64  # of the document, about: the height of Krita's tiles
PEN_MS = 8  # between two looks while something happens: 120 Hz
IDLE_S = 0.2  # … and while nothing does,
NAP_MS = 20  # in pieces as long as this, so that a pen that comes down is noticed
AWAKE_S = 0.7  # after the last change, or the pen
REST = 3  # times as long as looking has taken, it is rested at least: most of the thread stays Krita's …
LONGEST_S = 0.01  # … but what has taken longer than this was waiting for others
MANY_BANDS = 32  # from here on the bands at the pen are told before the others are looked at


def follow(
    wanted: Watch,
    documents: Documents,
    scratch: Scratch,
    pen: Pen,
    front: Callable[[Any], Optional[Canvas]],
    seen: Seen,
) -> Steps[None]:
    """Never ends by itself. `front`: where a document lies on the screen."""
    sight = _Sight(wanted, scratch, seen)
    awake_until = 0.0
    while True:
        document = documents.find(wanted.document)
        touched, changed = None, False
        if document is not None:
            pen.follow(front(document))
            touched = pen.touched()
            changed = yield from sight.look_over(document, touched)
        now = time.perf_counter()
        if changed or pen.down or touched is not None:
            awake_until = now + AWAKE_S
        elif awake_until and now > awake_until:
            awake_until = now + AWAKE_S if document is not None and _busy(document) else 0.0
        if awake_until:
            yield Pause(PEN_MS)
            continue
        while time.perf_counter() < now + IDLE_S and not pen.down:
            yield Pause(NAP_MS)


class _Sight:
    """The pictures of all that is followed."""

    def __init__(self, wanted: Watch, scratch: Scratch, seen: Seen) -> None:
        self._wanted = wanted
        self._seen = seen
        self._bands = bands = _bands(wanted)
        self._image = _Plane(projection, bands, wanted, PixelFormat.RGBA8)
        self._layers = {
            name: _Plane(layer(name, scratch), bands, wanted, PixelFormat.RGBA8)
            for name in wanted.controls
            if name
        }
        self._mask = _Plane(selection, bands, wanted, PixelFormat.GRAY8) if wanted.mask else None
        self._planes = [self._image, *self._layers.values(), *([self._mask] if self._mask else [])]

    def look_over(self, document: Any, touched: Optional[Tuple[float, float]]) -> Steps[bool]:
        """All bands once, those at the pen first. Whether there was something new to tell."""
        readers = [plane.source(document) for plane in self._planes]
        changed, spent = False, 0.0
        near, far = _near_and_far(self._bands, touched)
        for some in (near, far):
            for index in some:
                begun = time.perf_counter()
                for plane, reader in zip(self._planes, readers):
                    yield from plane.look(reader, index)
                spent += time.perf_counter() - begun
                if spent > BUDGET_S:
                    yield Pause(round(1000 * REST * min(spent, LONGEST_S)))
                    spent = 0.0
            if some is far or len(far) > MANY_BANDS:
                changed = self._tell() or changed
        return changed

    def _tell(self) -> bool:
        if not all(plane.whole for plane in self._planes):
            return False
        renewed = [plane.renewed() for plane in self._planes]
        if not any(renewed):
            return False
        image, mask = self._image.picture, self._mask.picture if self._mask is not None else None
        controls = tuple(self._layers[name].picture if name else image for name in self._wanted.controls)
        self._seen(Captured(image, mask, controls))
        return True


def _busy(document: Any) -> bool:
    """Whether Krita has not finished yet what it is compositing."""
    if not document.tryBarrierLock():
        return True
    document.unlock()
    return False


# ── bands ────────────────────────────────────────────────────────────────────────────────────────────────


class _Band(NamedTuple):
    source: Box  # of the document
    target: Box  # of the picture


def _bands(wanted: Watch) -> List[_Band]:
    """Each becomes its rows of the picture by itself, so that the same document always gives the same
    picture, whatever changed last. One band where the picture is enlarged: enlarged bands would show their
    edges."""
    box = wanted.box
    count = 1 if wanted.height > box.height else max(1, box.height // BAND_ROWS)
    tops = [index * wanted.height // count for index in range(count + 1)]
    return [
        _Band(
            Box(box.x, box.y + _up(top, wanted), box.width, _up(end, wanted) - _up(top, wanted)),
            Box(0, top, wanted.width, end - top),
        )
        for top, end in zip(tops, tops[1:])  # noqa: RUF007  Python 3.8
        if end > top
    ]


def _up(row: int, wanted: Watch) -> int:
    """Where a row of the picture begins in the box."""
    return round(row * wanted.box.height / wanted.height)


def _near_and_far(bands: List[_Band], touched: Optional[Tuple[float, float]]) -> Tuple[List[int], List[int]]:
    """The bands the pen has been at, and the others."""
    near = []
    if touched is not None:
        low, high = touched[0] - BAND_ROWS, touched[1] + BAND_ROWS  # a brush is not a point
        near = [n for n, band in enumerate(bands) if band.source.y < high and band.source.bottom > low]
    return near, [n for n in range(len(bands)) if n not in near]


class _Plane:
    """One picture that is kept up to date: of what the artist sees, of the selection or of a layer."""

    def __init__(
        self,
        source: Callable[[Any], Optional[Reader]],
        bands: List[_Band],
        wanted: Watch,
        format: PixelFormat,
    ) -> None:
        self.source = source  # document → what reads it; None: it is gone
        self.picture: Optional[Picture] = None  # the newest that was told
        self._bands = bands
        self._marks: List[Optional[int]] = [None] * len(bands)  # checksums of what is in the picture
        self._read = [False] * len(bands)
        self._buffer = Buffer(Box(0, 0, wanted.width, wanted.height), format)
        self._touched = False

    @property
    def whole(self) -> bool:
        """Whether every band has been read."""
        return all(self._read)

    def look(self, reader: Optional[Reader], index: int) -> Steps[None]:
        """Brings a band up to date."""
        if reader is None:
            return
        source, target = self._bands[index]
        mark = reader.mark(source)
        if mark == self._marks[index]:
            return
        image = yield from reader.image(source)
        if image.isNull():  # seen while a document was being closed; what is still there is read next time
            return
        rows, kept = fitted_rows(image, target.width, target.height, self._buffer.format)
        self._buffer.put(target, rows)
        del kept
        self._touched = self._read[index] = True
        self._marks[index] = mark if mark == reader.mark(source) else None

    def renewed(self) -> bool:
        """Whether there is another picture now than was told."""
        if not self._touched:
            return False
        self._touched = False
        picture = self._buffer.copy()
        if self.picture is not None and picture.pixels == self.picture.pixels:
            return False
        self.picture = picture
        return True
