"""Several layers of finished jobs, all or none."""

from typing import Callable, Dict, Iterable, Tuple

from impasto_protocol.messages import LayerInfo

from impasto_studio.gallery import Gallery, Take
from impasto_studio.host import Failed, Picture
from impasto_studio.texts import tr

__all__ = ["fetch"]


def fetch(
    gallery: Gallery,
    wanted: Iterable[Tuple[str, Take, LayerInfo]],
    done: Callable[[Dict[str, Picture]], None],
    failed: Failed,
) -> None:
    """One after the other; `done` gets them by the names they are wanted under. At once when all are here."""
    rest = list(wanted)
    found: Dict[str, Picture] = {}
    absent = tr("The server is not there, and it keeps the pictures. Start it, then try again.")

    def go_on() -> None:
        if not rest:
            done(found)
            return
        name, take, info = rest.pop(0)

        def came(picture: Picture) -> None:
            found[name] = picture
            go_on()

        gallery.picture(take, info, came, failed, absent)

    go_on()
