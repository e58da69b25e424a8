"""What a host program must be able to do. Every method but `call_soon` is called on its UI thread only.

Methods with `done` and `failed` return at once and work in slices that leave the UI thread free; exactly one
of the two is called later, on the UI thread. `failed` takes a sentence for the artist.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Optional, Protocol, Sequence, Tuple

from impasto_protocol.rasters import PixelFormat

from impasto_studio.geometry import Box

__all__ = [
    "Animation",
    "Capture",
    "Captured",
    "Failed",
    "Host",
    "LayerEntry",
    "NewLayer",
    "Picture",
    "Scene",
    "Seen",
    "Shown",
    "Watch",
]

Failed = Callable[[str], None]


@dataclass(frozen=True)
class Picture:
    """Pixels in sRGB, row-major, straight alpha."""

    width: int
    height: int
    format: PixelFormat  # RGB8, RGBA8, GRAY8 or RGBA16
    pixels: bytes  # or a bytearray that nobody writes to any more


@dataclass(frozen=True)
class LayerEntry:
    """A layer of the document, top first, as the artist may choose it."""

    layer: str  # the host's id: stays the same in the saved document
    name: str


@dataclass(frozen=True)
class Scene:
    """The active document at this moment."""

    document: str  # id, kept in the document, 32 hex digits
    width: int
    height: int
    selection: Optional[Box] = None  # tight; None: nothing is selected
    layer: str = ""  # id of the active layer
    layers: Tuple[LayerEntry, ...] = ()

    @property
    def box(self) -> Box:
        return Box(0, 0, self.width, self.height)


@dataclass(frozen=True)
class Capture:
    """What is to be read from a document: all of it from the same `box`, which may go beyond the document;
    what lies outside is transparent (image, controls) or 0 (mask)."""

    document: str
    box: Box
    image: bool = True  # what the artist sees, without Impasto's own previews
    mask: bool = False  # the selection
    controls: Tuple[str, ...] = ()  # layer ids; "" for what the artist sees


@dataclass(frozen=True)
class Captured:
    """Pictures of the capture's box: `image` and `controls` RGBA8, `mask` GRAY8 (0 keep … 255 repaint)."""

    image: Optional[Picture] = None
    mask: Optional[Picture] = None
    controls: Tuple[Picture, ...] = ()


@dataclass(frozen=True)
class Watch:
    """What is to be followed: `box`, which lies within the document, scaled to `width` × `height`."""

    document: str
    box: Box
    width: int  # px, of the pictures
    height: int
    mask: bool = False  # the selection too
    controls: Tuple[str, ...] = ()  # layer ids; "" for what the artist sees


Seen = Callable[[Captured], None]


@dataclass(frozen=True)
class NewLayer:
    """A take on its way into the document, as one undo step."""

    document: str
    name: str
    x: int  # document pixels; with `resize` and without `scale`, those before it
    y: int
    picture: Picture  # RGB8, RGBA8, RGBA16 or GRAY8
    insert: str = "layer"  # one of `intent.INSERTS`
    above: str = ""  # id of the layer it comes above; empty or gone: the active one
    resize: Optional[Box] = (
        None  # the document's new extent, if this take makes it larger ("expand", "upscale")
    )
    scale: bool = False  # with `resize`: the layers there are scaled to it, instead of the canvas extended
    size: Optional[Tuple[int, int]] = None  # the picture is scaled to it, smoothly; None: it has its own


@dataclass(frozen=True)
class Shown:
    """A picture laid over the canvas without touching the document; it covers `box` of it."""

    document: str
    box: Box
    picture: Picture  # RGB8 or RGBA8, of any size
    label: str = ""  # with one: it follows the drawing. A frame and these words around it say what it is,
    # and it fades while the pen is down


@dataclass(frozen=True)
class Animation:
    """Pictures one after another, in a document of their own."""

    name: str
    width: int  # px
    height: int
    frames: Sequence[Path]  # PNG files of this size; read before `done` or `failed` is called
    frames_per_second: int


class Host(Protocol):
    """A document program. See the head of this module for threads."""

    @property
    def name(self) -> str:
        """Program and version, for people who read logs: "Krita 5.2.2"."""

    def call_soon(self, do: Callable[[], None]) -> None:
        """Runs `do` on the UI thread, after what is going on there. May be called from any thread."""

    def scene(self) -> Optional[Scene]:
        """The active document, or None. Cheap: it is asked several times a second."""

    def capture(self, wanted: Capture, done: Callable[[Captured], None], failed: Failed) -> None:
        """Reads pixels. Fails when the document was closed or a layer is gone."""

    def insert(self, layer: NewLayer, done: Callable[[str], None], failed: Failed) -> None:
        """Puts a layer in and gives its id to `done`. Fails when the document was closed."""

    def preview(self, shown: Optional[Shown]) -> bool:
        """Shows a picture over the canvas, or takes it away; False when this host cannot."""

    def watch(self, wanted: Optional[Watch], seen: Seen) -> None:
        """Follows what the artist sees, in place of what was followed before; None: nothing any more.

        `seen` gets whole pictures: once at the beginning, then soon after each change, never while nothing
        changes. A picture that has not changed is the same object as before. After the pen has lifted, the
        last one is what the program shows when it has come to rest. While the document or one of the layers
        is gone, nothing is seen.
        """

    def animate(self, animation: Animation, done: Callable[[], None], failed: Failed) -> None:
        """Makes a new document of the frames, without taking the artist away from the one she is in."""

    def remember(self, document: str, key: str, data: bytes) -> None:
        """Keeps data inside the document, saved with it. No undo step. Nothing happens if it was closed."""

    def recall(self, document: str, key: str) -> bytes:
        """What `remember` kept; empty if nothing."""

    def save_setting(self, key: str, text: str) -> None:
        """Keeps a text in the program's own settings."""

    def load_setting(self, key: str) -> str:
        """What `save_setting` kept; empty if nothing."""
