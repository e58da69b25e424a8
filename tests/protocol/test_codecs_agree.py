"""The plugins' codec and the server's msgspec codec read and write the same language."""

from __future__ import annotations

import random
from collections.abc import Callable
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
def test_what_both_read_of_a_damaged_frame_is_the_same(message: Any) -> None:
    chance = random.Random(repr(message))
    frame = bytearray(encode(message))
    frame[chance.randrange(len(frame))] = chance.randrange(256)
    plain, typed = (_read(decode, bytes(frame)) for decode in (decode_client, typed_codec.decode))
    if plain is not None and typed is not None:
        assert plain == typed or repr(plain) == repr(typed), "NaN is not equal to itself"


def _read(decode: Callable[[bytes], Any], frame: bytes) -> Any:
    try:
        return decode(frame)
    except FrameError:
        return None
