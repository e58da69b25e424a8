"""A texture job from the click to the objects, whatever happens on the way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from impasto_protocol.errors import BadImage
from impasto_protocol.geometry import ROW_BYTES, unpack
from impasto_protocol.messages import CanvasRef, ErrorInfo, GenerateRequest
from impasto_studio.texture.commands import TextureCommands
from impasto_studio.texture.notes import read_note

from tests.studio.fakes import OTHER, ServedJob, Server
from tests.studio.texture_fakes import (
    CAMERA,
    CUBE,
    ROOMY,
    SUZANNE,
    TEXTURING,
    Plinth,
    Workshop,
    camera,
    layers,
)


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    made = Workshop(tmp_path)
    made.open()
    return made


def again(shop: Workshop, home: Path) -> Workshop:
    """The program runs anew, with the same file and the same server."""
    shop.studio.close()
    shop.settle()
    shop.server.sessions.clear()
    plinth = Plinth(document=shop.plinth.document, settings=shop.plinth.settings)
    made = Workshop(home, shop.server, plinth)
    made.open()
    return made


# ── the usual way ────────────────────────────────────────────────────────────────────────────────────────


def test_textures_are_put_on_as_soon_as_they_are_finished(shop: Workshop) -> None:
    job = shop.start()
    assert [(one.state, one.title) for one in shop.view.jobs] == [("queued", "red brick")]
    view = shop.finish(job)
    (put,) = shop.plinth.put_on
    assert (put.job, put.title, put.document) == (job, "red brick", shop.plinth.document)
    assert [one.objects for one in put.targets] == [(SUZANNE.object,)]
    assert [one.pixels[0] for one in put.pictures] == [3]  # the layer behind both views
    (result,) = view.results
    assert (result.applied, result.can_apply, result.views, result.covered) == (True, True, 2, 0.75)
    assert (result.objects, result.seed) == ("Suzanne", shop.server.jobs[job].generate.seed)
    assert view.jobs == ()


def test_they_are_put_on_once(shop: Workshop, tmp_path: Path) -> None:
    job = shop.done()
    shop.tick()
    shop.server.tell(job, "done", layers=layers(shop.server, job))
    shop.tick(60.0)
    assert len(shop.plinth.put_on) == 1
    fresh = again(shop, tmp_path)
    assert fresh.plinth.put_on == []
    assert [one.applied for one in fresh.view.results] == [True]


def test_the_server_gets_the_geometry_and_what_was_asked_for(shop: Workshop) -> None:
    job = shop.start(prompt=" red brick ", negative="moss", order="in turn", depth=0.5, view_px=128, seed=7)
    served = shop.server.jobs[job]
    request, texture = served.generate, served.generate.texture
    assert texture is not None
    assert (request.prompt, request.negative, request.seed, request.strength) == ("red brick", "moss", 7, 1.0)
    assert (texture.order, texture.depth, texture.around, texture.view_px) == ("in turn", 0.5, 2, 128)
    assert (texture.views, len(texture.targets), texture.targets[0].base) == ((), 1, None)
    assert texture.geometry is not None
    assert not isinstance(texture.geometry, CanvasRef)
    assert texture.geometry.width == ROW_BYTES
    assert [part.texture for part in unpack(served.pixels["geometry"])] == [0]
    (gather,) = shop.plinth.gathers
    assert (gather.others, gather.bases, gather.views, gather.view_px) == (False, False, (), 128)


def test_going_on_from_the_textures_there_are(shop: Workshop) -> None:
    job = shop.start(keep=True, strength=0.4)
    served = shop.server.jobs[job]
    assert served.generate.strength == 0.4
    assert set(served.pixels) == {"geometry", "base 1"}


def test_own_cameras_see_what_stands_in_the_way(shop: Workshop) -> None:
    job = shop.start(source="cameras", cameras=("gone", CAMERA.layer))
    texture = shop.server.jobs[job].generate.texture
    assert texture is not None
    assert [one.camera for one in texture.views] == [camera(256, 256)]
    (gather,) = shop.plinth.gathers
    assert (gather.others, [one.camera for one in gather.views]) == (True, [CAMERA.layer])
    assert [part.texture for part in unpack(shop.server.jobs[job].pixels["geometry"])] == [0, -1]


def test_the_current_view_alone(shop: Workshop) -> None:
    shop.start(source="view")
    assert [one.camera for one in shop.plinth.gathers[0].views] == [""]


def test_each_object_with_a_prompt_of_its_own(shop: Workshop) -> None:
    shop.plinth.objects = [SUZANNE, CUBE]
    shop.tick()
    shop.say(prompt="stone", separately=True, prompts=((CUBE.object, "gold"),), around=1)
    jobs = shop.after(shop.studio.start)
    assert [shop.server.jobs[job].generate.prompt for job in jobs] == ["stone", "gold"]
    assert [one.objects for one in shop.plinth.gathers] == [(SUZANNE.object,), (CUBE.object,)]
    for job in reversed(jobs):
        shop.finish(job)
    assert [one.job for one in shop.plinth.put_on] == jobs[::-1]
    assert [one.objects for one in shop.view.results] == ["Cube", "Suzanne"]


def test_all_objects_in_one_job(shop: Workshop) -> None:
    shop.plinth.objects = [SUZANNE, CUBE]
    shop.tick()
    job = shop.done()
    assert len(shop.plinth.put_on[0].pictures) == 2
    note = read_note(shop.server.jobs[job].note)
    assert note is not None
    assert (note.objects, len(note.targets), note.applied) == ("Suzanne, Cube", 2, True)


def test_its_stages_have_names(shop: Workshop) -> None:
    shop.plinth.held = []
    shop.say(prompt="red brick")
    shop.studio.start()
    shop.plinth.turn()
    assert shop.view.jobs[0].stage == "Reading the scene"
    shop.plinth.held.pop()()
    shop.plinth.held = None
    shop.settle()
    (job,) = shop.server.jobs
    shop.server.progress(job, stage="compositing")
    assert shop.settle().jobs[0].stage == "Working on the textures"
    shop.server.progress(job, step=3, steps=20)
    assert shop.settle().jobs[0].stage == "Painting, step 3 of 20"


# ── the program was closed, another file is open ─────────────────────────────────────────────────────────


def test_what_was_finished_meanwhile_is_put_on_by_the_next_run(shop: Workshop, tmp_path: Path) -> None:
    job = shop.start()
    shop.studio.close()
    shop.settle()
    shop.server.tell(job, "done", layers=layers(shop.server, job))
    fresh = again(shop, tmp_path)
    assert [one.job for one in fresh.plinth.put_on] == [job]
    assert fresh.plinth.put_on[0].targets[0].layer == "UVMap"
    assert fresh.view.results[0].applied


def test_what_still_paints_is_put_on_by_the_next_run(shop: Workshop, tmp_path: Path) -> None:
    job = shop.start()
    fresh = again(shop, tmp_path)
    assert [one.job for one in fresh.view.jobs] == [job]
    fresh.finish(job)
    assert [one.job for one in fresh.plinth.put_on] == [job]


def test_it_waits_for_its_own_file(shop: Workshop) -> None:
    job = shop.start()
    shop.plinth.document = OTHER
    view = shop.finish(job)
    assert (shop.plinth.put_on, view.results) == ([], ())
    assert "red brick" in view.notice
    shop.plinth.document = read_note(shop.server.jobs[job].note).document  # type: ignore[union-attr]
    view = shop.tick()
    assert [one.job for one in shop.plinth.put_on] == [job]
    assert view.results[0].applied


def test_a_file_that_is_changed_while_textures_are_fetched(shop: Workshop) -> None:
    job = shop.start()
    own = shop.plinth.document
    shop.server.tell(job, "done", layers=layers(shop.server, job))
    shop.settle("fetch")
    shop.plinth.document = OTHER
    shop.tick()
    assert shop.plinth.put_on == []
    shop.plinth.document = own
    shop.tick()
    assert len(shop.plinth.put_on) == 1


def test_what_was_put_on_before_a_crash_is_not_put_on_twice(shop: Workshop, tmp_path: Path) -> None:
    job = shop.start()
    shop.studio.close()
    shop.settle()
    shop.server.tell(job, "done", layers=layers(shop.server, job))
    plinth = Plinth(worn=[job])
    fresh = Workshop(tmp_path, shop.server, plinth)
    assert fresh.open().results[0].applied
    assert plinth.put_on == []


def test_without_a_file_nothing_is_put_on(shop: Workshop) -> None:
    job = shop.start()
    shop.plinth.document = ""
    shop.tick()
    view = shop.finish(job)
    assert (shop.plinth.put_on, view.results, view.why_not) == ([], (), "Open or create a file first.")


# ── what goes wrong ──────────────────────────────────────────────────────────────────────────────────────


def test_a_scene_that_cannot_be_read(shop: Workshop) -> None:
    shop.plinth.refuse_gather = "“Suzanne” has no faces."
    shop.say(prompt="red brick")
    shop.studio.start()
    (job,) = shop.settle().jobs
    assert (job.state, job.error) == ("failed", "“Suzanne” has no faces.")
    shop.plinth.refuse_gather = ""
    (anew,) = shop.after(lambda: shop.studio.retry(job.job))
    assert [one.job for one in shop.view.jobs] == [anew]
    shop.finish(anew)
    assert len(shop.plinth.put_on) == 1


def test_a_failed_job_is_tried_again_with_what_was_gathered(shop: Workshop) -> None:
    job = shop.start()
    shop.server.tell(job, "failed", error=ErrorInfo("out_of_memory", "No memory."))
    shop.settle()
    (anew,) = shop.after(lambda: shop.studio.retry(job))
    assert len(shop.plinth.gathers) == 1
    shop.finish(anew)
    assert [one.job for one in shop.plinth.put_on] == [anew]
    assert len(shop.plinth.put_on[0].targets) == 1


def test_a_failed_job_of_an_earlier_run_is_not_tried_again(shop: Workshop, tmp_path: Path) -> None:
    job = shop.start()
    shop.server.tell(job, "failed", error=ErrorInfo("out_of_memory", "No memory."))
    fresh = again(shop, tmp_path)
    fresh.studio.retry(job)
    assert "Start it anew" in fresh.settle().notice
    fresh.studio.dismiss(job)
    assert (fresh.settle().jobs, shop.server.forgotten) == ((), [job])


def test_a_dismissed_failure_keeps_the_views_it_has(shop: Workshop, tmp_path: Path) -> None:
    job = shop.start(around=3)
    error = ErrorInfo("out_of_memory", "No memory.")
    shop.server.tell(job, "failed", layers=layers(shop.server, job, 2), error=error)
    shop.settle()
    shop.studio.dismiss(job)
    (result,) = shop.settle().results
    assert (result.views, result.textures, result.can_apply, result.covered) == (2, False, False, -1.0)
    shop.studio.apply(job)
    assert "no textures" in shop.settle().notice
    assert len(again(shop, tmp_path).view.results) == 1


def test_objects_that_are_gone(shop: Workshop, tmp_path: Path) -> None:
    shop.plinth.refuse_put = "The objects are gone."
    job = shop.done()
    view = shop.tick()
    assert (view.notice, view.results[0].applied) == ("The objects are gone.", False)
    shop.studio.dismiss_notice()
    assert shop.tick().notice == ""  # once
    shop.plinth.refuse_put = ""
    assert again(shop, tmp_path).plinth.put_on == []
    shop.studio = again(shop, tmp_path).studio
    fresh = again(shop, tmp_path)
    fresh.studio.apply(job)
    assert fresh.settle().results[0].applied
    assert len(fresh.plinth.put_on) == 1


def test_applying_once_more_after_an_undo(shop: Workshop) -> None:
    job = shop.done()
    shop.studio.apply(job)
    shop.studio.apply(job)  # while it is on its way
    shop.settle()
    assert len(shop.plinth.put_on) == 2
    shop.plinth.refuse_put = "The objects are gone."
    shop.studio.apply(job)
    assert shop.settle().notice == "The objects are gone."
    shop.plinth.document = OTHER
    shop.studio.apply(job)
    assert "Open the file" in shop.settle().notice
    shop.studio.apply("unknown")
    assert len(shop.plinth.put_on) == 2


def test_textures_that_cannot_be_fetched_come_with_the_next_connection(shop: Workshop) -> None:
    job = shop.start()
    shop.server.missing.add(job)
    view = shop.finish(job)
    assert (shop.plinth.put_on, view.results[0].applied) == ([], False)
    assert view.notice
    shop.server.missing.clear()
    shop.tick()
    assert shop.plinth.put_on == []
    shop.server.up = False
    shop.tick()
    shop.server.up = True
    shop.tick(10.0)
    assert len(shop.plinth.put_on) == 1


def test_more_than_the_server_takes(tmp_path: Path) -> None:
    def error(**limits: int) -> str:
        server = Server(models=(TEXTURING,), limits=replace(ROOMY, **limits))
        shop = Workshop(tmp_path, server, Plinth(split=3))
        shop.open()
        shop.say(prompt="red brick", keep=True)
        shop.studio.start()
        (job,) = shop.settle().jobs
        assert job.state == "failed"
        return job.error

    assert "2 textures at once" in error(textures=2)
    assert "too many textures" in error(canvases=2)
    assert "1 MiB" in error(canvas_px=100)
    assert "1 MiB" in error(canvas_bytes=1000)


def test_what_the_server_refuses(shop: Workshop) -> None:
    shop.server.refuse = BadImage("These are no triangles.")
    shop.say(prompt="red brick")
    shop.studio.start()
    shop.settle()
    assert [one.error for one in shop.tick().jobs] == ["These are no triangles."]


def test_gathered_while_the_server_is_away(shop: Workshop) -> None:
    shop.plinth.held = []
    shop.say(prompt="red brick")
    shop.studio.start()
    shop.settle()
    shop.server.up = False
    shop.tick()
    shop.plinth.held.pop()()
    assert [one.state for one in shop.settle().jobs] == ["sending"]
    shop.server.up = True
    shop.tick(10.0)
    assert len(shop.server.jobs) == 1


# ── cancelling ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_cancelled_job_is_gone(shop: Workshop) -> None:
    job = shop.start()
    shop.studio.cancel(job)
    view = shop.settle()
    assert (view.jobs, view.results, shop.server.cancelled) == ((), (), [job])
    assert shop.server.forgotten == [job]
    shop.studio.cancel(job)
    shop.studio.cancel("unknown")


def test_cancelled_while_the_scene_is_read(shop: Workshop) -> None:
    shop.plinth.held = []
    shop.say(prompt="red brick")
    shop.studio.start()
    shop.settle()
    shop.studio.cancel_all()
    shop.plinth.held.pop()()
    assert (shop.settle().jobs, shop.server.jobs) == ((), {})


def test_what_is_finished_in_spite_of_it_is_not_put_on(shop: Workshop, tmp_path: Path) -> None:
    job = shop.start()
    shop.server.jobs[job].state = "done"  # just now
    shop.studio.cancel(job)
    view = shop.finish(job)
    assert (shop.plinth.put_on, [one.applied for one in view.results]) == ([], [False])
    fresh = again(shop, tmp_path)
    assert fresh.plinth.put_on == []
    fresh.studio.apply(job)
    fresh.settle()
    assert len(fresh.plinth.put_on) == 1


def test_a_cancelled_job_keeps_its_finished_views(shop: Workshop) -> None:
    job = shop.start(around=3, order="in turn")
    shop.server.tell(job, "running", layers=layers(shop.server, job, 1))
    shop.settle()
    shop.studio.cancel(job)
    (result,) = shop.settle().results
    assert (result.views, result.textures) == (1, False)
    shop.studio.discard(job)
    assert (shop.settle().results, shop.server.forgotten) == ((), [job])
    shop.studio.discard(job)


# ── what cannot be started ───────────────────────────────────────────────────────────────────────────────


def test_what_cannot_be_started_is_said(shop: Workshop) -> None:
    assert (shop.view.can_start, "Write what" in shop.view.why_not) == (False, True)
    shop.studio.start()
    assert "Write what" in shop.settle().notice
    shop.studio.project("x", "")
    assert "Choose the image" in shop.settle().notice
    shop.server.up = False
    shop.tick()
    shop.studio.start()
    assert shop.settle().notice == shop.view.link.sentence
    shop.studio.start_server()
    assert shop.settle().link.state in ("starting", "trouble")


def test_objects_that_cannot_be_painted_are_left_out(shop: Workshop) -> None:
    shop.plinth.objects = [replace(CUBE, trouble="It is linked."), SUZANNE]
    shop.tick()
    job = shop.start()
    assert shop.view.notice == "“Cube” was left out. It is linked."
    assert [one.objects for one in shop.plinth.gathers] == [(SUZANNE.object,)]
    assert job in shop.server.jobs


def test_a_studio_takes_every_command(shop: Workshop) -> None:
    commands: TextureCommands = shop.studio
    names = [name for name in vars(TextureCommands) if not name.startswith("_")]
    assert all(callable(getattr(commands, name)) for name in names)


def test_settings_are_kept(shop: Workshop, tmp_path: Path) -> None:
    shop.say(prompt="red brick", seed=4, around=3)
    shop.tick()
    shop.say(around=3)
    intent = again(shop, tmp_path).view.intent
    assert (intent.prompt, intent.seed, intent.around) == ("red brick", -1, 3)


def test_a_closed_studio_is_silent(shop: Workshop) -> None:
    job = shop.start()
    seen = len(shop.views)
    shop.studio.close()
    shop.studio.close()
    shop.finish(job)
    shop.studio.poll()
    shop.settle()
    assert len(shop.views) == seen
    assert shop.server.sessions[0].closed


def test_a_session_of_no_use_is_let_go(shop: Workshop) -> None:
    from impasto_protocol.errors import Unauthorized

    job = shop.start()
    shop.server.sessions[0].fatal = Unauthorized("Another token.")
    shop.tick()
    shop.tick(10.0)
    shop.finish(job)
    assert len(shop.plinth.put_on) == 1


def test_jobs_of_others_are_not_listed(shop: Workshop) -> None:
    shop.server.jobs["s" * 32] = ServedJob(GenerateRequest("x"), "", 1.0, {}, "done")
    shop.server.up = False
    shop.tick()
    shop.server.up = True
    view = shop.tick(10.0)
    assert (view.jobs, view.results, shop.server.forgotten) == ((), (), [])


def test_nothing_is_put_on_while_the_artist_is_in_edit_mode(shop: Workshop) -> None:
    shop.plinth.busy = "Leave Edit Mode."
    job = shop.done()
    assert shop.plinth.put_on == []
    shop.studio.apply(job)
    assert shop.settle().notice == "Leave Edit Mode."
    shop.plinth.busy = ""
    shop.tick()
    assert len(shop.plinth.put_on) == 1
