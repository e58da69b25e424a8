"""Pixels of takes, fetched when they are wanted: a few whole ones, many small copies."""

from collections import OrderedDict
from functools import partial
from typing import Callable, Dict, List, Optional, Set, Tuple

from impasto_client.session import Session
from impasto_protocol.errors import ImpastoError
from impasto_protocol.messages import LayerInfo
from impasto_protocol.rasters import PixelFormat

from impasto_studio.host import Picture
from impasto_studio.view import THUMBNAIL_PX
from impasto_studio.workers import Worker

__all__ = ["Gallery", "Take"]

MOST_BYTES = 128 << 20  # of whole pictures kept; the newest stays, however large
MOST_THUMBNAILS = 600  # about 60 MB at most

Take = Tuple[str, int]  # job, index
Done = Callable[[Picture], None]
Failed = Callable[[str], None]
Reply = Tuple[int, int, PixelFormat, bytes]


class Gallery:
    """`changed` is called when a thumbnail has come."""

    def __init__(self, fetch: Worker, changed: Callable[[], None]) -> None:
        self._fetch = fetch
        self._changed = changed
        self._session: Optional[Session] = None
        self._pictures: "OrderedDict[Take, Picture]" = OrderedDict()  # used last at the end
        self._waiting: Dict[Take, List[Tuple[Done, Failed]]] = {}
        self._thumbnails: "OrderedDict[Take, Picture]" = OrderedDict()
        self._wanted: List[Take] = []  # next one at the end
        self._hopeless: Set[Take] = set()  # the server has none of these
        self._fetching: Optional[Take] = None

    def attach(self, session: Optional[Session]) -> None:
        self._session = session
        self._hopeless.clear()
        self._next_thumbnail()

    # ── whole pictures ───────────────────────────────────────────────────────────────────────────────────

    def picture(self, take: Take, info: LayerInfo, done: Done, failed: Failed, absent: str) -> None:
        """The take's pixels: at once when they are here, else when they have come. `absent`: what `failed`
        is told when there is no server."""
        known = self._pictures.get(take)
        if known is not None:
            self._pictures.move_to_end(take)
            done(known)
            return
        session = self._session
        if session is None:
            failed(absent)
            return
        others = self._waiting.setdefault(take, [])
        others.append((done, failed))
        if len(others) > 1:
            return  # on their way

        def fetch() -> Picture:
            layer = session.fetch_layer(take[0], take[1], info)
            return Picture(info.width, info.height, info.format, layer.pixels)

        self._fetch.do(fetch, partial(self._came, take), partial(self._did_not_come, take))

    def _came(self, take: Take, picture: Picture) -> None:
        self._pictures[take] = picture
        while len(self._pictures) > 1 and self._size() > MOST_BYTES:
            self._pictures.popitem(last=False)
        for done, _ in self._waiting.pop(take, []):
            done(picture)

    def _did_not_come(self, take: Take, error: ImpastoError) -> None:
        for _, failed in self._waiting.pop(take, []):
            failed(error.sentence)

    def _size(self) -> int:
        return sum(len(picture.pixels) for picture in self._pictures.values())

    # ── thumbnails ───────────────────────────────────────────────────────────────────────────────────────

    def thumbnail(self, take: Take) -> Optional[Picture]:
        return self._thumbnails.get(take)

    def want(self, takes: List[Take]) -> None:
        """Fetches these next, the first one first, one at a time: what is applied goes between. Replaces what
        was wanted before."""
        wanted = takes[:MOST_THUMBNAILS]
        for take in wanted:
            if take in self._thumbnails:
                self._thumbnails.move_to_end(take)  # others go first
        here = {*self._thumbnails, *self._hopeless, self._fetching}
        self._wanted = [take for take in reversed(wanted) if take not in here]
        self._next_thumbnail()

    def _next_thumbnail(self) -> None:
        session = self._session
        if self._fetching is not None or not self._wanted or session is None or not session.connected:
            return
        take = self._fetching = self._wanted.pop()
        self._fetch.do(
            lambda: session.thumbnail(take[0], take[1], THUMBNAIL_PX),
            partial(self._thumbnail_came, take),
            partial(self._no_thumbnail, take),
        )

    def _thumbnail_came(self, take: Take, reply: Reply) -> None:
        self._thumbnails[take] = Picture(*reply)
        if len(self._thumbnails) > MOST_THUMBNAILS:
            self._thumbnails.popitem(last=False)
        self._fetching = None
        self._changed()
        self._next_thumbnail()

    def _no_thumbnail(self, take: Take, _: ImpastoError) -> None:
        self._hopeless.add(take)  # until the next connection
        self._fetching = None
        self._next_thumbnail()
