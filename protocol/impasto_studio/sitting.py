"""The live session at the server, fed by a worker of its own so that nothing waits: neither the UI thread for
the wire, nor a stroke behind a large picture of a job."""

from collections import deque
from dataclasses import dataclass, replace
from typing import Callable, Deque, Dict, Iterator, Mapping, Optional, Tuple, Union

from impasto_client.live import Live, Preview
from impasto_client.session import Canvas, Session
from impasto_protocol.errors import ImpastoError
from impasto_protocol.messages import LiveRequest
from impasto_protocol.rasters import PixelFormat

from impasto_studio.host import Captured, Picture
from impasto_studio.live_plan import LivePlan, layer_role

__all__ = ["Fed", "News", "Sitting"]

Shape = Tuple[int, int, PixelFormat]


@dataclass(frozen=True)
class Fed:
    """An input that was sent: what a preview with its number shows."""

    sitting: int  # which live session; numbers start again with each
    number: int
    plan: LivePlan
    mask: Optional[Picture]


@dataclass(frozen=True)
class News:
    """What the server said; exactly one of the last three is set."""

    sitting: int
    preview: Optional[Preview] = None
    stage: str = ""  # loading | ready
    problem: Optional[ImpastoError] = None  # nothing more comes before it is fed something else


class Sitting:
    """From the moment live is switched on until it is switched off. `heard` is called on the connection's
    thread. `offer` and `withdraw` belong to the UI thread, all else to the worker."""

    def __init__(self, heard: Callable[[News], None], numbers: Iterator[int]) -> None:
        """`numbers`: a new one for each live session."""
        self._heard = heard
        self._numbers = numbers
        self._offered: Deque[Tuple[Session, LivePlan, Captured]] = deque(maxlen=1)  # the newest wins
        self._session: Optional[Session] = None
        self._live: Optional[Live] = None
        self._number = 0  # of the live session
        self._request: Optional[LiveRequest] = None  # as the server has it
        self._canvases: Dict[str, Canvas] = {}  # by role
        self._shown: Dict[str, Picture] = {}  # by role: what each canvas was given last

    def offer(self, session: Session, plan: LivePlan, captured: Captured) -> None:
        """The next `feed` sends this."""
        self._offered.append((session, plan, captured))

    def withdraw(self) -> None:
        """The next `feed` has nothing to send."""
        self._offered.clear()

    def feed(self) -> Optional[Fed]:
        """Sends what was offered last, unless that is done already. Blocks for sending only. Raises what the
        client library says against a canvas."""
        try:
            session, plan, captured = self._offered.pop()
        except IndexError:
            return None
        fresh = self._live is None or session is not self._session
        if fresh:
            self._begin(session)
        live, pictures = self._live, _by_role(plan, captured)
        assert live is not None
        unused = self._open(session, pictures)
        changed = {
            self._canvases[role]: picture.pixels
            for role, picture in pictures.items()
            if self._shown.get(role) is not picture
        }
        request, number = _named(plan.request, self._canvases), 0
        if request != self._request:
            for canvas, pixels in changed.items():  # the server knows them before the request that names them
                canvas.update(pixels)
            self._request = request  # before it is told: what is said against it may come at once
            try:
                number = live.change(request)
            except ImpastoError:
                self._request = None
                raise
        if fresh or not number:
            number = live.show(changed)
        self._shown = pictures
        for canvas in unused:
            canvas.close()
        return Fed(self._number, number, plan, captured.mask)

    def end(self) -> None:
        """The server forgets the session and its canvases."""
        live, self._live = self._live, None
        if live is not None:
            live.close()
            for canvas in self._canvases.values():
                canvas.close()

    def _begin(self, session: Session) -> None:
        self._session, self._request, self._canvases, self._shown = session, None, {}, {}
        self._number = sitting = next(self._numbers)

        def over(problem: ImpastoError) -> None:
            self._request = None  # the next one begins anew
            self._heard(News(sitting, problem=problem))

        self._live = session.live(
            lambda preview: self._heard(News(sitting, preview)),
            lambda stage: self._heard(News(sitting, stage=stage)),
            over,
        )

    def _open(self, session: Session, pictures: Mapping[str, Picture]) -> Tuple[Canvas, ...]:
        """A canvas for each picture, of its size. Returns those that are of no use any more."""
        kept = {
            role: canvas
            for role, canvas in self._canvases.items()
            if role in pictures and _shape(canvas) == _shape(pictures[role])
        }
        unused = tuple(canvas for role, canvas in self._canvases.items() if role not in kept)
        for role, picture in pictures.items():
            if role not in kept:
                kept[role] = session.canvas(*_shape(picture))
                self._shown.pop(role, None)
        self._canvases = kept
        return unused


def _shape(one: Union[Picture, Canvas]) -> Shape:
    return one.width, one.height, one.format


def _by_role(plan: LivePlan, captured: Captured) -> Dict[str, Picture]:
    """What goes to the server. Rows that follow the same layer share its canvas."""
    rows = zip(plan.watch.controls, captured.controls)  # noqa: B905  Python 3.8
    pictures = {layer_role(layer): picture for layer, picture in rows}
    assert captured.image is not None  # a watch always has it
    pictures[LivePlan.IMAGE] = captured.image
    if captured.mask is not None:
        pictures[LivePlan.MASK] = captured.mask
    return pictures


def _named(request: LiveRequest, canvases: Mapping[str, Canvas]) -> LiveRequest:
    """The request with its canvases by the names the server knows."""
    return replace(
        request,
        canvas=canvases[request.canvas].name,
        mask=canvases[request.mask].name if request.mask else "",
        controls=tuple(
            replace(control, canvas=canvases[control.canvas].name) for control in request.controls
        ),
    )
