"""The `KritaHost` under test: of the installed plugin where there is one, else of the source tree, without
the rest of the plugin."""

import sys
import time
import types
from pathlib import Path

import session
from PyQt5 import QtCore

SOURCE = Path(__file__).resolve().parents[4] / "krita_plugin/impasto"
if "impasto" not in sys.modules:
    package = types.ModuleType("impasto")
    package.__path__ = [str(SOURCE)]
    sys.modules["impasto"] = package

from impasto.host import KritaHost  # noqa: E402
from impasto.host.slices import Slices  # noqa: E402
from impasto_protocol.rasters import PixelFormat  # noqa: E402
from impasto_studio.geometry import Box  # noqa: E402
from impasto_studio.host import Capture, NewLayer, Picture, Shown  # noqa: E402

OWN_S = []  # what the host's slices took of the UI thread, each


def _timed(go_on):
    def timed(*arguments):
        before = time.perf_counter()
        go_on(*arguments)
        OWN_S.append(time.perf_counter() - before)

    return timed


Slices._go_on = _timed(Slices._go_on)
host = KritaHost()


class Heart:
    """Beats every millisecond on the UI thread; the longest time between two beats is the longest stall."""

    def __init__(self):
        self._timer = QtCore.QTimer()
        self._timer.setTimerType(QtCore.Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._beat)
        self._began = self._last = time.perf_counter()
        self._longest = 0.0
        self._timer.start(1)

    def _beat(self):
        now = time.perf_counter()
        self._longest = max(self._longest, now - self._last)
        self._last = now

    def stop(self):
        self._beat()
        self._timer.stop()
        return {"took_ms": (self._last - self._began) * 1e3, "stall_ms": self._longest * 1e3}


def _run(start, meanwhile=None):
    """Starts something of the host's and waits for its answer."""
    heart, answers = Heart(), []
    del OWN_S[:]
    start(lambda value: answers.append({"done": value}), lambda why: answers.append({"failed": why}))
    if meanwhile is not None:
        meanwhile()
    yield from session.until(lambda: answers)
    answer = {**answers[0], **heart.stop(), "own_ms": max(OWN_S, default=0.0) * 1e3}
    yield from session.pause(0.03)
    answer["answers"] = len(answers)
    return answer


def name():
    return host.name


def scene():
    now = host.scene()
    if now is None:
        return None
    layers = [list(entry) for entry in ((layer.layer, layer.name) for layer in now.layers)]
    return {
        "document": now.document,
        "size": [now.width, now.height],
        "selection": None if now.selection is None else list(now.selection),
        "layer": now.layer,
        "layers": layers,
    }


def scene_cost(times=200):
    """Milliseconds of one `scene()`."""
    before = time.perf_counter()
    for _ in range(times):
        host.scene()
    return (time.perf_counter() - before) / times * 1e3


def capture(document, box, folder, image=True, mask=False, controls=(), meanwhile=None):
    """Writes `image`, `mask` and `control0`… into the folder, as raw pixels."""
    wanted = Capture(document, Box(*box), image, mask, tuple(controls))
    answer = yield from _run(
        lambda done, failed: host.capture(wanted, done, failed),
        None if meanwhile is None else MEANWHILE[meanwhile],
    )
    captured = answer.pop("done", None)
    if captured is not None:
        pictures = {"image": captured.image, "mask": captured.mask}
        pictures.update({f"control{index}": picture for index, picture in enumerate(captured.controls)})
        answer["pictures"] = {}
        for key, picture in pictures.items():
            if picture is not None:
                (Path(folder) / key).write_bytes(picture.pixels)
                answer["pictures"][key] = [picture.width, picture.height, picture.format.value]
    return answer


def insert(document, name, x, y, width, height, format, file, meanwhile=None, resize=None, **more):
    picture = Picture(width, height, PixelFormat(format), Path(file).read_bytes())
    if resize is not None:
        more["resize"] = Box(*resize)
    new = NewLayer(document, name, x, y, picture, **more)
    return (
        yield from _run(
            lambda done, failed: host.insert(new, done, failed),
            None if meanwhile is None else MEANWHILE[meanwhile],
        )
    )


def preview(document, box, width, height, format, file):
    """Returns whether it is shown; `file` None takes it away."""
    if file is None:
        return host.preview(None)
    picture = Picture(width, height, PixelFormat(format), Path(file).read_bytes())
    return host.preview(Shown(document, Box(*box), picture))


def remember(document, key, text):
    host.remember(document, key, text.encode())


def recall(document, key):
    return host.recall(document, key).decode()


def settings(key, text):
    """What is loaded after saving, and what an unknown key gives."""
    host.save_setting(key, text)
    return [host.load_setting(key), host.load_setting(key + "-unknown")]


def called_soon():
    """Order and thread of what `call_soon` runs, when called from another thread."""
    import threading

    order = []
    here = threading.get_ident()

    def elsewhere():
        host.call_soon(lambda: order.append(["first", threading.get_ident() == here]))
        host.call_soon(lambda: order.append(["second", threading.get_ident() == here]))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    order.append(["not yet", True])
    yield from session.until(lambda: len(order) == 3)
    return order


def _close_active():
    from krita import Krita

    document = Krita.instance().activeDocument()
    document.setModified(False)
    QtCore.QTimer.singleShot(1, Krita.instance().action("file_close").trigger)


MEANWHILE = {"close": _close_active}
