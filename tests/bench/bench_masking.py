"""What the WebSocket costs in pure Python, the measurement behind the choice of library.

    python -m tests.bench.bench_masking [--mib 64]

1. Masking 64 MB, as a client must (RFC 6455 §5.3): wsproto, websockets without its C module (which cannot be
   shipped to a host's Python), and `impasto_client.wire.mask` with long ints and with numpy.
2. Receiving a 3 MiB frame (an RGB preview at 1024²) over loopback: wsproto fed with what the socket gives and
   its pieces joined, against `impasto_client.wire.Wire`.
"""

from __future__ import annotations

import argparse
import importlib
import json
import multiprocessing
import os
import socket
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy  # noqa: F401  loaded, so that `mask` finds it
from impasto_client.wire import Wire, mask
from impasto_protocol.codec import decode_server, encode
from impasto_protocol.messages import JobProgress, Pixels
from impasto_protocol.rasters import PixelFormat
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage
from wsproto.frame_protocol import XorMaskerSimple

SIDE_PX = 1024


def best_s(work: Callable[[], object], repeats: int = 3) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def masking(size: int) -> dict[str, float]:
    """Seconds for `size` bytes, by way of masking."""
    data, key = os.urandom(size), os.urandom(4)
    result = {"wsproto": best_s(lambda: XorMaskerSimple(key).process(bytearray(data)))}
    try:
        with mock.patch.dict(sys.modules, {"websockets.speedups": None}):
            utils = importlib.reload(importlib.import_module("websockets.utils"))
            result["websockets, pure Python"] = best_s(lambda: utils.apply_mask(data, key))
    except ImportError:
        pass  # not installed: it lost
    result["impasto, numpy loaded"] = best_s(lambda: b"".join(mask(data, key)))
    with mock.patch.dict(sys.modules, {"numpy": None}):
        result["impasto, long ints"] = best_s(lambda: b"".join(mask(data, key)))
    return result


def preview_frame() -> bytes:
    """A server's frame with a whole preview, as it goes over the wire."""
    pixels = Pixels(SIDE_PX, SIDE_PX, PixelFormat.RGB8, data=os.urandom(3 * SIDE_PX * SIDE_PX))
    payload = encode(JobProgress("j" * 32, "sampling", 1, 4, preview=pixels))
    return b"\x82\x7f" + len(payload).to_bytes(8, "big") + payload


def serve_frames(listener: socket.socket) -> None:
    """The helper process: one frame for each byte asked."""
    connection, _ = listener.accept()
    with connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        frame = preview_frame()
        while connection.recv(1):
            connection.sendall(frame)


def with_wsproto(connection: socket.socket) -> Callable[[], Any]:
    websocket = Connection(ConnectionType.CLIENT)

    def receive() -> Any:
        pieces = []
        while True:
            websocket.receive_data(connection.recv(1 << 20))
            for event in websocket.events():
                assert isinstance(event, BytesMessage)
                pieces.append(event.data)
                if event.message_finished:
                    return decode_server(b"".join(pieces))

    return receive


def with_wire(connection: socket.socket) -> Callable[[], Any]:
    wire = Wire("127.0.0.1", 1, "")
    wire.open = True  # the upgrade is not what is measured

    def receive() -> Any:
        while True:
            messages = wire.received(connection.recv_into(wire.space()))
            if messages:
                return messages[0]

    return receive


def receiving(rounds: int = 200) -> dict[str, str]:
    """Milliseconds from asking for a 3 MiB frame to its message, by way of reading it."""
    result = {}
    for name, make in (("wsproto", with_wsproto), ("impasto", with_wire)):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            helper = multiprocessing.get_context("fork").Process(target=serve_frames, args=(listener,))
            helper.start()
            with socket.create_connection(listener.getsockname()) as connection:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
                receive = make(connection)
                times = []
                for _ in range(rounds):
                    start = time.perf_counter()
                    connection.sendall(b"?")
                    assert len(receive().preview.data) == 3 * SIDE_PX * SIDE_PX
                    times.append(1000 * (time.perf_counter() - start))
                result[name] = f"median {statistics.median(times):.3f}, least {min(times):.3f}"
            helper.join()
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mib", type=int, default=64)
    options = parser.parse_args()
    figures = {
        f"masking {options.mib} MiB, s": {k: round(v, 3) for k, v in masking(options.mib << 20).items()},
        "receiving 3 MiB, ms": receiving(),
    }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
