"""Which segments of a loop are graphs, and until when. Here a "graph" is a call that says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from impasto_server.engine.frame_loop import FrameLoop, FrameShape, Parts, Segment
from impasto_server.engine.graphs import Graphs
from impasto_server.engine.linear_sampler import read

from tests.engine.conftest import picture
from tests.fixtures import tiny


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Any:
    import diffusers

    folder: Path = tiny.build(tmp_path_factory.mktemp("model"))
    unet = diffusers.UNet2DConditionModel.from_pretrained(folder, subfolder="unet").eval()
    vae = diffusers.AutoencoderKL.from_pretrained(folder, subfolder="vae").eval()
    with torch.inference_mode():
        loop = FrameLoop(Parts(unet, vae), FrameShape(64, 64, steps=2))
    with loop.at_work():
        loop.use_sampler(read(tiny.make_scheduler("EulerDiscreteScheduler"), [599, 299]), 1.0)
        loop.use_seed(3)
        loop.use_conditioning({"encoder_hidden_states": torch.randn(1, 16, 32)})
    loop.picture[:] = picture(64, 64)
    return loop


def test_one_segment_is_captured_after_each_frame_until_all_are(loop: FrameLoop) -> None:
    launched: list[int] = []

    def capture(segment: Segment) -> Segment:
        number = list(plain).index(segment)

        def launch() -> None:
            launched.append(number)
            segment()

        return launch

    plain = list(loop.segments)
    graphs = Graphs(loop, capture)

    def frame(worn: object = ()) -> np.ndarray:
        launched.clear()
        with loop.at_work():
            graphs.check(worn)
            assert loop.run(lambda done, steps: True, lambda stage: None)
            graphs.capture_next()
        return loop.painted.copy()

    first = frame()
    assert launched == []
    for after in ([0], [0, 1], [0, 1, 2], [0, 1, 2, 3], [0, 1, 2, 3]):
        assert np.array_equal(frame(), first)  # mixed or not
        assert launched == after

    frame(worn=("ink", 0.5))  # baked into the graphs
    assert launched == []
    frame(worn=("ink", 0.5))
    assert launched == [0]

    weight = next(loop.parts.denoiser.parameters())
    weight.data = weight.data.clone()  # a job has moved the model meanwhile
    frame(worn=("ink", 0.5))
    assert launched == []
    frame(worn=("ink", 0.5))
    assert launched == [0]

    with loop.at_work():  # a longer prompt
        loop.use_conditioning({"encoder_hidden_states": torch.randn(1, 32, 32)})
    frame(worn=("ink", 0.5))
    assert launched == []
    with loop.at_work():  # another one of that length
        loop.use_conditioning({"encoder_hidden_states": torch.randn(1, 32, 32)})
    frame(worn=("ink", 0.5))
    assert launched == [0]
    graphs.check(None)
    assert loop.segments == plain
