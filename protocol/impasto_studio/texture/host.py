"""What a 3D program must be able to do for texturing. Threads, `done` and `failed` as in
`impasto_studio.host`.
"""

from dataclasses import dataclass, field
from typing import Callable, Dict, Optional, Protocol, Tuple

from impasto_protocol.messages import Camera

from impasto_studio.host import Failed, LayerEntry, Picture

__all__ = [
    "CURRENT_VIEW",
    "Gather",
    "Gathered",
    "NewTextures",
    "ObjectEntry",
    "TextureHost",
    "TextureScene",
    "Textured",
    "ViewWanted",
]

CURRENT_VIEW = ""  # id of what the artist looks through, in place of a camera's


@dataclass(frozen=True)
class ObjectEntry:
    """A selected object that has a surface."""

    object: str  # id: stays the same in the saved file, and when the object is renamed
    name: str
    triangles: int
    uvs: bool  # it has a layout within 0 … 1
    textured: bool = False  # it shows a texture of Impasto's
    trouble: str = ""  # why it cannot be painted: the sentence


@dataclass(frozen=True)
class TextureScene:
    """What is selected at this moment. Cheap to make: it is asked for several times a second."""

    document: str  # id, kept in the file, 32 hex digits
    objects: Tuple[ObjectEntry, ...] = ()  # the active one first
    cameras: Tuple[LayerEntry, ...] = ()  # all of the scene, the active one first
    view: bool = False  # there is a 3D view to look through
    pictures: Tuple[str, ...] = ()  # names of images that may be laid on, the one being looked at first
    worn: Tuple[str, ...] = ()  # jobs whose textures are in the file
    busy: str = ""  # why nothing can be put on at this moment: the sentence


@dataclass(frozen=True)
class ViewWanted:
    """A view to be made ready."""

    camera: str = CURRENT_VIEW  # id
    seen: Optional[Camera] = None  # in place of a camera of the scene: it is that of an earlier job
    picture: str = ""  # name of an image that is what the view shows; it is resampled to the view
    mask: str = ""  # name of an image whose brightness says where the view may change the textures


@dataclass(frozen=True)
class Gather:
    """What is to be read from the scene. Nothing in it changes, new UV layouts aside (see `unwrap`)."""

    document: str
    objects: Tuple[str, ...]  # ids, to be painted
    others: bool = False  # send what else can be seen too: it stands in the way
    unwrap: str = "own"  # one of `intent.UNWRAPS`
    texture_px: int = 1024  # side of new textures; those that are kept have their own size
    bases: bool = False  # read the textures there are
    views: Tuple[ViewWanted, ...] = ()
    view_px: int = 512  # longer side of each view; the other one by the camera's or the view's proportions


@dataclass(frozen=True)
class Textured:
    """One texture to be painted, and all objects that wear it: instances, and those that share an atlas."""

    objects: Tuple[str, ...]  # ids
    name: str
    width: int  # texels
    height: int
    layer: str  # name of the UV layout that it lies on
    base: Optional[Picture] = None  # RGBA8


@dataclass(frozen=True)
class Gathered:
    """`geometry`: what `impasto_protocol.geometry.pack` makes, its textures numbered as `targets`."""

    geometry: bytes
    targets: Tuple[Textured, ...]
    cameras: Tuple[Camera, ...] = ()  # of `Gather.views`, in their order
    pictures: Dict[int, Picture] = field(default_factory=dict)  # by number of the view, RGB8 or RGBA8
    masks: Dict[int, Picture] = field(default_factory=dict)  # GRAY8


@dataclass(frozen=True)
class NewTextures:
    """Finished textures on their way onto the objects, as one undo step. The materials that the objects have
    stay in a slot of theirs, so that they can be taken back.
    """

    document: str
    title: str
    job: str
    targets: Tuple[Textured, ...]  # as gathered; objects that are gone are left out
    pictures: Tuple[
        Picture, ...
    ]  # RGBA8, one of each target; alpha 255 painted, 1 filled, 0 beside the layout


class TextureHost(Protocol):
    """A 3D program. `name` and `call_soon` and the settings are as in `impasto_studio.host.Host`."""

    @property
    def name(self) -> str: ...
    def call_soon(self, do: Callable[[], None]) -> None: ...
    def save_setting(self, key: str, text: str) -> None: ...
    def load_setting(self, key: str) -> str: ...

    def texture_scene(self) -> Optional[TextureScene]:
        """None without a file or a scene."""

    def gather(self, wanted: Gather, done: Callable[[Gathered], None], failed: Failed) -> None:
        """Reads geometry, textures, cameras and pictures, in slices. Fails with a sentence when an object
        cannot be painted: no surface, linked from another file, …"""

    def put(self, textures: NewTextures, done: Callable[[], None], failed: Failed) -> None:
        """Puts textures on their objects. Fails when the file or all of the objects are gone."""

    def show_map(self, textures: Optional[NewTextures]) -> None:
        """Lays heat maps over the objects as they are shown, without touching a material; None: away."""

    def show_picture(self, name: str, picture: Picture) -> None:
        """Makes or replaces an image of that name, for the artist to look at and paint on."""
