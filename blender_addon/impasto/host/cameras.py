"""Cameras and 3D views as the protocol's `Camera`: exact matrices, whatever lens, shift, sensor or view.

A camera's framing is always that of the scene's render size and pixel aspect. The picture's own size only
says into how many pixels that frame is divided: so a picture of 1024 × 576 shows what a render of 1920 × 1080
shows, to its edges.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from impasto_protocol.messages import Camera
from impasto_studio.texts import tr

from .documents import document_id
from .loop import Trouble

__all__ = ["View", "camera_of", "document_id", "fitted", "seen_through", "size_of", "view_camera", "view_of"]

GRID_PX = 8  # of the latents of most model families
SMALLEST_PX = 64


class View(NamedTuple):
    """A 3D view: what is drawn, and where on the screen."""

    window: Any
    area: Any
    region: Any
    space: Any

    @property
    def rv3d(self) -> Any:
        return self.space.region_3d


def size_of(scene: Any) -> tuple[int, int]:
    """Width and height of a render, px."""
    render = scene.render
    share = render.resolution_percentage / 100
    return max(1, int(render.resolution_x * share)), max(1, int(render.resolution_y * share))


def fitted(size: tuple[int, int], longest_px: int) -> tuple[int, int]:
    """`size` scaled to a longer side of `longest_px` (0: as large as it is), in multiples of 8."""
    scale = longest_px / max(size) if longest_px > 0 else 1.0
    width, height = (
        max(SMALLEST_PX, round(side * scale / GRID_PX) * GRID_PX)
        for side in (max(1, size[0]), max(1, size[1]))
    )
    return width, height


def camera_of(scene: Any, camera_object: Any, depsgraph: Any, width: int, height: int) -> Camera:
    """What a camera object frames, as a picture of this size. Raises `Trouble` where that is no picture."""
    camera = camera_object.evaluated_get(depsgraph)
    if getattr(camera.data, "type", "PERSP") == "PANO":
        raise Trouble(
            tr(
                "“{name}” is a panoramic camera, which has no flat picture. "
                "Set it to perspective or orthographic.",
                name=camera_object.name,
            )
        )
    across, down = size_of(scene)
    render = scene.render
    projection = camera.calc_matrix_camera(
        depsgraph, x=across, y=down, scale_x=render.pixel_aspect_x, scale_y=render.pixel_aspect_y
    )
    pose = camera.matrix_world
    if min(pose.to_scale()) == 0.0:
        raise Trouble(
            tr("The camera “{name}” is scaled to nothing. Clear its scale.", name=camera_object.name)
        )
    return Camera(_numbers(_rigid(pose).inverted()), _numbers(projection), width, height)


def view_camera(context: Any, longest_px: int) -> Camera | None:
    """What the artist looks through, with the whole of what the 3D view shows; None: there is no 3D view."""
    view = view_of(context)
    if view is None:
        return None
    size = view.region.width, view.region.height
    return seen_through(view, *fitted(size, longest_px))


def seen_through(view: View, width: int, height: int) -> Camera:
    """A 3D view as a picture of this size."""
    rv3d = view.rv3d
    return Camera(_numbers(rv3d.view_matrix), _numbers(rv3d.window_matrix), width, height)


def view_of(context: Any) -> View | None:
    """The 3D view of the artist: the one at hand, else the largest, first in the window in front."""
    windows = list(context.window_manager.windows)
    front = context.window
    if front is not None and front in windows:
        windows.remove(front)
        windows.insert(0, front)
    for window in windows:
        views = list(_views(window))
        for view in views:
            if view.area == context.area:
                return view
        if views:
            return max(views, key=lambda view: view.region.width * view.region.height)
    return None


def _views(window: Any) -> Iterator[View]:
    for area in window.screen.areas:
        if area.type == "VIEW_3D":
            space = area.spaces.active
            for region in area.regions:
                if region.type == "WINDOW" and min(region.width, region.height) > 1:
                    yield View(window, area, region, space)
                    break  # of a quad view, the first: the one that `region_3d` belongs to


def _rigid(pose: Any) -> Any:
    """A pose without its scale, as Blender's cameras ignore it."""
    return pose.normalized()


def _numbers(matrix: Any) -> tuple[float, ...]:
    return tuple(float(number) for row in matrix for number in row)
