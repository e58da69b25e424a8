"""What happens between a stroke and its preview, with times; and whether it is a preview of that stroke."""

import time

from artist import document, plugin
from impasto_client import live as client
from impasto_studio.geometry import Box
from impasto_studio.host import Watch
from session import pause, until
from stopwatch import Heart


class Log:
    """Times of `time.perf_counter`, in seconds, of everything since it was begun."""

    def __init__(self):
        self.ups = []  # the pen has lifted
        self.seen = []  # (time, image bytes) the host has told
        self.sent = []  # (time, number, image bytes as the server has them)
        self.heard = []  # (time, preview): on the connection's thread
        self.shown = []  # (time, version): the docker has painted it
        self.heart = Heart()
        self._undo = []
        self._watch()

    def _watch(self):
        it = plugin()
        it.host._pen.went_up.connect(self._up)
        desk = it.studio._live
        self._replace(desk, "_seen", self._told(desk._seen))
        self._replace(client.Live, "show", self._showing(client.Live.show))
        self._replace(client.Live, "change", self._changing(client.Live.change))
        self._replace(client.Live, "heard", self._hearing(client.Live.heard))
        stage = type(it.panels[0]._live._stage)
        self._replace(stage, "paintEvent", self._painting(stage.paintEvent))
        desk._watch(None)  # so that the watch begins anew, with ours
        desk._watch(desk._plan.watch)

    def _replace(self, owner, name, value):
        own = name in vars(owner)
        before = vars(owner).get(name)
        setattr(owner, name, value)
        self._undo.append(lambda: setattr(owner, name, before) if own else delattr(owner, name))

    def end(self):
        self.heart.stop()
        plugin().host._pen.went_up.disconnect(self._up)
        for undo in reversed(self._undo):
            undo()

    def _up(self):
        self.ups.append(time.perf_counter())

    def _told(self, seen):
        def told(captured):
            self.seen.append((time.perf_counter(), bytes(captured.image.pixels)))
            seen(captured)

        return told

    def _showing(self, show):
        def showing(live, pictures):
            number = show(live, pictures)
            self._sent(live, number)
            return number

        return showing

    def _changing(self, change):
        def changing(live, request):
            number = change(live, request)
            self._sent(live, number)
            return number

        return changing

    def _sent(self, live, number):
        canvas = live._session._canvases.get(live._request.canvas)
        if canvas is not None:
            self.sent.append((time.perf_counter(), number, bytes(canvas._pixels)))

    def _hearing(self, hear):
        def hearing(live, message):
            if isinstance(message, client.LivePreview):
                self.heard.append((time.perf_counter(), message))
            hear(live, message)

        return hearing

    def _painting(self, paint):
        def painting(stage, event):
            paint(stage, event)
            self.shown.append((time.perf_counter(), plugin().studio.view.live.version))

        return painting


LOGS = []


def begin():
    """Live must be on."""
    LOGS.append(Log())
    yield from until(lambda: LOGS[-1].seen)
    return True


def forget_gaps():
    LOGS[-1].heart.reset()
    return True


def end():
    """The longest time the UI thread did not turn, ms."""
    log = LOGS.pop()
    log.end()
    return 1000 * log.heart.longest


def lifted(count):
    """After stroke number `count`: waits until Krita has come to rest and its preview is in the docker.

    Returns the stages in ms, and what was compared: the document's projection now with the picture that was
    sent with the number which the preview shows."""
    log = LOGS[-1]
    yield from until(lambda: len(log.ups) >= count)
    up = log.ups[count - 1]
    yield from until(_rests)
    final = _projection()
    yield from until(lambda: log.sent and log.sent[-1][2] == final)
    number = next(number for _, number, pixels in log.sent if pixels == final and _ > up - 5)
    first = min(at for at, one, pixels in log.sent if pixels == final and one >= number and at >= up - 0.1)
    number = next(one for at, one, _ in log.sent if at == first)
    seen = max([at for at, pixels in log.seen if pixels == final and at <= first], default=first)
    yield from until(lambda: any(message.input >= number for _, message in log.heard))
    heard, message = next((at, one) for at, one in log.heard if one.input >= number)
    yield from until(lambda: any(at >= heard and version >= number for at, version in log.shown))
    shown = next(at for at, version in log.shown if at >= heard and version >= number)
    pixels = next(pixels for _, one, pixels in log.sent if one == message.input)
    stages = {
        "seen": seen - up,
        "sent": first - seen,
        "server and wire": heard - first,
        "shown": shown - heard,
        "whole": shown - up,
    }
    return {
        "same": pixels == final,
        "number": number,
        "input": message.input,
        "wasted": message.wasted_steps,
        "server": dict(message.stages),
        "stages": {name: 1000 * value for name, value in stages.items()},
        "pictures": sum(1 for at, _ in log.seen),
        "previews": len(log.heard),
    }


def _rests():
    here = document()
    if not here.tryBarrierLock():
        return False
    here.unlock()
    return True


def _projection():
    """What the watch should have seen: the document as it is now, scaled in the same bands."""
    from impasto.host.pixels import Buffer, fitted_rows
    from impasto.host.watch import _bands
    from impasto_protocol.rasters import PixelFormat

    watch = plugin().studio._live._plan.watch
    buffer = Buffer(Box(0, 0, watch.width, watch.height), PixelFormat.RGBA8)
    for source, target in _bands(Watch("", watch.box, watch.width, watch.height)):
        image = document().projection(*source)
        rows, kept = fitted_rows(image, target.width, target.height, PixelFormat.RGBA8)
        buffer.put(target, rows)
        del kept
    return bytes(buffer.picture().pixels)


def rest(seconds):
    """Nothing is done for a while; how many pictures were told, and the processor's share of this program."""
    log = LOGS[-1]
    before, spent = len(log.seen), time.process_time()
    yield from pause(seconds)
    return {"told": len(log.seen) - before, "share": (time.process_time() - spent) / seconds}
