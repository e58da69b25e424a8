"""What the Render panel and the Image Editor panel say beside the studio's intent, each as one value."""

from dataclasses import dataclass

__all__ = [
    "BOXES",
    "INSERTS",
    "PICTURES",
    "RESULTS",
    "SELECTIONS",
    "SOURCES",
    "ImageOptions",
    "RenderOptions",
]

SOURCES = ("camera", "view")  # the scene's camera, or what the artist looks through
PICTURES = ("view", "render")  # the scene as the 3D view draws it, or what was rendered last
INSERTS = ("image", "background")  # a new image; that, and the camera's background image
SELECTIONS = ("", "painted", "box")  # nothing, the bright parts of the mask image, or the box
RESULTS = ("into", "new")  # into the image that was painted on, or a new one beside it
BOXES = 4  # numbers of `ImageOptions.box`


@dataclass(frozen=True)
class RenderOptions:
    """Of `RenderHost.options`."""

    source: str = "camera"  # one of SOURCES
    picture: str = "view"  # one of PICTURES: what is repainted
    region: bool = False  # only the selected objects are repainted
    insert: str = "image"  # one of INSERTS
    longest_px: int = 1024  # longer side of the picture; 0: the render's, or the 3D view's on the screen


@dataclass(frozen=True)
class ImageOptions:
    """Of `ImageHost.options`."""

    selection: str = "painted"  # one of SELECTIONS
    box: tuple[int, int, int, int] = (0, 0, 0, 0)  # of "box": x, y from the top left, width, height, px
    seamless: bool = False  # the image is a tile: what leaves it on one side comes in on the other
    result: str = "into"  # one of RESULTS; what is larger than the image is a new one in any case
