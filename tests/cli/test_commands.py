"""Commands as an artist runs them, against a real server with the fake engine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from impasto_client.discovery import find_server
from impasto_client.session import Layer, Session
from impasto_protocol.errors import ServerUnreachable
from impasto_protocol.messages import Control, GenerateRequest, InputRef, LayerInfo, Lora
from impasto_protocol.rasters import PixelFormat
from impasto_server.cli import COMMANDS, doctor, main, painting
from impasto_server.cli.demo import draw_mask
from impasto_server.cli.generate import control_of, lora_of
from impasto_server.cli.images import load_picture
from impasto_server.cli.metadata import read_recipe
from PIL import Image

from tests.cli.test_metadata import RECIPE

IMPASTO = [sys.executable, "-m", "impasto_server.cli"]


def test_generate_writes_a_picture_with_its_recipe(server: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    assert (
        main(["generate", "--prompt", "a red house", "--seed", "7", "--size", "80x48", "--out", str(out)])
        == 0
    )
    recipe = read_recipe(out)
    assert (recipe.request.prompt, recipe.request.seed) == ("a red house", 7)
    with Image.open(out) as image:
        assert image.size == (80, 48)
        assert image.info["parameters"].startswith("a red house\nSteps: ")


def test_takes_are_numbered_and_differ(server: Path, tmp_path: Path) -> None:
    words = ["generate", "--prompt", "a", "--seed", "3", "--takes", "2", "--out", str(tmp_path / "o.png")]
    assert main(words) == 0
    first, second = (tmp_path / f"o-{number}.png" for number in (1, 2))
    assert (read_recipe(first).request.seed, read_recipe(second).request.seed) == (3, 4)
    assert load_picture(first).pixels != load_picture(second).pixels


def test_replay_makes_the_same_file(server: Path, tmp_path: Path, photo: Path, mask: Path) -> None:
    out, again = tmp_path / "out.png", tmp_path / "again.png"
    words = ["generate", "--prompt", "a ball", "--image", str(photo), "--mask", str(mask), "--out", str(out)]
    assert main(words) == 0
    photo.unlink()  # the server's journal has it
    assert main(["replay", str(out), "--out", str(again)]) == 0
    assert again.read_bytes() == out.read_bytes()


def test_controls_and_loras_are_sent_remembered_and_replayed(
    server: Path,
    tmp_path: Path,
    photo: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    odd = photo.rename(tmp_path / "sketch:0.5.png")
    words = ["generate", "--prompt", "a hill", "--seed", "1", "--lora", "ink:-0.5"]
    words += ["--control", f"scribble={odd}:0.8:0-0.75", "--control", f"depth={odd}", "--out", "out.png"]
    assert main(words) == 0
    request = read_recipe(tmp_path / "out.png").request
    ref = request.controls[0].image
    assert isinstance(ref, InputRef)
    assert request.controls == (Control("scribble", ref, 0.8, 0.0, 0.75), Control("depth", ref))
    assert request.loras == (Lora("ink", -0.5),)
    assert (request.width, request.height) == (0, 0)  # the fake engine leaves it open
    with Image.open(tmp_path / "out.png") as image:
        assert image.size == (96, 64)
        assert image.info["parameters"].startswith("a hill <lora:ink:-0.5>\n")
    capsys.readouterr()
    assert main(["jobs"]) == 0
    assert "a hill  [scribble, depth, ink]" in capsys.readouterr().out
    assert main(["replay", "out.png", "--out", "again.png"]) == 0
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "out.png").read_bytes()
    for blob in (server / "blobs").iterdir():
        blob.unlink()
    assert main(["replay", "out.png", "--out", "third.png"]) == 2
    assert "no longer keeps the control 1" in capsys.readouterr().err
    files = ["--control", str(odd), "--control", str(odd)]
    assert main(["replay", "out.png", *files, "--out", "third.png"]) == 0
    assert (tmp_path / "third.png").read_bytes() == (tmp_path / "out.png").read_bytes()


@pytest.mark.parametrize(
    ("text", "control", "file"),
    [
        ("scribble=a.png", Control("scribble"), "a.png"),
        ("scribble=a.png:0.8", Control("scribble", None, 0.8), "a.png"),
        ("depth=a.png:1:.25-0.5", Control("depth", None, 1.0, 0.25, 0.5), "a.png"),
        ("depth=C:\\art\\a.png:2", Control("depth", None, 2.0), "C:\\art\\a.png"),
        ("depth=a:0.5:0.7", Control("depth", None, 0.7), "a:0.5"),
        ("depth=a=b.png:1:0-1", Control("depth"), "a=b.png"),
        ("depth=a.png:strong", Control("depth"), "a.png:strong"),
        ("depth=there:0.5", Control("depth"), "there:0.5"),
    ],
)
def test_a_control_is_read_from_the_right_and_a_file_that_is_there_is_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, control: Control, file: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there:0.5").touch()
    assert control_of(text) == (control, Path(file))


@pytest.mark.parametrize(
    ("text", "lora"),
    [
        ("ink", Lora("ink")),
        ("my: ink:-0.5", Lora("my: ink", -0.5)),
        ("v1.5", Lora("v1.5")),
        ("a:1", Lora("a", 1.0)),
    ],
)
def test_a_lora_is_read_from_the_right(text: str, lora: Lora) -> None:
    assert lora_of(text) == lora


def test_replay_takes_the_files_again_where_the_server_forgot_them(
    server: Path, tmp_path: Path, photo: Path, mask: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, again = tmp_path / "out.png", tmp_path / "again.png"
    words = ["generate", "--prompt", "a ball", "--image", str(photo), "--mask", str(mask), "--out", str(out)]
    assert main(words) == 0
    for blob in (server / "blobs").iterdir():
        blob.unlink()
    assert main(["replay", str(out), "--out", str(again)]) == 2
    assert "--image FILE" in capsys.readouterr().err
    assert main(["replay", str(out), "--image", str(mask), "--mask", str(mask), "--out", str(again)]) == 2
    assert "pixels differ" in capsys.readouterr().err
    assert main(["replay", str(out), "--image", str(photo), "--mask", str(mask), "--out", str(again)]) == 0
    assert again.read_bytes() == out.read_bytes()


def _until(true: object, timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not true():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_jobs_are_listed_and_fetched_again(
    server: Path, tmp_path: Path, photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, again = tmp_path / "out.png", tmp_path / "again.png"
    assert main(["generate", "--prompt", "a hill", "--image", str(photo), "--out", str(out)]) == 0
    capsys.readouterr()
    assert main(["jobs"]) == 0
    shown = capsys.readouterr().out
    assert "done" in shown
    assert "a hill" in shown
    assert main(["jobs", "fetch", shown.split()[0], "--out", str(again)]) == 0
    assert again.read_bytes() == out.read_bytes()
    assert main(["jobs", "fetch", "--out", str(tmp_path / "newest.png")]) == 0
    assert (tmp_path / "newest.png").read_bytes() == out.read_bytes()


def test_a_job_is_cancelled_by_its_first_digits(server: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Session.connect(server) as session:
        job = session.submit(GenerateRequest("slow", steps=150, takes=16))
        _until(lambda: job.state == "running")
        assert main(["jobs", "cancel", job.id[:6]]) == 0
        assert "is cancelled" in capsys.readouterr().out
        assert job.wait(20.0) == []
        assert main(["jobs", "cancel", job.id[:6]]) == 0
        assert "already cancelled" in capsys.readouterr().out


def test_models_are_listed(server: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Session.connect(server) as session:
        _until(session.models)
    assert main(["models"]) == 0
    shown = capsys.readouterr().out
    assert "pocket" in shown
    assert "controls: scribble, depth" in shown
    assert "LoRAs: ink" in shown


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--prompt", "a", "--out", "o.jpg"], "PNG"),
        (["--prompt", "a", "--mask", "m.png", "--out", "o.png"], "--image"),
        (["--prompt", "a", "--fill", "blur", "--out", "o.png"], "--mask"),
        (["--prompt", "a", "--strength", "0.5", "--out", "o.png"], "--image"),
        (["--prompt", "a", "--size", "big", "--out", "o.png"], "512x512"),
        (["--prompt", "a", "--image", "none.png", "--out", "o.png"], "no file"),
        (["--prompt", "a", "--control", "none.png", "--out", "o.png"], "scribble=FILE"),
        (["--prompt", "a", "--control", "depth=", "--out", "o.png"], "scribble=FILE"),
        (["--prompt", "a", "--control", "depth=none.png:0.5", "--out", "o.png"], "no file none.png."),
        (["--prompt", "a", "--lora", "", "--out", "o.png"], "NAME:0.8"),
        (["--prompt", "a", "--out", "nowhere/o.png"], "no folder"),
    ],
)
def test_bad_words_get_one_sentence_and_start_no_server(
    home: Path,
    tmp_path: Path,
    words: list[str],
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["generate", *words]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1
    assert not (home / "server.json").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--prompt", " "], "prompt is empty"),
        (["--prompt", "a", "--model", "nope"], "no model"),
        (["--prompt", "a", "--steps", "100000"], "Steps"),
        (["--prompt", "a", "--takes", "1000"], "Takes"),
        (["--prompt", "a", "--lora", "pen"], "no LoRA “pen”. There are: ink."),
        (["--prompt", "a", "--lora", "ink:9"], "from -4 to 4"),
    ],
)
def test_what_the_server_refuses_gets_one_sentence(
    server: Path, tmp_path: Path, words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with Session.connect(server) as session:
        _until(session.models)  # the worker has said which there are
    assert main(["generate", *words, "--out", str(tmp_path / "o.png")]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert says in last
    assert last.startswith("impasto: ")
    assert not (tmp_path / "o.png").exists()


def test_an_empty_mask_gets_a_sentence(
    server: Path, tmp_path: Path, photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("L", (96, 64)).save(tmp_path / "m.png")
    words = ["--image", str(photo), "--mask", str(tmp_path / "m.png"), "--out", str(tmp_path / "o.png")]
    assert main(["generate", "--prompt", "a", *words]) == 2
    assert "mask" in capsys.readouterr().err.splitlines()[-1].lower()


def test_a_job_that_fails_says_why_and_exits_with_4(
    server: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["generate", "--prompt", "break", "--out", str(tmp_path / "o.png")]) == 4
    error = capsys.readouterr().err
    assert "Traceback" not in error
    assert "secret" not in error


def test_ctrl_c_cancels_the_job(server: Path, tmp_path: Path) -> None:
    words = [
        "generate",
        "--prompt",
        "slow",
        "--steps",
        "150",
        "--takes",
        "16",
        "--out",
        str(tmp_path / "o.png"),
    ]
    listening = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}  # in the background too
    with subprocess.Popen([*IMPASTO, *words], stderr=subprocess.PIPE, text=True, **listening) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("Sampling"):
                break
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    with Session.connect(server) as session:
        assert [job.state for job in session.jobs()] == ["cancelled"]


def test_ctrl_c_keeps_the_takes_that_are_finished_and_says_how_to_get_them(
    server: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "generate",
        "--prompt",
        "slow",
        "--steps",
        "20",
        "--takes",
        "16",
        "--out",
        str(tmp_path / "o.png"),
    ]
    listening = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}  # in the background too
    with (
        Session.connect(server) as session,
        subprocess.Popen([*IMPASTO, *words], stderr=subprocess.PIPE, text=True, **listening) as process,
    ):
        assert process.stderr is not None
        _until(lambda: any(job.layers for job in session.jobs()))
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
        assert process.wait(20) == 130
        (job,) = session.jobs()
        assert job.state == "cancelled"
        count = len(job.layers)
    assert (
        f"{count} take{'s are' if count > 1 else ' is'} finished and kept: `impasto jobs fetch {job.job[:8]}"
        in said
    )
    assert list(tmp_path.glob("o*.png")) == []
    for which in ([], [job.job[:8]]):
        assert main(["jobs", "fetch", *which, "--out", str(tmp_path / "kept.png")]) == 0
        assert len(capsys.readouterr().out.split()) == count
    assert main(["jobs", "cancel", job.job]) == 0
    assert "already cancelled" in capsys.readouterr().out


def test_a_job_cancelled_by_another_command_says_what_is_kept(
    server: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "generate",
        "--prompt",
        "slow",
        "--steps",
        "20",
        "--takes",
        "16",
        "--out",
        str(tmp_path / "o.png"),
    ]
    with (
        Session.connect(server) as session,
        subprocess.Popen([*IMPASTO, *words], stderr=subprocess.PIPE, text=True) as process,
    ):
        _until(lambda: any(job.layers for job in session.jobs()))
        (job,) = session.jobs()
        assert main(["jobs", "cancel", job.job]) == 0
        assert "finished and kept: `impasto jobs fetch" in capsys.readouterr().out
        said = process.communicate()[1]
        assert process.returncode not in (0, 130)
        assert "finished and kept: `impasto jobs fetch" in said
        assert "cancelled by another command" in said


def test_a_layer_changes_no_byte_that_it_does_not_cover(server: Path, photo: Path) -> None:
    picture = load_picture(photo)
    rgba = np.full((20, 30, 4), 200, np.uint8)
    rgba[:, :10, 3] = 0
    info = LayerInfo("a", 5, 7, 30, 20, PixelFormat.RGBA8, RECIPE)
    with Session.connect(server) as session:
        done = painting.finished(session, Layer(info, rgba.tobytes()), picture)
    changed = (done.pixels != picture.array()).any(axis=2)
    assert changed.any()
    changed[7:27, 15:35] = False
    assert not changed.any()


def test_the_server_is_started_found_again_and_stopped(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["jobs"]) == 0
    address = find_server(home)
    assert main(["jobs"]) == 0
    assert find_server(home).pid == address.pid
    assert main(["stop"]) == 0
    with pytest.raises(ServerUnreachable):
        find_server(home)
    assert main(["stop"]) == 0
    assert "No server is running" in capsys.readouterr().out


def test_ctrl_c_in_serve_ends_it_in_order(home: Path) -> None:
    with subprocess.Popen(
        [*IMPASTO, "serve"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert "Ctrl+C" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "Traceback" not in errors
    assert not (home / "server.json").exists()


def test_a_second_server_in_one_home_is_refused(server: Path) -> None:
    done = subprocess.run([*IMPASTO, "serve"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3
    assert "already runs" in done.stderr.splitlines()[-1]


def test_a_taken_port_is_named_by_serve_and_worked_around_by_clients(
    home: Path, server: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = find_server(server).port
    other = tmp_path / "other"
    other.mkdir(mode=0o700)
    (other / "config.toml").write_text(f"port = {port}\n")
    monkeypatch.setenv("IMPASTO_HOME", str(other))
    done = subprocess.run([*IMPASTO, "serve"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3
    assert f"Port {port} is taken" in done.stderr
    assert main(["jobs"]) == 0
    assert find_server(other).port != port
    assert main(["stop"]) == 0


def test_a_server_that_cannot_start_says_why(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "config.toml").write_text("prot = 1\n")
    assert main(["jobs"]) == 3
    assert "no setting 'prot'" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert command in capsys.readouterr().out


def test_an_unknown_command_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["paint"])
    assert ended.value.code == 2


# ── doctor ───────────────────────────────────────────────────────────────────────────────────────────────


def test_doctor_finds_nothing_to_fix_in_a_healthy_home(
    server: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor"]) == 0
    shown = capsys.readouterr().out
    assert "running" in shown
    token = json.loads((server / "server.json").read_text())["token"]
    assert token not in shown


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_doctor_finds_a_token_that_others_can_read(server: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (server / "server.json").chmod(0o644)
    assert main(["doctor"]) == 1
    assert "chmod 600" in capsys.readouterr().out


def test_doctor_finds_a_broken_model_folder(server: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = server / "models" / "broken"
    broken.mkdir(parents=True)
    (broken / "model_index.json").write_text("{}")
    main(["doctor"])
    assert "broken" in capsys.readouterr().out


def test_doctor_names_what_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "REQUIRED", ("no-such-package",))
    (finding,) = doctor.check_packages()
    assert finding.state == "fix"
    assert "installers/run.sh" in finding.advice


# ── the demo ─────────────────────────────────────────────────────────────────────────────────────────────


def test_masks_of_scenes_are_drawn_where_they_say() -> None:
    ellipse = draw_mask({"kind": "ellipse", "centre": [20, 10], "radii": [6, 4]}, 40, 30)
    assert ellipse.shape == (30, 40)
    assert ellipse[10, 20] == 255
    assert ellipse[10, 27] == 0
    polygon = draw_mask({"kind": "polygon", "points": [[0, 0], [10, 0], [0, 10]]}, 40, 30)
    assert polygon[2, 2] == 255
    assert polygon[9, 9] == 0


def test_a_demo_that_changes_the_picture_outside_the_mask_fails(
    server: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The fake engine paints everywhere: the check must see it."""
    assert main(["demo", "--out", str(tmp_path)]) == 4
    assert "outside the mask changed" in capsys.readouterr().err


@pytest.mark.model
@pytest.mark.heavy
@pytest.mark.timeout(900)
def test_the_demo_inpaints_a_photograph_and_it_can_be_replayed(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        assert main(["demo", "--out", str(tmp_path)]) == 0
        assert "byte-identical" in capsys.readouterr().out
        assert main(["replay", str(tmp_path / "after.png"), "--out", str(tmp_path / "again.png")]) == 0
        assert (tmp_path / "again.png").read_bytes() == (tmp_path / "after.png").read_bytes()
        recipe = read_recipe(tmp_path / "after.png")
        assert str(tmp_path) not in json.dumps(recipe.software)
    finally:
        main(["stop"])


def test_progress_elsewhere_than_on_a_terminal_is_lines() -> None:
    import io

    from impasto_protocol.messages import JobProgress
    from impasto_server.cli.show import JobLine, remaining

    stream = io.StringIO()
    line = JobLine(stream)
    for step in range(100):
        line(JobProgress("a" * 32, "sampling", step, 100))
    line(JobProgress("a" * 32, "decoding", 100, 100))
    line.end()
    assert stream.getvalue().splitlines() == ["Sampling 0/100", "Decoding 100/100"]
    assert [remaining(s) for s in (5, 65, 3700)] == ["5 s", "1 min 5 s", "1 h 1 min"]


def test_a_scaled_picture_stands_for_itself(server: Path, tmp_path: Path, photo: Path) -> None:
    out = tmp_path / "out.png"
    assert main(["generate", "--image", str(photo), "--scale", "2.5", "--out", str(out)]) == 0
    with Image.open(out) as image:
        assert image.size == (240, 160)
        assert image.mode == "RGBA"  # what the fake engine paints: noise, transparent parts included
    request = read_recipe(out).request
    assert (request.width, request.height, request.strength) == (240, 160, 0.3)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--scale", "2"], "Give it with --image"),
        (["--scale", "9", "--image", "photo.png"], "from 1 to 8"),
        (["--scale", "0.5", "--image", "photo.png"], "from 1 to 8"),
        (["--scale", "2", "--image", "photo.png", "--mask", "mask.png"], "no mask"),
    ],
)
def test_a_scale_that_cannot_be_is_refused_before_a_server_is_started(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    assert main(["generate", *words, "--out", str(tmp_path / "out.png")]) == 2
    assert says in capsys.readouterr().err
    assert not (home / "server.json").exists()


def test_a_control_map_is_written_as_a_plain_gray_picture(server: Path, tmp_path: Path, photo: Path) -> None:
    out = tmp_path / "lines.png"
    assert main(["control-map", "scribble", "--image", str(photo), "--out", str(out)]) == 0
    with Image.open(out) as image, Image.open(photo) as given:
        assert (image.mode, image.size) == ("L", (96, 64))
        assert image.tobytes() == given.getchannel(0).tobytes(), "the fake engine's idea of a map"
        assert image.info == {}
    words = ["generate", "--prompt", "a", "--control", f"scribble={out}", "--out", str(tmp_path / "o.png")]
    assert main(words) == 0


def test_an_unknown_kind_of_map_is_told_what_there_is(
    home: Path, tmp_path: Path, photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["control-map", "pose", "--image", str(photo), "--out", str(tmp_path / "o.png")]
    assert main(words) == 2
    assert "There are: edges, scribble." in capsys.readouterr().err
