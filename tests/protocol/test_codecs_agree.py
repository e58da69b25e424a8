"""The plugins' codec and the server's msgspec codec read and write the same language."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given, settings
from impasto_protocol.codec import decode_client, decode_server, encode
from impasto_protocol.errors import FrameError
from impasto_server.front import typed_codec

from tests.protocol.messages import CLIENT, SERVER


@given(CLIENT)
@settings(max_examples=300)
def test_the_server_reads_what_a_client_writes(message: Any) -> None:
    assert typed_codec.decode(encode(message)) == decode_client(encode(message)) == message


@given(SERVER)
@settings(max_examples=300)
def test_a_client_reads_what_the_server_writes(message: Any) -> None:
    assert decode_server(typed_codec.encode(message)) == message


@given(SERVER)
def test_frames_in_two_parts_are_the_same_message(message: Any) -> None:
    pixels = getattr(message, "pixels", None)
    if pixels is None or pixels.data is None or pixels.shared is not None:
        return  # pixels lie in one place
    head, body = typed_codec.encode_parts(message)
    assert decode_server(head + bytes(body)) == message


@given(CLIENT)
@settings(max_examples=300)
def test_both_refuse_the_same_damage(message: Any) -> None:
    chance = random.Random(repr(message))
    frame = bytearray(encode(message))
    frame[chance.randrange(len(frame))] = chance.randrange(256)
    results = []
    for decode in (decode_client, typed_codec.decode):
        try:
            results.append(decode(bytes(frame)))
        except FrameError:
            results.append(None)
    if results[0] is not None and results[1] is not None:
        assert repr(results[0]) == repr(results[1]) or results[0] == results[1]
