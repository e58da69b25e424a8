"""Texture jobs with tiny models, which paint noise: what is painted, kept, told and replayed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from impasto_protocol.errors import BadValue, SizeMismatch
from impasto_protocol.geometry import Part
from impasto_protocol.messages import GenerateRequest, InputRef, TextureRequest, TextureView
from impasto_server.engine.interface import Cancelled, Input, Layer, Raster

from tests.engine.conftest import as_input, model_of, picture
from tests.engine.gates import Canceller, Listener, Yielding
from tests.engine.scenes import AHEAD, OBLIQUE, camera, flat, geometry, part_of, request
from tests.texturing import shapes

CUBE = geometry(part_of(shapes.cube()))
BEHIND = ((0.0, 4.0, 0.0), (0.0, 0.0, 0.0))
FRONT, SLANTED, BACK = (TextureView(camera(place)) for place in (AHEAD, OBLIQUE, BEHIND))
RED, GREEN = (220, 30, 40), (20, 200, 60)


def textured(engine: Any, job: GenerateRequest, gate: Any = None, **pictures: Input) -> list[Layer]:
    given = {role.replace("_", " "): one for role, one in pictures.items()}
    return list(engine.generate(job, {"geometry": CUBE, **given}, gate or Listener()))


def asked(layer: Layer) -> TextureRequest:
    texture = layer.info.recipe.request.texture
    assert texture is not None
    return texture


def opaque(colour: tuple[int, ...], side: int = 64) -> Raster:
    return flat(side, side, (*colour, 255))


# ── what a job ends with ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("order", ["in turn", "together"])
def test_views_are_handed_out_as_they_are_painted_then_the_textures(engine: Any, order: str) -> None:
    gate = Listener()
    job = request(order=order, around=3, targets=1)
    layers = textured(engine, job, gate)
    assert gate.delivered == layers
    assert len(layers) == job.layers
    assert [layer.info.name for layer in layers] == ["view 1", "view 2", "view 3", "target 1"]
    assert [layer.pixels.shape for layer in layers] == [(64, 64, 3)] * 3 + [(64, 64, 4)]
    alpha = layers[-1].pixels[:, :, 3]
    assert {0, 255} <= set(np.unique(alpha)) <= {0, 1, 255}
    covered = float((alpha == 255).sum() / (alpha > 0).sum())
    assert layers[-1].info.metrics["covered"] == pytest.approx(covered, abs=0.005)


@pytest.mark.parametrize("order", ["in turn", "together"])
@pytest.mark.parametrize("model", ["tiny", "ancestral", "little"])
def test_a_recipe_paints_the_same_bytes_again(engine: Any, order: str, model: str) -> None:
    job = replace(request(order=order, around=2), model=model, seed=-1, steps=0, guidance=-1.0)
    first = textured(engine, job)
    recipe = first[-1].info.recipe
    texture = recipe.request.texture
    assert texture is not None
    assert (len(texture.views), texture.view_px) == (2, 64)
    assert all(len(view.camera.projection) == 16 for view in texture.views)
    assert recipe.request.seed >= 0
    assert recipe.request.steps > 0
    again = textured(engine, recipe.request)
    assert [layer.pixels.tobytes() for layer in again] == [layer.pixels.tobytes() for layer in first]
    assert again[-1].info == first[-1].info


def test_depth_steers_where_the_model_has_a_net_for_it(engine: Any) -> None:
    views = {}
    for strength in (0.0, 1.0):
        layers = textured(engine, request(FRONT, order="in turn", depth=strength))
        views[strength] = layers[0].pixels
        assert ("control depth" in layers[0].info.recipe.adapters) is (strength > 0.0)
    assert not np.array_equal(views[0.0], views[1.0])
    layers = textured(engine, replace(request(FRONT), model="little"))
    assert layers[0].info.recipe.adapters == {}


def test_progress_counts_over_all_views_and_never_goes_back(engine: Any) -> None:
    for order in ("in turn", "together"):
        gate = Listener()
        textured(engine, request(order=order, around=3, view_px=128), gate)
        told = [(step, steps) for stage, step, steps in gate.reports if stage == "sampling"]
        assert len({steps for _, steps in told}) == 1
        steps = [step for step, _ in told]
        assert steps == sorted(steps)
        assert steps[-1] <= told[-1][1]
        assert gate.stages[-1] == "compositing"


def test_views_larger_than_the_model_s_size_get_a_second_pass(engine: Any) -> None:
    for order in ("in turn", "together"):
        gate = Listener()
        layers = textured(engine, request(FRONT, BACK, order=order, view_px=0), gate)
        small = max(steps for _, _, steps in gate.reports)
        views = [TextureView(camera(place, 160, 120)) for place in (AHEAD, BEHIND)]
        gate = Listener()
        layers = textured(engine, request(*views, order=order), gate)
        assert layers[0].pixels.shape == (120, 160, 3)
        assert max(steps for _, _, steps in gate.reports) > small


def test_views_of_different_sizes_can_be_painted_together(engine: Any) -> None:
    views = (TextureView(camera(AHEAD, 64, 64)), TextureView(camera(BEHIND, 72, 40)))
    layers = textured(engine, request(*views, order="together"))
    assert [layer.pixels.shape for layer in layers[:2]] == [(64, 64, 3), (40, 72, 3)]
    assert asked(layers[0]).order == "together"


def test_a_view_s_own_words_come_after_the_request_s(engine: Any) -> None:
    for order in ("in turn", "together"):
        plain = textured(engine, request(FRONT, BACK, order=order))
        worded = textured(engine, request(FRONT, replace(BACK, prompt="from behind"), order=order))
        assert not np.array_equal(worded[1].pixels, plain[1].pixels)


def test_long_and_short_words_are_painted_together(engine: Any) -> None:
    """Texts of more than 75 words are read in several pieces: the views' embeddings differ in length."""
    long = replace(BACK, prompt=", ".join(f"word {number}" for number in range(80)))
    layers = textured(engine, request(FRONT, long, order="together"))
    assert len(layers) == 3
    assert not np.array_equal(
        textured(engine, request(FRONT, BACK, order="together"))[1].pixels, layers[1].pixels
    )


# ── pictures that are given ──────────────────────────────────────────────────────────────────────────────


def laid_on(engine: Any, gate: Any = None) -> list[Layer]:
    """Red from ahead, green from behind; the model that is named does not exist."""
    views = [replace(view, image=InputRef("0" * 64, 64, 64, "rgb8")) for view in (FRONT, BACK)]  # type: ignore[arg-type]
    job = replace(request(*views), model="none of that name", prompt="")
    pictures = {"view_1": as_input(flat(64, 64, RED)), "view_2": as_input(flat(64, 64, GREEN))}
    return textured(engine, job, gate, **pictures)


def test_pictures_are_laid_on_as_they_are_and_no_model_is_needed(engine: Any) -> None:
    layers = laid_on(engine)
    texture = layers[-1].pixels
    painted = texture[texture[:, :, 3] == 255][:, :3].astype(int)
    near_red = np.abs(painted - RED).max(axis=1) <= 2
    near_green = np.abs(painted - GREEN).max(axis=1) <= 2
    assert near_red.mean() > 0.3
    assert near_green.mean() > 0.3
    assert (near_red | near_green).mean() > 0.98
    assert np.array_equal(layers[0].pixels, flat(64, 64, RED))
    recipe = layers[-1].info.recipe
    assert (recipe.model_digest, recipe.sampler, recipe.request.model) == ("", "", "")
    assert recipe.request.texture is not None
    assert recipe.request.texture.views[0].image is not None


def test_one_view_is_painted_again_among_those_that_stay(engine: Any) -> None:
    given = replace(FRONT, image=InputRef("0" * 64, 64, 64, "rgb8"))  # type: ignore[arg-type]
    job = request(given, BACK, order="together")
    layers = textured(engine, job, view_1=as_input(flat(64, 64, RED)))
    assert asked(layers[0]).order == "in turn"
    assert np.array_equal(layers[0].pixels, flat(64, 64, RED))
    painted = layers[-1].pixels.reshape(-1, 4)
    near_red = (np.abs(painted[:, :3].astype(int) - RED).max(axis=1) <= 2) & (painted[:, 3] == 255)
    assert near_red.sum() > 0.15 * (painted[:, 3] == 255).sum()


def test_a_local_edit_changes_what_its_mask_shows_and_nothing_else(engine: Any) -> None:
    base = np.concatenate([picture(64, 64), np.full((64, 64, 1), 255, np.uint8)], 2)
    before = textured(engine, request(FRONT, inspect="coverage"))[0].pixels
    base[before[:, :, 3] == 0, 3] = 0
    mask = np.zeros((64, 64), np.uint8)
    mask[16:48, 16:48] = 255
    job = replace(request(FRONT, order="in turn"), strength=0.6)
    gate = Listener()
    layers = textured(engine, job, gate, base_1=as_input(base), view_mask_1=as_input(mask))
    changed = (layers[-1].pixels != base).any(axis=2)
    assert 0.01 < changed.mean() < 0.15
    assert np.array_equal(layers[-1].pixels[:, :, 3], base[:, :, 3])
    shown = textured(engine, replace(job, strength=0.0), base_1=as_input(base), view_mask_1=as_input(mask))
    difference = np.abs(layers[0].pixels.astype(int) - shown[0].pixels.astype(int)).max(axis=2)
    assert difference[mask == 0].max() == 0
    assert difference[mask > 0].max() > 0


@pytest.mark.parametrize("order", ["in turn", "together"])
def test_strength_0_gives_the_textures_back(engine: Any, order: str) -> None:
    base = np.concatenate([picture(64, 64), np.full((64, 64, 1), 255, np.uint8)], 2)
    layers = textured(engine, replace(request(FRONT, order=order), strength=0.0), base_1=as_input(base))
    on_surface = layers[-1].pixels[:, :, 3] > 0
    assert on_surface.any()
    assert np.array_equal(layers[-1].pixels[on_surface], base[on_surface])


def test_what_only_stands_in_the_way_hides_and_is_not_painted(engine: Any) -> None:
    wall = geometry(part_of(shapes.cube()), part_of(shapes.moved(shapes.sheet(3.0), (0.0, -2.0, 0.0)), -1))
    given = replace(FRONT, image=InputRef("0" * 64, 64, 64, "rgb8"))  # type: ignore[arg-type]
    pictures = {"geometry": wall, "view 1": as_input(flat(64, 64, RED))}
    layers = engine.generate(request(given), pictures, Listener())
    assert layers[-1].info.metrics["covered"] == 0.0


def test_a_neighbour_s_texture_keeps_its_bytes_beside_a_mask(engine: Any) -> None:
    """Two objects, two textures; the mask shows one of them."""
    pair = geometry(
        part_of(shapes.moved(shapes.cube(0.6), (-1.0, 0.0, 0.0)), 0),
        part_of(shapes.moved(shapes.cube(0.6), (1.0, 0.0, 0.0)), 1),
    )
    bases = [as_input(opaque((90, 120, 200))), as_input(opaque((200, 180, 40)))]
    mask = np.zeros((64, 64), np.uint8)
    mask[:, :32] = 255
    pictures = {"geometry": pair, "base 1": bases[0], "base 2": bases[1], "view mask 1": as_input(mask)}
    layers = engine.generate(request(FRONT, targets=2, order="in turn"), pictures, Listener())
    first, second = (layer.pixels for layer in layers[1:])
    assert (first[:, :, :3] != bases[0].pixels[:, :, :3]).any()
    on_surface = second[:, :, 3] > 0
    assert np.array_equal(second[on_surface], bases[1].pixels[on_surface])


@pytest.mark.parametrize("what", ["coverage", "views"])
def test_inspecting_needs_no_model_and_paints_nothing(engine: Any, what: str) -> None:
    job = replace(request(inspect=what, around=4), model="none of that name", prompt="")
    layers = textured(engine, job)
    assert [layer.info.name for layer in layers] == ["target 1"]
    assert layers[0].pixels.shape == (64, 64, 4)
    assert len(asked(layers[0]).views) == 4
    assert np.array_equal(layers[0].pixels, textured(engine, layers[0].info.recipe.request)[0].pixels)


# ── bad days ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("order", ["in turn", "together"])
def test_what_was_painted_before_a_cancel_stays(engine: Any, order: str) -> None:
    job = request(order=order, around=3, view_px=128)
    whole = textured(engine, job)

    @dataclass
    class Impatient(Listener):
        def check(self) -> None:
            super().check()
            if len(self.delivered) == 2:
                raise Cancelled

    gate = Impatient()
    with pytest.raises(Cancelled):
        textured(engine, job, gate)
    assert [one.pixels.tobytes() for one in gate.delivered] == [one.pixels.tobytes() for one in whole[:2]]


@pytest.mark.parametrize("order", ["in turn", "together"])
def test_a_texture_job_can_be_cancelled_at_any_check_and_the_engine_goes_on(engine: Any, order: str) -> None:
    job = request(order=order, around=2)
    counting = Listener()
    expected = textured(engine, job, counting)[-1].pixels
    assert counting.checks > 2 * 2 * 4  # two modules at four steps of each view
    for at in range(1, counting.checks, 7):
        with pytest.raises(Cancelled):
            textured(engine, job, Canceller(at=at))
    assert np.array_equal(textured(engine, job)[-1].pixels, expected)


@pytest.mark.parametrize("order", ["in turn", "together"])
def test_a_texture_job_that_lets_others_in_ends_bit_identical(engine: Any, order: str) -> None:
    job = request(order=order, around=2)
    alone = [layer.pixels.tobytes() for layer in textured(engine, job)]
    other = GenerateRequest("a blue square", model="tiny", steps=2, seed=3, width=64, height=64)
    gate = Yielding(other=lambda: engine.generate(other, {}, Listener()))
    assert [layer.pixels.tobytes() for layer in textured(engine, job, gate)] == alone


def test_too_little_memory_for_all_views_at_once_paints_them_in_turn(engine: Any) -> None:
    job = request(around=3, order="together")
    expected = textured(engine, replace(job, texture=replace(asked_of(job), order="in turn")))
    model = model_of(engine, "tiny")

    def too_large(_module: Any, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        if len(named["down_block_additional_residuals"][0]) > 2:
            raise RuntimeError("CUDA out of memory")

    from impasto_server.engine import painting

    whole = painting.Piecewise
    gate = Listener()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(painting, "Piecewise", lambda module, pieces: whole(module, 1))
        handle = model.modules["unet"].register_forward_pre_hook(too_large, with_kwargs=True)
        try:
            layers = textured(engine, job, gate)
        finally:
            handle.remove()
    assert "saving memory" in gate.stages
    assert asked(layers[0]).order == "in turn"
    assert [layer.pixels.tobytes() for layer in layers] == [layer.pixels.tobytes() for layer in expected]


def asked_of(job: GenerateRequest) -> TextureRequest:
    assert job.texture is not None
    return job.texture


def test_computing_in_pieces_changes_no_picture(engine: Any) -> None:
    from impasto_server.engine import painting

    job = request(around=3, order="together")
    pieces = textured(engine, job)
    whole = painting.Piecewise
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(painting, "Piecewise", lambda module, pieces: whole(module, 1))
        at_once = textured(engine, job)
    for one, other in zip(pieces, at_once, strict=True):
        assert np.abs(one.pixels.astype(int) - other.pixels.astype(int)).max() <= 2


def broken(**changes: bytes) -> Part:
    part = part_of(shapes.cube())
    return replace(part, **changes)


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (broken(triangles=np.full((12, 3), 24, "<i4").tobytes()), "corner that does not exist"),
        (broken(triangles=np.full((12, 3), -1, "<i4").tobytes()), "corner that does not exist"),
        (broken(positions=np.full((24, 3), np.nan, "<f4").tobytes()), "not finite"),
        (broken(positions=np.full((24, 3), 1e30, "<f4").tobytes()), "far too large"),
        (broken(uvs=np.full((12, 3, 2), np.inf, "<f4").tobytes()), "not finite"),
        (part_of(shapes.cube(), 3), "names a texture"),
        (part_of(shapes.cube(), -1), "has no faces"),
        (Part(0, b"", b""), "has no faces"),
    ],
)
def test_a_damaged_geometry_gets_a_sentence(engine: Any, part: Part, words: str) -> None:
    with pytest.raises(BadValue, match=words) as refused:
        engine.generate(request(FRONT), {"geometry": geometry(part)}, Listener())
    assert refused.value.sentence.endswith(".")


def test_what_is_no_geometry_at_all_gets_a_sentence(engine: Any) -> None:
    with pytest.raises(BadValue, match="cannot be read"):
        engine.generate(request(FRONT), {"geometry": as_input(np.zeros((1, 8192), np.uint8))}, Listener())
    with pytest.raises(BadValue, match="geometry"):
        engine.generate(request(FRONT), {}, Listener())


def test_pictures_of_other_sizes_are_refused(engine: Any) -> None:
    with pytest.raises(SizeMismatch, match="32×32"):
        textured(engine, request(FRONT), view_mask_1=as_input(np.zeros((32, 32), np.uint8)))
    with pytest.raises(SizeMismatch, match="32×32"):
        textured(engine, request(FRONT), base_1=as_input(opaque(RED, 32)))


def test_an_object_that_no_view_sees_is_filled_and_said_to_be_uncovered(engine: Any) -> None:
    away = TextureView(camera(((0.0, -4.0, 0.0), (0.0, -8.0, 0.0))))
    layers = textured(engine, request(away, order="in turn"))
    assert layers[-1].info.metrics["covered"] == 0.0
    assert set(np.unique(layers[-1].pixels[:, :, 3])) == {0, 1}
