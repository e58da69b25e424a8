"""Live sessions against the real front and a real worker process with the fake engine."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from impasto_client.session import Session
from impasto_protocol.errors import UnknownModel
from impasto_protocol.messages import LiveRequest
from impasto_protocol.rasters import PixelFormat

from tests.client.test_live import SIZE, Painter, picture
from tests.fakes.engine import live_pixels

ROOT = Path(__file__).parents[2]
Connect = Callable[..., Session]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Of a running server."""
    folder = tmp_path_factory.mktemp("live-home")
    command = [sys.executable, "-m", "tests.fakes.serve", str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("ready")
        yield folder
        process.terminate()
        process.wait(20)


@pytest.fixture(params=[True, False], ids=["shared memory", "frames"])
def painter(home: Path, request: pytest.FixtureRequest) -> Iterator[Painter]:
    with Session.connect(home, client_id="d" * 32, name="tests", shared_memory=request.param) as session:
        session.models()  # the worker is up
        yield Painter(session)


def shown(request: LiveRequest, pixels: bytes) -> bytes:
    """What the fake engine makes of a picture."""
    image = np.frombuffer(pixels, np.uint8).reshape(SIZE[1], SIZE[0], 3)
    return live_pixels(request, image).tobytes()


def test_every_preview_is_the_engines_byte_for_byte(painter: Painter) -> None:
    request = LiveRequest(painter.canvas.name, "a hill", longest_px=SIZE[0], refine_steps=-1)
    painter.live.change(request)
    pixels = bytearray(picture(1))
    for seed in range(6):
        pixels[seed * 4000 : seed * 4000 + 60] = bytes(60)
        number = painter.show(pixels)
        assert painter.preview_of(number).pixels == shown(request, pixels)


def test_of_a_fast_pen_the_last_point_is_shown(painter: Painter) -> None:
    request = LiveRequest(painter.canvas.name, "a hill", longest_px=SIZE[0], refine_steps=-1)
    painter.live.change(request)
    for seed in range(60):
        number = painter.show(picture(seed))
    preview = painter.preview_of(number)
    assert preview.pixels == shown(request, picture(59))
    numbers = [one.input for one in painter.previews]
    assert numbers == sorted(set(numbers))


def test_at_rest_the_preview_is_refined(painter: Painter) -> None:
    request = LiveRequest(painter.canvas.name, "a hill", longest_px=SIZE[0])
    painter.live.change(request)
    painter.show(picture(1))
    painter.wait_for(lambda: any(preview.refined for preview in painter.previews))
    image = np.frombuffer(picture(1), np.uint8).reshape(SIZE[1], SIZE[0], 3)
    assert painter.previews[-1].pixels == live_pixels(request, image, refined=True).tobytes()


def test_another_prompt_paints_the_same_picture_anew(painter: Painter) -> None:
    request = LiveRequest(painter.canvas.name, "a hill", longest_px=SIZE[0], refine_steps=-1)
    painter.live.change(request)
    painter.preview_of(painter.show(picture(1)))
    other = replace(request, prompt="a lake")
    assert painter.preview_of(painter.live.change(other)).pixels == shown(other, picture(1))


def test_a_model_that_is_not_there_ends_the_session_and_another_begins_it(painter: Painter) -> None:
    request = LiveRequest(painter.canvas.name, "a hill", model="none", longest_px=SIZE[0], refine_steps=-1)
    painter.live.change(request)
    painter.wait_for(lambda: painter.problems)
    assert isinstance(painter.problems[0], UnknownModel)
    painter.show(picture(1))
    mended = replace(request, model="pocket")
    assert painter.preview_of(painter.live.change(mended)).pixels == shown(mended, picture(1))


def test_after_a_broken_connection_the_picture_is_painted_once_more(painter: Painter) -> None:
    request = LiveRequest(painter.canvas.name, "a hill", longest_px=SIZE[0], refine_steps=-1)
    painter.live.change(request)
    painter.preview_of(painter.show(picture(1)))
    with painter.session.uploading() as connection:
        assert connection is not None
        connection._shut()
    painter.wait_for(lambda: len(painter.previews) == 2)
    assert painter.previews[1].pixels == shown(request, picture(1))


def test_a_mask_and_a_control_are_followed(painter: Painter) -> None:
    from impasto_protocol.messages import LiveControl

    session = painter.session
    mask = session.canvas(*SIZE, PixelFormat.GRAY8)
    lines = session.canvas(*SIZE, PixelFormat.GRAY8)
    controls = (LiveControl("scribble", lines.name, 0.5),)
    request = LiveRequest(
        painter.canvas.name, "a hill", mask.name, controls, longest_px=SIZE[0], refine_steps=-1
    )
    area = SIZE[0] * SIZE[1]
    pixels = {painter.canvas: picture(1), mask: b"\xff" * area, lines: b"\x10" * area}
    painter.live.show(pixels)
    number = painter.live.change(request)
    image, white, drawn = (
        np.frombuffer(one, np.uint8).reshape(SIZE[1], SIZE[0], *([3] if len(one) > area else []))
        for one in pixels.values()
    )
    assert painter.preview_of(number).pixels == live_pixels(request, image, white, [drawn]).tobytes()
