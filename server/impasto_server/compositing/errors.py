"""What can be wrong with an inpaint request, in terms the artist can act on.

    CompositingError (a ValueError)
    ├── EmptyMask          empty_mask        nothing is selected
    ├── MaskSizeMismatch   mask_size         mask and picture differ in size
    ├── UnsupportedRaster  raster_format     wrong number of dimensions, channels, or dtype
    ├── UnknownFill        unknown_fill      no such fill mode
    └── BadGeneration      bad_generation    the model returned a picture of the wrong size, or not numbers

The engine translates each into a protocol error by its ``code``; the text is the sentence the artist reads.
"""

from __future__ import annotations


class CompositingError(ValueError):
    """Base of all errors of this package; ``code`` is stable across releases."""

    code = "compositing"


class EmptyMask(CompositingError):
    """The mask holds no pixel to repaint."""

    code = "empty_mask"

    def __init__(self) -> None:
        super().__init__("Nothing is selected. Select or paint the area to repaint, then try again.")


class MaskSizeMismatch(CompositingError):
    """The mask is not of the picture's size."""

    code = "mask_size"

    def __init__(self, mask: tuple[int, ...], image: tuple[int, ...]) -> None:
        super().__init__(
            f"The mask is {mask[1]}×{mask[0]} px but the picture is {image[1]}×{image[0]} px. "
            "Send a mask of the picture's size."
        )


class UnsupportedRaster(CompositingError):
    """An array is not one of the document formats (see `colour_formats` in ``raster``)."""

    code = "raster_format"


class UnknownFill(CompositingError):
    """The fill mode is not one of `fill.FILL_MODES`."""

    code = "unknown_fill"

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(f"There is no fill mode '{name}'. Use one of: {', '.join(known)}.")


class BadGeneration(CompositingError):
    """The generated picture cannot be composed."""

    code = "bad_generation"
