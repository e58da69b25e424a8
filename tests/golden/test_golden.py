"""Frames of released versions are understood for ever."""

from __future__ import annotations

from pathlib import Path

import pytest
from impasto_protocol.codec import decode_client, decode_server
from impasto_protocol.messages import CLIENT_MESSAGES, SERVER_MESSAGES, Cancel
from impasto_server.front import typed_codec

from tests.golden.make import make
from tests.golden.v1.messages import CLIENT, MESSAGES, SERVER

FRAMES = Path(__file__).parent / "v1"


@pytest.mark.parametrize("name", CLIENT)
def test_a_golden_client_frame_means_what_it_meant(name: str) -> None:
    frame = (FRAMES / f"{name}.bin").read_bytes()
    assert decode_client(frame) == CLIENT[name]
    assert typed_codec.decode(frame) == CLIENT[name]


@pytest.mark.parametrize("name", SERVER)
def test_a_golden_server_frame_means_what_it_meant(name: str) -> None:
    assert decode_server((FRAMES / f"{name}.bin").read_bytes()) == SERVER[name]


def test_every_message_has_a_golden_frame_and_every_frame_a_meaning() -> None:
    kinds = {type(message) for message in MESSAGES.values()}
    assert kinds == set(CLIENT_MESSAGES.values()) | set(SERVER_MESSAGES.values())
    assert {path.stem for path in FRAMES.glob("*.bin")} == set(MESSAGES)


def test_frames_that_stand_are_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "cancel.bin").write_bytes(b"as it was")
    assert make(tmp_path, {"cancel": Cancel("j"), "later": Cancel("k")}) == ["later.bin"]
    assert (tmp_path / "cancel.bin").read_bytes() == b"as it was"
