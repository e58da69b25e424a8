"""Maps of what views see, for the artist."""

from __future__ import annotations

import numpy as np

from tests.texturing import shapes
from tests.texturing.stage import Stage, look_at


def test_coverage_goes_from_red_to_green_and_what_nobody_sees_is_magenta() -> None:
    stage = Stage(shapes.cube(), side=96)
    stage.add(
        look_at((0.0, -5.0, 0.0), (0, 0, 0), (256, 256)), look_at((4.7, 1.3, 0.3), (0, 0, 0), (256, 256))
    )
    (made,) = stage.atelier.inspect("coverage")
    table = stage.atelier._surface.tables[0]
    colours = made[table.rows, table.columns].astype(int)
    front, side, below, back = (
        colours[table.normals[:, axis] * sign > 0.5] for axis, sign in ((1, -1), (0, 1), (2, -1), (1, 1))
    )
    assert np.median(front[:, 1] - front[:, 0]) > 80  # head-on: green
    assert np.median(side[:, 1] - side[:, 0]) > 50
    assert (below[:, :3] == (255, 0, 255)).all()
    assert (below[:, 3] == 1).all()
    assert np.median(back[:, 0] - back[:, 1]) > 50  # from the side: red
    assert (made[~table.covered][:, 3] == 0).all()


def test_views_have_colours_of_their_own_that_mix_between_them() -> None:
    stage = Stage(shapes.torus(), side=128)
    stage.around(4, 256)
    (made,) = stage.atelier.inspect("views")
    table = stage.atelier._surface.tables[0]
    colours = made[table.rows, table.columns, :3].astype(int)
    pure = [tuple(colour) for colour in ((242, 61, 61), (151, 242, 61), (61, 242, 242), (151, 61, 242))]
    near = np.stack([np.abs(colours - colour).max(axis=1) for colour in pure])
    assert ((near <= 3).mean(axis=1) > 0.03).all()
    seen = made[table.rows, table.columns, 3] == 255
    assert (near.min(axis=0) > 25)[seen].mean() > 0.05


def test_maps_need_no_pictures_and_leave_the_job_as_it_is() -> None:
    stage = Stage(shapes.cube(), shapes.moved(shapes.cube(), (4, 0, 0)), side=32)
    stage.around(2, 64)
    assert [one.shape for one in stage.atelier.inspect("coverage")] == [(32, 32, 4)] * 2
    assert all(one.covered == 0.0 for one in stage.atelier.finish())
