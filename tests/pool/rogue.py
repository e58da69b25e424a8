"""Engines that misbehave on purpose; loaded by worker processes."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence

from impasto_server.engine.interface import Layer
from impasto_server.pool.channel import MAX_FRAME_BYTES

from tests.fakes.engine import FakeEngine


class Sleeper(FakeEngine):
    """Never comes to its step gate."""

    def generate(self, *_: object) -> Sequence[Layer]:
        time.sleep(600)
        return []


class Babbler(FakeEngine):
    """Finds the channel and announces a frame that is far too long."""

    def generate(self, *_: object) -> Sequence[Layer]:
        for descriptor in range(3, 32):
            with contextlib.suppress(OSError):
                os.write(descriptor, (MAX_FRAME_BYTES + 1).to_bytes(4, "little"))
        time.sleep(600)
        return []
