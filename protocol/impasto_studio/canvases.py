"""Canvases kept open between jobs, so that only what changed is sent. Owned by the worker that sends."""

from collections import OrderedDict
from threading import Event
from typing import Dict, Mapping, Optional, Tuple

from impasto_client.session import Canvas, Session
from impasto_protocol.messages import CanvasRef, Limits
from impasto_protocol.rasters import PixelFormat, raster_size

from impasto_studio.host import Picture

__all__ = ["CanvasShelf"]

MOST_BYTES = 128 << 20  # kept open without need: each costs its size here and on the server
MOST_CANVASES = 16

Key = Tuple[str, str, int, int, PixelFormat]  # document, role, width, height


class CanvasShelf:
    """By document, role and size; the ones unused for longest are closed when there are too many."""

    def __init__(self) -> None:
        self._session: Optional[Session] = None
        self._open: "OrderedDict[Key, Canvas]" = OrderedDict()

    def refs(
        self, session: Session, document: str, pictures: Mapping[str, Picture], limits: Limits, stop: Event
    ) -> Optional[Dict[str, CanvasRef]]:
        """Brings a canvas per role up to date; None when `stop` was set meanwhile. Raises what the server
        says against a canvas."""
        if session is not self._session:
            self._session = session
            self._open.clear()
        keys = {
            role: (document, role, picture.width, picture.height, picture.format)
            for role, picture in pictures.items()
        }
        self._make_room(set(keys.values()), limits)
        refs = {}
        for role, picture in pictures.items():
            if stop.is_set():
                return None
            refs[role] = self._canvas(session, keys[role]).update(picture.pixels)
        return None if stop.is_set() else refs

    def _canvas(self, session: Session, key: Key) -> Canvas:
        canvas = self._open.get(key)
        if canvas is None:
            canvas = self._open[key] = session.canvas(*key[2:])
        self._open.move_to_end(key)
        return canvas

    def _make_room(self, needed: "set[Key]", limits: Limits) -> None:
        """Closes others until the needed ones fit into the server's limits, and into our own."""
        others = [key for key in self._open if key not in needed]
        count = len(needed) + len(others)
        size = sum(raster_size(*key[2:]) for key in (*needed, *others))
        for key in others:
            within = count <= limits.canvases and size <= limits.canvas_bytes
            if within and count <= MOST_CANVASES and size <= MOST_BYTES:
                return
            self._open.pop(key).close()
            count, size = count - 1, size - raster_size(*key[2:])
