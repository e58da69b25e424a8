"""The Image Editor panel's host: its document is the image that is shown there."""

import hashlib
import uuid
from collections.abc import Callable
from typing import Any

import bpy
import numpy
from impasto_protocol.rasters import PixelFormat
from impasto_studio.geometry import Box
from impasto_studio.host import (
    Animation,
    Capture,
    Captured,
    Failed,
    LayerEntry,
    NewLayer,
    Picture,
    Scene,
    Seen,
    Shown,
    Watch,
)
from impasto_studio.texts import tr

from .arrays import array_of, cut, picture_of, resized, rgba_of
from .base import Base, Settings
from .documents import keep, kept
from .images import new_image, show_image, undo_step
from .loop import Loop, Sliced, Trouble
from .masks import Masks
from .options import ImageOptions
from .overlay import Overlay
from .pixels import BAND_ROWS, check_image, floats_in_turns, floats_of, laid_into, sizes_of, values_of
from .sequences import sequence
from .strokes import Strokes
from .tiles import folded, overlap_px, unrolled

__all__ = ["ImageHost"]

ID = "impasto document"  # custom property of an image
LOOK_S = 0.5  # how often a followed image is looked at


class ImageHost(Base):
    """`impasto_studio.host.Host`. Settings of the panel in `options`."""

    program = "BlenderImages"

    def __init__(self, loop: Loop, settings: Settings) -> None:
        super().__init__(loop, settings)
        self.options = ImageOptions()
        self.masks = Masks()
        self._strokes = Strokes()
        self._overlay = Overlay(bpy.types.SpaceImageEditor, "IMAGE_EDITOR", self._place)
        self._watching: Sliced | None = None

    def close(self) -> None:
        """At the add-on's end."""
        self.watch(None, lambda _: None)
        self._overlay.close()
        self._strokes.close()

    # ── what there is ────────────────────────────────────────────────────────────────────────────────────

    @property
    def image(self) -> Any | None:
        """What the artist paints on: the image that is shown, also while its mask is."""
        image = _shown_image()
        owner = self.masks.owner(image) if image is not None else None
        return owner if owner is not None else image

    def trouble(self) -> str:
        """Why the image that is shown cannot be painted on: the sentence, or nothing."""
        image = self.image
        try:
            if image is not None:
                check_image(image)
        except Trouble as trouble:
            return str(trouble)
        return ""

    def make_mask(self) -> None:
        """A mask for the image that is shown, on which Blender's own brushes paint; it is shown then. Raises
        `Trouble`."""
        image = self.image
        if image is None:
            raise Trouble(tr("No image is open. Open one in the Image Editor."))
        check_image(image)
        show_image(self.masks.made(image))
        undo_step(tr("Impasto: mask"))

    def scene(self) -> Scene | None:
        image = self.image
        if image is None:
            return None
        width, height = sizes_of(image)
        selection = None
        if min(width, height) > 0 and not self.trouble():
            selection = self._selection(image)
        across, down = self._canvas(max(1, width), max(1, height))
        names = [one.name for one in bpy.data.images if one.type not in ("RENDER_RESULT", "COMPOSITING")]
        layers = tuple(LayerEntry(name, name) for name in names if name != image.name)
        return Scene(_id_of(image), across, down, selection, layer=image.name, layers=layers)

    def _canvas(self, width: int, height: int) -> tuple[int, int]:
        """Of the document: a seamless image is shown a little more than once."""
        if self.options.seamless:
            return width + overlap_px(width), height + overlap_px(height)
        return width, height

    def _selection(self, image: Any) -> Box | None:
        if self.options.selection == "box":
            box = Box(*self.options.box).common(Box(0, 0, *sizes_of(image)))
            found = box if self.options.box[2] > 0 and self.options.box[3] > 0 else None
        else:
            found = self.masks.bounds(image) if self.options.selection == "painted" else None
        if found is not None and self.options.seamless:  # it comes again behind the end
            mask = numpy.zeros((*reversed(sizes_of(image)), 1), bool)
            mask[found.y : found.bottom, found.x : found.right] = True
            rows, columns = numpy.nonzero(unrolled(mask)[..., 0])
            x, y = int(columns.min()), int(rows.min())
            return Box(x, y, int(columns.max()) + 1 - x, int(rows.max()) + 1 - y)
        return found

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────

    def capture(self, wanted: Capture, done: Callable[[Captured], None], failed: Failed) -> None:
        self.loop.run(self._captured(wanted), done, failed)

    def _captured(self, wanted: Capture) -> Sliced:
        image = _image_of(wanted.document)
        check_image(image)
        picture = None
        if wanted.image or "" in wanted.controls:
            picture = self._cut((yield from _read(image)), wanted.box)
            yield
        mask = None
        if wanted.mask:
            mask = self._cut(self._mask(image), wanted.box)
            yield
        controls = []
        for layer in wanted.controls:
            if layer:
                controls.append(self._cut(_followed(layer, sizes_of(image)), wanted.box))
            elif picture is not None:
                controls.append(picture)
            yield
        return Captured(picture if wanted.image else None, mask, tuple(controls))

    def _mask(self, image: Any) -> numpy.ndarray:
        """(H, W, 1) uint8."""
        width, height = sizes_of(image)
        if self.options.selection == "box":
            mask = numpy.zeros((height, width, 1), numpy.uint8)
            box = Box(*self.options.box).common(Box(0, 0, width, height))
            if box is not None:
                mask[box.y : box.bottom, box.x : box.right] = 255
        else:
            mask = self.masks.values(image)
        if not mask.any():
            raise Trouble(
                tr("Nothing is painted on the mask. Paint what shall be repainted, or select a box.")
            )
        return mask

    def _cut(self, pixels: numpy.ndarray, box: Box) -> Picture:
        return picture_of(cut(unrolled(pixels) if self.options.seamless else pixels, box))

    # ── putting in ───────────────────────────────────────────────────────────────────────────────────────

    def insert(self, layer: NewLayer, done: Callable[[str], None], failed: Failed) -> None:
        self.loop.run(self._inserted(layer), done, failed)

    def _inserted(self, layer: NewLayer) -> Sliced:
        image = _image_of(layer.document)
        picture = layer.picture
        if layer.size is not None:
            picture = picture_of(resized(array_of(picture), *layer.size))
        is_map = picture.format is PixelFormat.GRAY8
        larger = layer.resize is not None
        if not (is_map or larger):
            check_image(image)
        yield
        if is_map or larger:
            pixels = self._folded(array_of(picture), image, layer)
            kind = layer.name if is_map else f"{picture.width} × {picture.height}"
            new = new_image(f"{image.name} {kind}", picture_of(pixels))
        else:
            floats = floats_of(image)
            box, part = self._part(image, floats, array_of(picture), layer)
            if self.options.result == "into":
                self._strokes.put(image, floats, box, part)
                self.masks.start_again(image)
                new = image
            else:
                values = floats.copy()
                values[box.y : box.bottom, box.x : box.right] = part
                pixels = values_of(image, values)
                new = new_image(f"Impasto {layer.name}".strip(), picture_of(pixels))
        undo_step(f"Impasto: {layer.name}")
        if not is_map:
            show_image(new)
        return str(new.name)

    def _part(
        self, image: Any, floats: numpy.ndarray, above: numpy.ndarray, layer: NewLayer
    ) -> tuple[Box, numpy.ndarray]:
        """What the image becomes, where it changes."""
        width, height = sizes_of(image)
        box = Box(layer.x, layer.y, above.shape[1], above.shape[0])
        if not self.options.seamless:
            inside = box.common(Box(0, 0, width, height))
            if inside is None:
                raise _gone()
            above = above[inside.y - box.y : inside.bottom - box.y, inside.x - box.x : inside.right - box.x]
            return inside, laid_into(image, floats, _without_own_alpha(image, floats, above), inside)
        canvas = unrolled(floats)
        inside = box.common(Box(0, 0, canvas.shape[1], canvas.shape[0]))
        if inside is None:
            raise _gone()
        above = above[inside.y - box.y : inside.bottom - box.y, inside.x - box.x : inside.right - box.x]
        above = _without_own_alpha(image, canvas, above)
        canvas[inside.y : inside.bottom, inside.x : inside.right] = laid_into(image, canvas, above, inside)
        return Box(0, 0, width, height), folded(canvas, width, height)

    def _folded(self, pixels: numpy.ndarray, image: Any, layer: NewLayer) -> numpy.ndarray:
        """A whole new picture without what was shown twice."""
        width, height = sizes_of(image)
        across, down = self._canvas(width, height)
        if not self.options.seamless:
            return pixels
        scale_x, scale_y = pixels.shape[1] / across, pixels.shape[0] / down
        return folded(pixels, round(width * scale_x), round(height * scale_y))

    def preview(self, shown: Shown | None) -> bool:
        return self._overlay.show(shown)

    def animate(self, animation: Animation, done: Callable[[], None], failed: Failed) -> None:
        self.loop.run(sequence(animation), lambda _: done(), failed)

    # ── live ─────────────────────────────────────────────────────────────────────────────────────────────

    def watch(self, wanted: Watch | None, seen: Seen) -> None:
        work, self._watching = self._watching, None
        if work is not None:
            self.loop.stop_one(work)
        if wanted is not None:
            self._watching = self._looks(wanted, seen)
            self.loop.run(self._watching, lambda _: None, lambda _: None)

    def _looks(self, wanted: Watch, seen: Seen) -> Sliced:
        """Nobody tells that a brush has painted: the pixels are compared."""
        told: Captured | None = None
        capture = Capture(wanted.document, wanted.box, True, wanted.mask, wanted.controls)
        while True:
            try:
                found = yield from self._captured(capture)
            except Trouble:  # it may come back
                yield LOOK_S
                continue
            small = Captured(
                _small(found.image, wanted),
                _small(found.mask, wanted),
                tuple(_small(one, wanted) for one in found.controls),
            )
            if small != told:
                told = small
                seen(small)
            yield LOOK_S

    # ── memory ───────────────────────────────────────────────────────────────────────────────────────────

    def remember(self, document: str, key: str, data: bytes) -> None:
        keep(f"{document}/{key}", data)

    def recall(self, document: str, key: str) -> bytes:
        return kept(f"{document}/{key}")

    def _place(self, context: Any, shown: Shown) -> tuple[float, float, float, float] | None:
        """Over the image, as it is zoomed and moved."""
        image = context.space_data.image
        if image is None or _id_of(self.masks.owner(image) or image, write=False) != shown.document:
            return None
        width, height = sizes_of(image)
        if not min(width, height):
            return None
        view, box = context.region.view2d, shown.box
        left, bottom = view.view_to_region(box.x / width, 1 - box.bottom / height, clip=False)
        right, top = view.view_to_region(box.right / width, 1 - box.y / height, clip=False)
        return float(left), float(bottom), float(right - left), float(top - bottom)


def _read(image: Any) -> Sliced:
    """`values_of` the whole image as it is now, in bands."""
    try:
        floats = yield from floats_in_turns(image)
        yield
        bands = []
        for top in range(0, len(floats), BAND_ROWS):
            bands.append(values_of(image, floats[top : top + BAND_ROWS]))
            yield
    except ReferenceError:  # it was deleted between two turns
        raise _gone() from None
    return numpy.concatenate(bands)


def _shown_image() -> Any | None:
    """In the Image Editor at hand, else in the largest."""
    editors = [
        area
        for window in bpy.context.window_manager.windows
        for area in window.screen.areas
        if area.type == "IMAGE_EDITOR" and area.spaces.active.image is not None
    ]
    if not editors:
        return None
    here = [area for area in editors if area == bpy.context.area]
    area = here[0] if here else max(editors, key=lambda area: area.width * area.height)
    return area.spaces.active.image


def _id_of(image: Any, write: bool = True) -> str:
    """An image's id; made where it has none. Of a copy, which brings its original's along, a new one."""
    own = image.get(ID, "")
    if own and (not write or _first_with(own) == image):
        return str(own)
    if image.library is not None or image.type in ("RENDER_RESULT", "COMPOSITING") or not write:
        library = image.library.filepath if image.library is not None else ""
        return hashlib.sha256(f"{library}/{image.name}".encode()).hexdigest()[:32]
    new = uuid.uuid4().hex
    try:
        image[ID] = new
    except AttributeError:  # Blender is drawing: another time
        pass
    return new


def _first_with(document: str) -> Any | None:
    return next((image for image in bpy.data.images if image.get(ID, "") == document), None)


def _image_of(document: str) -> Any:
    image = _first_with(document)
    if image is None:
        image = next((one for one in bpy.data.images if _id_of(one, write=False) == document), None)
    if image is None:
        raise _gone()
    return image


def _without_own_alpha(image: Any, floats: numpy.ndarray, above: numpy.ndarray) -> numpy.ndarray:
    """The alpha of a take says what of it is new; of a whole picture painted anew it is the picture's own,
    and that stays."""
    if above.shape[2] == 4 and above.shape[:2] == floats.shape[:2]:
        own, white = values_of(image, floats)[..., 3], numpy.iinfo(above.dtype).max
        if above.dtype == own.dtype and (own < white).any() and (above[..., 3] == own).all():
            return above[..., :3]
    return above


def _followed(name: str, size: tuple[int, int]) -> numpy.ndarray:
    """An image that a control follows, in the size of the one that is painted: (H, W, 4) uint8."""
    image = bpy.data.images.get(name)
    if image is None:
        raise Trouble(
            tr("The image “{name}”, which was chosen to be followed, is gone. Choose another one.", name=name)
        )
    check_image(image)
    values = values_of(image, floats_of(image))
    if values.dtype == numpy.uint16:
        values = (values >> 8).astype(numpy.uint8)
    return resized(values, *size)


def _small(picture: Picture | None, wanted: Watch) -> Any:
    if picture is None:
        return None
    pixels = resized(array_of(picture), wanted.width, wanted.height)
    if pixels.dtype == numpy.uint16:
        pixels = (rgba_of(picture_of(pixels)) >> 8).astype(numpy.uint8)
    return picture_of(pixels)


def _gone() -> Trouble:
    return Trouble(
        tr("The image this was painted for is gone. Open it again, then apply the take from the history.")
    )
