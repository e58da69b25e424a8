"""Requests and results as msgpack, for the journal and for the channel to a worker.

msgspec cannot read a field that may hold one of two dataclasses, as `GenerateRequest.image` does. Behind the
front's door that choice is gone: canvases have become stored pixels. The subclasses here say so, and are only
ever read into; everybody else sees the protocol's own classes. A record of an older Impasto lacks fields that
came later: they take their defaults.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
from impasto_protocol.messages import (
    Control,
    GenerateRequest,
    InputRef,
    LayerInfo,
    Recipe,
    TextureRequest,
    TextureTarget,
    TextureView,
)

__all__ = ["StoredLayerInfo", "StoredRequest", "pack", "unpack_request"]


@dataclass(frozen=True)
class _StoredControl(Control):
    image: InputRef | None = None

    def plain(self) -> Control:
        return Control(**vars(self))


@dataclass(frozen=True)
class _StoredView(TextureView):
    image: InputRef | None = None
    mask: InputRef | None = None

    def plain(self) -> TextureView:
        return TextureView(**vars(self))


@dataclass(frozen=True)
class _StoredTarget(TextureTarget):
    base: InputRef | None = None

    def plain(self) -> TextureTarget:
        return TextureTarget(**vars(self))


@dataclass(frozen=True)
class _StoredTexture(TextureRequest):
    geometry: InputRef | None = None
    targets: tuple[_StoredTarget, ...] = ()
    views: tuple[_StoredView, ...] = ()

    def plain(self) -> TextureRequest:
        targets = tuple(target.plain() for target in self.targets)
        views = tuple(view.plain() for view in self.views)
        return TextureRequest(**{**vars(self), "targets": targets, "views": views})


@dataclass(frozen=True)
class StoredRequest(GenerateRequest):
    image: InputRef | None = None
    mask: InputRef | None = None
    controls: tuple[_StoredControl, ...] = ()
    texture: _StoredTexture | None = None

    def plain(self) -> GenerateRequest:
        controls = tuple(control.plain() for control in self.controls)
        texture = self.texture.plain() if self.texture is not None else None
        return GenerateRequest(**{**vars(self), "controls": controls, "texture": texture})


@dataclass(frozen=True)
class _StoredRecipe(Recipe):
    request: StoredRequest

    def plain(self) -> Recipe:
        return Recipe(**{**vars(self), "request": self.request.plain()})


@dataclass(frozen=True)
class StoredLayerInfo(LayerInfo):
    recipe: _StoredRecipe

    def plain(self) -> LayerInfo:
        return LayerInfo(**{**vars(self), "recipe": self.recipe.plain()})


pack = msgspec.msgpack.Encoder().encode
_decode_request = msgspec.msgpack.Decoder(StoredRequest).decode


def unpack_request(record: bytes) -> GenerateRequest:
    """Raises msgspec.ValidationError for anything that `pack` did not write."""
    return _decode_request(record).plain()
