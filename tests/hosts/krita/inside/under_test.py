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
from impasto_studio.host import Animation, Capture, NewLayer, Picture, Shown, Watch  # noqa: E402

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


# ── following ────────────────────────────────────────────────────────────────────────────────────────────

SEEN = []  # what the host has told since `watch`


def watch(document=None, box=None, width=0, height=0, mask=False, controls=()):
    """Begins to follow; without a document it ends."""
    del SEEN[:]
    if document is None:
        host.watch(None, SEEN.append)
    else:
        wanted = Watch(document, Box(*box), width, height, mask, tuple(controls))
        host.watch(wanted, lambda captured: SEEN.append((time.perf_counter(), captured)))
    return True


def seen(count, timeout_s=10.0):
    """Waits until so many pictures have been told; how many there are then."""
    yield from session.until(lambda: len(SEEN) >= count, timeout_s)
    return len(SEEN)


def rests(seconds=0.5):
    """Waits until nothing has been told for a while; how many pictures there are then."""
    began = time.perf_counter()
    last = lambda: max([began, *(at for at, _ in SEEN[-1:])])  # noqa: E731
    yield from session.until(lambda: time.perf_counter() - last() > seconds)
    return len(SEEN)


def newest(folder):
    """The newest picture, written as `capture` writes it."""
    captured = SEEN[-1][1]
    pictures = {"image": captured.image, "mask": captured.mask}
    pictures.update({f"control{index}": picture for index, picture in enumerate(captured.controls)})
    sizes = {}
    for key, picture in pictures.items():
        if picture is not None:
            (Path(folder) / key).write_bytes(picture.pixels)
            sizes[key] = [picture.width, picture.height, picture.format.value]
    return sizes


def same_objects():
    """Of the two newest: whether image, mask and controls are the very same pictures."""
    before, now = SEEN[-2][1], SEEN[-1][1]
    return [
        before.image is now.image,
        before.mask is now.mask,
        *(one is other for one, other in zip(before.controls, now.controls, strict=True)),
    ]


def expected(box, width, height, folder):
    """The projection as it is now, scaled as the watch under test does it: by one that begins now."""
    from impasto.host.pixels import Buffer, fitted_rows
    from impasto.host.watch import _bands
    from krita import Krita

    document = Krita.instance().activeDocument()
    buffer = Buffer(Box(0, 0, width, height), PixelFormat.RGBA8)
    for source, target in _bands(Watch("", Box(*box), width, height)):
        rows, kept = fitted_rows(document.projection(*source), target.width, target.height, PixelFormat.RGBA8)
        buffer.put(target, rows)
        del kept
    (Path(folder) / "expected").write_bytes(buffer.picture().pixels)
    return True


def stalls(seconds):
    """The longest the UI thread was kept by anybody, and by the host's own slices, in ms."""
    heart = Heart()
    del OWN_S[:]
    yield from session.pause(seconds)
    return {**heart.stop(), "own_ms": max(OWN_S, default=0.0) * 1e3, "busy": sum(OWN_S) / seconds}


def pen():
    """Whether the pen is down, for the host."""
    return host._pen.down


def animate(name, width, height, frames, rate):
    animation = Animation(name, width, height, tuple(Path(frame) for frame in frames), rate)
    return (yield from _run(lambda done, failed: host.animate(animation, lambda: done(True), failed)))
