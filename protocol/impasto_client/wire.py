"""The WebSocket side of a client, without a socket: bytes in, messages out.

wsproto does what is intricate: the upgrade, pings, pongs, the closing handshake. Pictures bypass it, because
it copies every byte five times on the way in and masks with four strided passes on the way out: a 3 MiB frame
is received here into one buffer and decoded from there. Figures: `tests/bench/bench_masking.py`.

The caller fills `space()` from its socket and says how much came with `received(count)`.
"""

import os
import struct
import sys
from typing import List, Optional, cast

from impasto_protocol.codec import decode_server, encode
from impasto_protocol.errors import (
    FrameTooLarge,
    MalformedFrame,
    ServerUnreachable,
    Unauthorized,
    UnknownMessage,
)
from impasto_protocol.messages import ClientMessage, ServerMessage
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    CloseConnection,
    Ping,
    RejectConnection,
    Request,
)
from wsproto.utilities import RemoteProtocolError

__all__ = ["FRAME_BYTES", "Wire", "mask"]

FRAME_BYTES = 132 << 20  # longest frame taken from the server: 128 MiB of pixels and their description

_INBOX_BYTES = 256 << 10
_KEPT_BYTES = 32 << 20  # a larger buffer for one frame is given back after it
_FIRST_BYTES = 8 << 20  # a buffer grows with what really comes, not with what a head announces
_HEAD_BYTES = 16 << 10  # longest answer to the upgrade
_CHUNK_BYTES = 64 << 10  # masked at a time: stays in the L2 cache
_COPY_BELOW = 64 << 10  # a copy of less costs nothing

_CONTINUATION, _BINARY, _CONTROL = 0x0, 0x2, 0x8
_FINAL, _RESERVED = 0x80, 0x70

_REFUSALS = {
    401: "The server does not accept this program's token. Start the server again, then connect.",
    403: "The server does not take requests from this program. Look at its settings.",
    421: "The server does not go by this name. Connect to the address it prints when it starts.",
}


class Wire:
    """One connection's protocol state. Not safe for threads, but for `frame`, which touches no state."""

    def __init__(self, host: str, port: int, token: str, frame_bytes: int = FRAME_BYTES) -> None:
        self._websocket = WSConnection(ConnectionType.CLIENT)
        self._host = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._token = token
        self._frame_bytes = frame_bytes
        self._inbox = bytearray(_INBOX_BYTES)  # bytes not understood yet: [_start, _end)
        self._start = 0
        self._end = 0
        self._payload = bytearray()  # of a message that did not fit the inbox, or comes in fragments
        self._filled = 0  # bytes of the message in _payload
        self._target = 0  # bytes of it once the present frame is complete
        self._fragmented = False  # a message has begun that has further frames
        self._final = True  # the present frame is the last of its message
        self._due: List[bytes] = []
        self.open = False
        self.closed = False

    # ── out ──────────────────────────────────────────────────────────────────────────────────────────────

    def opening(self) -> bytes:
        """The upgrade request, with the token as a bearer header."""
        headers = [(b"authorization", b"Bearer " + self._token.encode("ascii"))]
        return self._websocket.send(Request(host=self._host, target="/v1", extra_headers=headers))

    def frame(self, message: ClientMessage) -> bytes:
        """One masked binary frame. May be called from any thread."""
        payload = encode(message)
        size = len(payload)
        key = os.urandom(4)
        if size < 126:
            head = struct.pack(">BB", _FINAL | _BINARY, 0x80 | size)
        elif size < 1 << 16:
            head = struct.pack(">BBH", _FINAL | _BINARY, 0x80 | 126, size)
        else:
            head = struct.pack(">BBQ", _FINAL | _BINARY, 0x80 | 127, size)
        return b"".join([head, key, *mask(payload, key)])

    def ping(self) -> bytes:
        return self._websocket.send(Ping())

    def closing(self, code: int = 1000) -> bytes:
        """The close frame; empty when there is nothing to close any more."""
        if not self.open or self.closed:
            return b""
        self.closed = True
        return self._websocket.send(CloseConnection(code=code))

    def due(self) -> bytes:
        """Answers the protocol owes (pongs, the closing handshake), to be sent now."""
        due = b"".join(self._due)
        self._due.clear()
        return due

    # ── in ───────────────────────────────────────────────────────────────────────────────────────────────

    def space(self) -> memoryview:
        """Where the next bytes of the socket go; never empty. Drop it before calling `received`."""
        if self._target > self._filled:
            self._grow()
            return memoryview(self._payload)[self._filled : min(self._target, len(self._payload))]
        if self._start:  # what is left is the beginning of one small frame
            self._inbox[: self._end - self._start] = self._inbox[self._start : self._end]
            self._start, self._end = 0, self._end - self._start
        return memoryview(self._inbox)[self._end :]

    def received(self, count: int) -> List[ServerMessage]:
        """Takes note of `count` bytes in the last `space()`; 0 is the end of the stream.

        Returns the messages that are complete now. Pixels of more than 64 KiB in them are views of the
        buffers here, good until the next `space()`. Raises `Unauthorized` or `ServerUnreachable` when the
        upgrade is refused or the stream ends, `MalformedFrame` or `FrameTooLarge` when the server breaks the
        protocol. Messages of an unknown type, from a newer server, are passed over.
        """
        if count == 0:
            self.closed = True
            raise ServerUnreachable("The server closed the connection.")
        messages: List[ServerMessage] = []
        if self._target > self._filled:
            self._filled += count
            if self._filled == self._target:
                # The inbox is empty: no later frame can come into this buffer while it is looked at.
                self._frame_complete(messages, copy_below=_COPY_BELOW)
        else:
            self._end += count
        if not self.open and not self._upgraded():
            return messages
        while not self.closed and self._next(messages):
            pass
        return messages

    def _upgraded(self) -> bool:
        """Takes the server's answer to the upgrade out of the inbox, if it is all there."""
        found = self._inbox.find(b"\r\n\r\n", self._start, self._end)
        if found < 0:
            if self._end >= _HEAD_BYTES:
                raise MalformedFrame("What answers there is no Impasto server.")
            return False
        head = bytes(self._inbox[self._start : found + 4])
        self._start = found + 4
        try:
            self._websocket.receive_data(head)
            events = list(self._websocket.events())
        except RemoteProtocolError as error:
            raise ServerUnreachable("What answers there is no Impasto server.") from error
        for event in events:
            if isinstance(event, AcceptConnection):
                self.open = True
            elif isinstance(event, RejectConnection):
                sentence = _REFUSALS.get(event.status_code)
                if sentence is not None:
                    raise Unauthorized(sentence)
                raise ServerUnreachable(
                    f"The server refused the connection ({event.status_code}). Try again."
                )
        return self.open

    def _next(self, messages: List[ServerMessage]) -> bool:
        """Takes one frame, or the beginning of a long one, out of the inbox. False when more bytes are
        needed.
        """
        held = self._end - self._start
        if self._target > self._filled or held < 2:
            return False
        first, length = self._inbox[self._start], self._inbox[self._start + 1]
        head = {126: 4, 127: 10}.get(length, 2)
        if first & _RESERVED or length & 0x80:
            raise MalformedFrame("The server sent a frame that is not of the WebSocket protocol.")
        if held < head:
            return False
        if length >= 126:
            at = self._start + 2
            length = int.from_bytes(self._inbox[at : at + head - 2], "big")
        opcode = first & 0x0F
        if opcode & _CONTROL:
            return self._control(head + length)
        self._begin(opcode, bool(first & _FINAL), length)
        self._start += head
        here = min(length, held - head)
        if here == length and self._target == length and self._final:  # all of it lies in the inbox
            self._filled = self._target = 0
            frame = memoryview(self._inbox)[self._start : self._start + length]
            self._decode(frame, messages, copy_below=_COPY_BELOW)
            self._start += length
            return True
        while here:  # at most twice: the buffer grows to what is announced step by step
            self._grow()
            step = min(here, len(self._payload) - self._filled)
            self._payload[self._filled : self._filled + step] = self._inbox[self._start : self._start + step]
            self._filled += step
            self._start += step
            here -= step
        if self._filled == self._target:
            self._frame_complete(messages)
        return True

    def _begin(self, opcode: int, final: bool, length: int) -> None:
        if opcode != (_CONTINUATION if self._fragmented else _BINARY):
            raise MalformedFrame("The server sent a frame that does not belong here.")
        if self._filled + length > self._frame_bytes:
            raise FrameTooLarge("The server sent more than this program can take. Bring both up to date.")
        self._target = self._filled + length
        self._final = final
        self._fragmented = not final

    def _frame_complete(self, messages: List[ServerMessage], copy_below: Optional[int] = None) -> None:
        if not self._final:
            return
        size, self._filled, self._target = self._target, 0, 0
        self._decode(memoryview(self._payload)[:size], messages, copy_below)
        if len(self._payload) > _KEPT_BYTES:
            self._payload = bytearray()

    def _grow(self) -> None:
        """Makes room for at least one more byte of the message."""
        if self._filled < len(self._payload):
            return
        larger = bytearray(min(self._target, max(_FIRST_BYTES, 2 * self._filled)))
        larger[: self._filled] = memoryview(self._payload)[: self._filled]
        self._payload = larger

    def _decode(self, frame: memoryview, messages: List[ServerMessage], copy_below: Optional[int]) -> None:
        try:
            messages.append(decode_server(frame, copy_below))
        except UnknownMessage:
            pass  # of a newer server; what must be understood is agreed in Welcome

    def _control(self, size: int) -> bool:
        """Hands a ping, pong or close to wsproto, whole."""
        if size > 2 + 125:
            raise MalformedFrame("The server sent a frame that is not of the WebSocket protocol.")
        if self._end - self._start < size:
            return False
        self._websocket.receive_data(bytes(self._inbox[self._start : self._start + size]))
        self._start += size
        for event in self._websocket.events():
            if isinstance(event, Ping):
                self._due.append(self._websocket.send(event.response()))
            elif isinstance(event, CloseConnection):
                self._answer_close(event)
        return True

    def _answer_close(self, event: CloseConnection) -> None:
        if not self.closed:
            self._due.append(self._websocket.send(event.response()))
        self.closed = True


def mask(payload: bytes, key: bytes) -> List[bytes]:
    """The payload XOR the repeated 4-byte key (RFC 6455 §5.3), in pieces.

    Long ints, 64 KiB at a time, or numpy where the program has loaded it: 2.8, 0.9 ms per MiB (wsproto 4.1).
    """
    numpy = sys.modules.get("numpy")
    if numpy is not None and len(payload) > _CHUNK_BYTES:
        padded = len(payload) & ~3
        words = numpy.frombuffer(payload, numpy.uint32, padded // 4)
        masked = cast(bytes, (words ^ numpy.frombuffer(key, numpy.uint32)).tobytes())
        return [masked, bytes(byte ^ key[i] for i, byte in enumerate(payload[padded:]))]
    long_key = key * (min(len(payload), _CHUNK_BYTES) // 4 + 1)
    whole_key = int.from_bytes(long_key[:_CHUNK_BYTES], "little")
    pieces = []
    view = memoryview(payload)
    for start in range(0, len(payload), _CHUNK_BYTES):
        piece = view[start : start + _CHUNK_BYTES]
        size = len(piece)
        number = whole_key if size == _CHUNK_BYTES else int.from_bytes(long_key[:size], "little")
        pieces.append((int.from_bytes(piece, "little") ^ number).to_bytes(size, "little"))
    return pieces
