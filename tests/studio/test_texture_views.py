"""What is done with pictures and views: laid on, painted anew, looked at, measured."""

from __future__ import annotations

from pathlib import Path

import pytest
from impasto_protocol.messages import ErrorInfo, InputRef
from impasto_studio.texture.host import ViewWanted

from tests.studio.fakes import MODEL, OTHER, Server
from tests.studio.texture_fakes import CAMERA, ROOMY, SUZANNE, Workshop, camera, layers


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    made = Workshop(tmp_path)
    made.open()
    return made


def image_of(ref: object) -> str:
    assert isinstance(ref, InputRef)
    return ref.digest.split(" ", 1)[1]


# ── pictures of the artist's ─────────────────────────────────────────────────────────────────────────────


def test_a_picture_is_laid_on_as_a_camera_sees_it(shop: Workshop) -> None:
    shop.plinth.pictures = ["painting"]
    (job,) = shop.after(lambda: shop.studio.project("painting", CAMERA.layer))
    (gather,) = shop.plinth.gathers
    assert gather.views == (ViewWanted(CAMERA.layer, picture="painting"),)
    assert (gather.others, gather.bases, gather.view_px) == (True, True, 1024)
    served = shop.server.jobs[job]
    assert served.generate.texture is not None
    (view,) = served.generate.texture.views
    assert (image_of(view.image), set(served.pixels)) == ("view 1", {"geometry", "base 1", "view 1"})
    view_ = shop.finish(job)
    assert view_.results[0].title == "“painting” laid on"
    assert len(shop.plinth.put_on) == 1


def test_no_model_that_textures_is_needed_for_that(tmp_path: Path) -> None:
    shop = Workshop(tmp_path, Server(models=(MODEL,), limits=ROOMY))
    shop.open()
    shop.plinth.pictures = ["painting"]
    assert "Bring the server up to date" in shop.say(prompt="red brick").why_not
    assert len(shop.after(lambda: shop.studio.project("painting", ""))) == 1
    assert len(shop.after(lambda: shop.studio.inspect("coverage"))) == 1
    assert shop.after(lambda: shop.studio.edit("")) == []


def test_what_stands_against_laying_on(shop: Workshop) -> None:
    def said(picture: str, seen_from: str) -> str:
        assert shop.after(lambda: shop.studio.project(picture, seen_from)) == []
        return shop.view.notice

    shop.plinth.pictures = ["painting"]
    assert "Choose the image" in said("gone", "")
    assert "camera is gone" in said("painting", "gone")
    shop.plinth.view = False
    assert "3D view" in said("painting", "")
    shop.plinth.objects = []
    assert "Select the objects" in said("painting", "")


def test_a_local_edit_from_the_current_view(shop: Workshop) -> None:
    shop.plinth.pictures = ["mask"]
    shop.say(prompt="moss", strength=0.3)
    (job,) = shop.after(lambda: shop.studio.edit("mask"))
    served = shop.server.jobs[job]
    assert served.generate.strength == 0.3
    assert set(served.pixels) == {"geometry", "base 1", "view mask 1"}
    assert served.generate.texture is not None
    assert served.generate.texture.views[0].image is None
    shop.finish(job)
    assert shop.plinth.put_on[0].title == "moss"
    (job,) = shop.after(lambda: shop.studio.edit(""))
    assert set(shop.server.jobs[job].pixels) == {"geometry", "base 1"}


def test_what_stands_against_an_edit(shop: Workshop) -> None:
    def said(mask: str = "") -> str:
        assert shop.after(lambda: shop.studio.edit(mask)) == []
        return shop.view.notice

    assert "Write what" in said()
    shop.say(prompt="moss")
    assert "mask is gone" in said("gone")
    shop.plinth.view = False
    assert "3D view" in said()
    shop.plinth.objects = []
    assert "Select the objects" in said()


# ── views of a finished job ──────────────────────────────────────────────────────────────────────────────


def test_one_view_is_painted_anew(shop: Workshop) -> None:
    first = shop.done(around=3, seed=5)
    (job,) = shop.after(lambda: shop.studio.repaint_view(first, 1))
    served, before = shop.server.jobs[job], shop.server.jobs[first]
    assert served.generate.texture is not None
    assert [one.image and image_of(one.image) for one in served.generate.texture.views] == [
        "view 1",
        None,
        "view 3",
    ]
    assert (served.pixels["view 1"][0], served.pixels["view 3"][0]) == (1, 3)  # the layers they were
    assert served.generate.texture.geometry == before.generate.texture.geometry  # type: ignore[union-attr]
    assert served.generate.seed != 5
    assert len(shop.plinth.gathers) == 1
    shop.finish(job)
    assert shop.plinth.put_on[1].targets == shop.plinth.put_on[0].targets
    assert shop.view.results[0].title == "red brick, view 2 anew"


def test_a_view_of_a_picture_keeps_the_journals(shop: Workshop) -> None:
    shop.plinth.pictures = ["painting"]
    (first,) = shop.after(lambda: shop.studio.project("painting", ""))
    shop.finish(first)
    (job,) = shop.after(lambda: shop.studio.reproject(first))
    assert set(shop.server.jobs[job].pixels) == {"geometry", "base 1"}
    assert shop.server.jobs[job].generate.texture.views[0].image == (  # type: ignore[union-attr]
        shop.server.jobs[first].generate.texture.views[0].image  # type: ignore[union-attr]
    )
    second = shop.start(source="cameras", cameras=(CAMERA.layer,))
    shop.finish(second)
    assert len(shop.after(lambda: shop.studio.repaint_view(second, 0))) == 1


def test_a_view_that_is_not_there(shop: Workshop) -> None:
    first = shop.done()
    assert shop.after(lambda: shop.studio.repaint_view(first, 2)) == []
    assert "not there any more" in shop.view.notice
    shop.studio.repaint_view("unknown", 0)
    shop.studio.reproject("unknown")
    shop.studio.show_views("unknown")
    assert shop.after(lambda: None) == []


def test_a_view_in_which_another_has_a_picture_of_its_own(shop: Workshop) -> None:
    shop.plinth.pictures = ["painting"]
    (first,) = shop.after(lambda: shop.studio.project("painting", ""))
    shop.finish(first)
    (again,) = shop.after(lambda: shop.studio.repaint_view(first, 0))
    assert shop.server.jobs[again].generate.texture.views[0].image is None  # type: ignore[union-attr]


def test_views_are_laid_on_anew(shop: Workshop) -> None:
    first = shop.done(around=2, seed=5)
    (job,) = shop.after(lambda: shop.studio.reproject(first))
    gather = shop.plinth.gathers[1]
    assert gather.objects == (SUZANNE.object,)
    assert gather.views == (ViewWanted(seen=camera()), ViewWanted(seen=camera()))
    served = shop.server.jobs[job]
    assert [served.pixels[f"view {n}"][0] for n in (1, 2)] == [1, 2]
    assert served.generate.seed == 5
    shop.finish(job)
    assert shop.view.results[0].title == "red brick, laid on anew"
    assert len(shop.plinth.put_on) == 2


def test_views_that_were_painted_on_are_laid_on_as_they_are_now(shop: Workshop) -> None:
    first = shop.done(around=2)
    shop.studio.show_views(first)
    assert "among the images" in shop.settle().notice
    assert [picture.pixels[0] for picture in shop.plinth.shown.values()] == [1, 2]
    shop.plinth.pictures = list(shop.plinth.shown)[1:]  # the other one was thrown away
    shop.tick()
    (job,) = shop.after(lambda: shop.studio.reproject(first))
    served = shop.server.jobs[job]
    assert [served.pixels[f"view {n}"][0] for n in (1, 2)] == [1, 7]


def test_the_views_of_a_stopped_job_are_laid_on(shop: Workshop) -> None:
    first = shop.start(around=3)
    shop.server.tell(first, "running", layers=layers(shop.server, first, 2))
    shop.settle()
    shop.studio.cancel(first)
    shop.settle()
    (job,) = shop.after(lambda: shop.studio.reproject(first))
    assert len(shop.server.jobs[job].generate.texture.views) == 2  # type: ignore[union-attr]
    shop.finish(job)
    assert len(shop.plinth.put_on) == 1
    assert shop.after(lambda: shop.studio.repaint_view(first, 0)) == []


def test_views_are_laid_on_in_their_own_file(shop: Workshop) -> None:
    first = shop.done()
    shop.plinth.document = OTHER
    assert shop.after(lambda: shop.studio.reproject(first)) == []
    assert "Open the file" in shop.view.notice


def test_views_that_cannot_be_fetched(shop: Workshop) -> None:
    first = shop.done()
    shop.server.missing.add(first)
    shop.studio.show_views(first)
    assert shop.settle().notice == "The server keeps no such result any more."
    shop.studio.reproject(first)
    (job,) = shop.settle().jobs
    assert (job.state, job.error) == ("failed", "The server keeps no such result any more.")


def test_cancelled_while_views_are_fetched(shop: Workshop) -> None:
    first = shop.done()
    shop.studio.reproject(first)
    (job,) = shop.settle("fetch").jobs
    shop.studio.cancel(job.job)
    shop.settle()
    assert (len(shop.plinth.gathers), shop.view.jobs) == (1, ())


# ── maps ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_map_is_shown_and_forgotten(shop: Workshop) -> None:
    (job,) = shop.after(lambda: shop.studio.inspect("coverage"))
    assert shop.view.inspecting == "coverage"
    assert shop.server.jobs[job].generate.texture.inspect == "coverage"  # type: ignore[union-attr]
    assert [one.title for one in shop.view.jobs] == ["What the views cover"]
    view = shop.finish(job)
    (map_,) = shop.plinth.maps
    assert map_ is not None
    assert (map_.job, len(map_.pictures)) == (job, 1)
    assert (shop.server.forgotten, view.results, shop.plinth.put_on) == ([job], (), [])
    shop.studio.inspect("")
    assert shop.settle().inspecting == ""
    assert shop.plinth.maps[-1] is None
    shop.studio.inspect("")
    assert len(shop.plinth.maps) == 2


def test_another_map_takes_its_place(shop: Workshop) -> None:
    (first,) = shop.after(lambda: shop.studio.inspect("coverage"))
    (second,) = shop.after(lambda: shop.studio.inspect("views"))
    assert shop.server.cancelled == [first]
    shop.finish(second)
    (third,) = shop.after(lambda: shop.studio.inspect("coverage"))
    shop.finish(third)
    assert [one and one.job for one in shop.plinth.maps] == [second, third]


def test_a_map_that_came_too_late(shop: Workshop) -> None:
    (job,) = shop.after(lambda: shop.studio.inspect("coverage"))
    shop.server.tell(job, "done", layers=layers(shop.server, job))
    shop.settle("fetch")
    shop.studio.inspect("")
    shop.settle()
    assert (shop.plinth.maps, shop.server.forgotten) == ([], [job])
    (job,) = shop.after(lambda: shop.studio.inspect("coverage"))
    shop.server.jobs[job].state = "done"
    shop.studio.inspect("")
    shop.finish(job)
    assert (shop.plinth.maps, shop.server.forgotten[-1]) == ([], job)


def test_a_map_of_an_earlier_run_is_forgotten(shop: Workshop, tmp_path: Path) -> None:
    (job,) = shop.after(lambda: shop.studio.inspect("coverage"))
    shop.studio.close()
    shop.settle()
    shop.server.tell(job, "done", layers=layers(shop.server, job))
    fresh = Workshop(tmp_path, shop.server)
    fresh.open()
    assert (shop.server.forgotten, fresh.plinth.maps) == ([job], [])


def test_a_map_goes_with_its_file_and_with_the_program(shop: Workshop) -> None:
    (job,) = shop.after(lambda: shop.studio.inspect("coverage"))
    shop.finish(job)
    shop.plinth.document = OTHER
    assert shop.tick().inspecting == ""
    assert shop.plinth.maps[-1] is None
    (job,) = shop.after(lambda: shop.studio.inspect("views"))
    shop.finish(job)
    shop.studio.close()
    assert shop.plinth.maps[-1] is None


def test_a_map_that_cannot_be_made(shop: Workshop) -> None:
    (job,) = shop.after(lambda: shop.studio.inspect("coverage"))
    shop.server.tell(job, "failed", error=ErrorInfo("bad_value", "There are no triangles."))
    view = shop.settle()
    assert (view.inspecting, [one.error for one in view.jobs]) == ("", ["There are no triangles."])
    shop.studio.dismiss(job)
    assert shop.settle().jobs == ()
    (job,) = shop.after(lambda: shop.studio.inspect("coverage"))
    shop.server.missing.add(job)
    view = shop.finish(job)
    assert (view.inspecting, bool(view.notice)) == ("", True)
    assert shop.after(lambda: shop.studio.inspect("warmth")) == []
    assert "no such map" in shop.view.notice
    shop.plinth.objects = []
    assert shop.after(lambda: shop.studio.inspect("views")) == []
    assert "Select the objects" in shop.view.notice


def test_a_map_of_the_cameras(shop: Workshop) -> None:
    shop.say(source="cameras")
    assert shop.after(lambda: shop.studio.inspect("views")) == []
    assert "Choose the cameras" in shop.view.notice
    shop.say(cameras=(CAMERA.layer,))
    (job,) = shop.after(lambda: shop.studio.inspect("views"))
    assert len(shop.server.jobs[job].generate.texture.views) == 1  # type: ignore[union-attr]


def test_a_repainted_job_is_repainted_again(shop: Workshop) -> None:
    first = shop.done(around=3)
    (second,) = shop.after(lambda: shop.studio.repaint_view(first, 1))
    shop.finish(second)
    (third,) = shop.after(lambda: shop.studio.repaint_view(second, 0))
    served = shop.server.jobs[third]
    views = served.generate.texture.views  # type: ignore[union-attr]
    assert views[0].image is None
    assert image_of(views[2].image) == "view 3"  # the journal has it from the second job
    assert set(served.pixels) == {"view 2"}
