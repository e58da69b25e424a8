"""`impasto live`, as an artist runs it: a file is saved, and a preview of it is written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from impasto_server.cli import live, main
from impasto_server.cli.watching import Watched
from PIL import Image

IMPASTO = [sys.executable, "-m", "impasto_server.cli", "live"]


def write(path: Path, pixels: np.ndarray) -> Path:
    """Whole or not at all, as painting programs do."""
    part = path.with_suffix(".part.png")
    Image.fromarray(pixels).save(part)
    part.replace(path)
    return path


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def until(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


# ── watching ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_file_is_changed_once_it_rests(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(b"1")
    watched = Watched([file])
    assert not watched.changed()
    file.write_bytes(b"12")
    assert not watched.changed()
    file.write_bytes(b"123")  # still being written
    assert not watched.changed()
    assert watched.changed()
    assert not watched.changed()


def test_a_file_that_is_gone_is_waited_for(tmp_path: Path) -> None:
    file, other = tmp_path / "a.png", tmp_path / "b.png"
    file.write_bytes(b"1")
    other.write_bytes(b"1")
    watched = Watched([file, other])
    file.unlink()
    other.write_bytes(b"22")
    assert [watched.changed(), watched.changed()] == [False, False]
    file.write_bytes(b"1")
    assert [watched.changed(), watched.changed()] == [False, True]


def test_a_file_that_is_replaced_by_one_of_its_size_and_time_is_another(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(b"1")
    watched = Watched([file])
    new = tmp_path / "new.png"
    new.write_bytes(b"2")
    os.utime(new, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))
    new.replace(file)
    assert [watched.changed(), watched.changed()] == [False, True]


# ── what is sent ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_large_picture_is_made_smaller_and_shown_over_white(tmp_path: Path) -> None:
    pixels = np.zeros((80, 160, 4), np.uint8)
    pixels[:, :80] = (200, 10, 20, 255)
    scene = scene_of(write(tmp_path / "a.png", pixels), tmp_path)
    (picture,) = scene.rasters(40)
    assert (picture.width, picture.height) == (40, 20)
    assert picture.array()[10, 4].tolist() == [200, 10, 20]
    assert picture.array()[10, 34].tolist() == [255, 255, 255]
    (whole,) = scene.rasters(512)
    assert (whole.width, whole.height) == (160, 80)


def test_a_long_strip_stays_as_thick_as_the_server_takes_it() -> None:
    scene = live.Scene(np.zeros((100, 3000, 3), np.uint8), None, ())
    (picture,) = scene.rasters(256)
    assert (picture.width, picture.height) == (256, 16)
    scene = live.Scene(np.zeros((9, 3000, 3), np.uint8), None, ())
    assert scene.rasters(256)[0].height == 9  # too thin as it is: the server says so


def test_sixteen_bits_become_eight_by_rounding(tmp_path: Path) -> None:
    import cv2

    file = tmp_path / "a.png"
    cv2.imwrite(str(file), np.full((4, 4, 3), 129 * 257 + 130, np.uint16))
    (picture,) = scene_of(file, tmp_path).rasters(512)
    assert set(picture.pixels) == {130}


def test_what_is_transparent_lends_a_smaller_control_no_colour() -> None:
    pixels = np.zeros((2, 2, 4), np.uint8)
    pixels[0, 0] = (255, 255, 255, 255)
    reduced = live._reduced(pixels, (1, 1))
    assert reduced[0, 0].tolist() == [255, 255, 255, 64]


def scene_of(file: Path, folder: Path) -> live.Scene:
    import argparse

    return live.load_scene(argparse.Namespace(image=file, mask=None), [])


# ── the command ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--image", "none.png", "--out", "o.png"], "There is no file none.png."),
        (["--image", "photo.png", "--out", "o.jpg"], "Pictures are written as PNG."),
        (["--image", "photo.png", "--out", "photo.png"], "is watched already"),
        (["--image", "photo.png", "--out", "o.png", "--control", "scribble"], "--control must look like"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    words: list[str],
    sentence: str,
    home: Path,
    photo: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(photo.parent)
    assert main(["live", *words]) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1


def test_once_writes_one_preview_and_ends(
    server: Path, tmp_path: Path, photo: Path, mask: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "preview.png"
    words = ["live", "--image", str(photo), "--out", str(out), "--once", "--prompt", "a hill"]
    words += ["--mask", str(mask), "--control", f"scribble={photo}:0.5", "--lora", "ink:0.8"]
    assert main(words) == 0
    with Image.open(out) as preview:
        assert preview.size == (64, 43)  # the model's native size
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("input ")
    assert lines[0].endswith(" ms")


def test_an_unknown_model_ends_it(
    server: Path, tmp_path: Path, photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["live", "--image", str(photo), "--out", str(tmp_path / "o.png"), "--prompt", "a"]
    assert main([*words, "--model", "none", "--once"]) == 2
    assert capsys.readouterr().err.startswith("impasto: ")


def test_every_save_is_followed_by_a_preview_until_it_is_stopped(
    server: Path, tmp_path: Path, photo: Path
) -> None:
    out = tmp_path / "preview.png"
    command = [*IMPASTO, "--image", str(photo), "--out", str(out), "--prompt", "a hill", "--longest", "96"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            until(out.exists)
            photo.write_bytes(photo.read_bytes()[:200])  # half of a file
            time.sleep(0.2)
            photo.unlink()
            time.sleep(0.2)
            out.unlink()
            write(photo, np.full((48, 32, 3), 90, np.uint8))  # another size
            until(lambda: out.exists() and size_of(out) == (32, 48))
        finally:
            process.send_signal(signal.SIGINT)
        told, complained = process.communicate(timeout=20)
    assert process.returncode == 130
    assert all(line.startswith("input ") for line in told.splitlines())
    assert "Traceback" not in complained
    assert list(tmp_path.glob("*.part")) == []
