"""How long Impasto takes inside Krita, and for how long it keeps Krita's own loop from turning."""

import os
import time

from artist import SRGB, document, plugin
from krita import Krita
from PyQt5 import QtCore
from session import pause, until


class Heart:
    """Beats every millisecond, and remembers the longest time between two beats."""

    def __init__(self):
        self._timer = QtCore.QTimer()
        self._timer.setTimerType(QtCore.Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._beat)
        self.reset()
        self._timer.start(1)

    def reset(self):
        self._last, self.longest = time.perf_counter(), 0.0

    def _beat(self):
        now = time.perf_counter()
        self.longest = max(self.longest, now - self._last)
        self._last = now

    def stop(self):
        self._timer.stop()


class Slices:
    """The longest piece of Impasto's own work on the UI thread: slices, and the studio's answers to news."""

    def __init__(self, host):
        self.longest = 0.0
        self._host, self._work, self._call = host, host._slices._go_on, host._call

    def __enter__(self):
        self._host._slices._go_on = self._timed(self._work)
        self._host._call = self._timed(self._call)
        return self

    def __exit__(self, *_):
        del self._host._slices._go_on
        del self._host._call

    def _timed(self, do):
        def timed(*words):
            start = time.perf_counter()
            do(*words)
            self.longest = max(self.longest, time.perf_counter() - start)

        return timed


def round_trips(side, turns):
    """Stroke, capture, wire, server, take, layer; stages in ms, one list entry a turn."""
    made = Krita.instance().createDocument(side, side, "bench", "RGBA", "U8", "", 72.0)
    Krita.instance().activeWindow().addView(made)
    yield from pause(1.0)
    studio, host = plugin().studio, plugin().host
    yield from until(lambda: studio.view.link.state == "ready" and studio.view.document)
    canvas = document()
    layer = canvas.createNode("strokes", "paintlayer")
    layer.setColorSpace("RGBA", "U8", SRGB["U8"])
    canvas.rootNode().addChildNode(layer, None)
    tell_change(studio)
    yield from pause(0.5)
    results = []
    heart = Heart()
    for turn in range(turns):
        x, y = (turn * 211) % (side - 128), (turn * 157) % (side - 128)
        layer.setPixelData(os.urandom(128 * 128 * 4), x, y, 128, 128)
        canvas.refreshProjection()
        canvas.waitForDone()
        studio.poll()
        yield from until(lambda: studio.view.can_start)
        yield from pause(0.2)
        marks = {}
        capture, insert = host.capture, host.insert
        host.capture = marked(capture, marks, "capture")
        host.insert = marked(insert, marks, "insert")
        heart.reset()
        with Slices(host) as slices:
            start = time.perf_counter()
            studio.start()
            yield from until(lambda: bool(studio.view.takes))
            taken = time.perf_counter()
            studio.apply()
            yield from until(lambda marks=marks: "insert end" in marks)
            inserted = time.perf_counter()
            canvas.waitForDone()
            refreshed = time.perf_counter()
        del host.capture
        del host.insert
        results.append(
            {
                "capture": marks["capture end"] - start,
                "wire and server": taken - marks["capture end"],
                "fetch": marks["insert start"] - taken,
                "insert": inserted - marks["insert start"],
                "refresh": refreshed - inserted,
                "whole": refreshed - start,
                "longest own slice": slices.longest,
                "longest gap of the loop": heart.longest,
            }
        )
        studio.put_away()
        Krita.instance().action("edit_undo").trigger()
        canvas.waitForDone()
        yield from pause(0.2)
    heart.stop()
    canvas.setModified(False)
    canvas.close()
    yield from pause(0.3)
    return [{name: 1000 * value for name, value in one.items()} for one in results]


def tell_change(studio):
    import dataclasses

    intent = studio.view.intent
    studio.change(dataclasses.replace(intent, mode="refine", prompt="again", refine_strength=0.5, takes=1))


def marked(do, marks, name):
    def watched(what, done, failed):
        def ended(value):
            marks[name + " end"] = time.perf_counter()
            done(value)

        marks[name + " start"] = time.perf_counter()
        do(what, ended, failed)

    return watched


def idle(seconds):
    """Processor seconds of the whole program, and of Impasto's poll alone, while nothing happens."""
    spent = [0.0, 0]
    it = plugin()
    poll = it.studio.poll

    def watched():
        start = time.thread_time()
        poll()
        spent[0] += time.thread_time() - start
        spent[1] += 1

    it.studio.poll = watched
    before = time.process_time()
    yield from pause(seconds)
    whole = time.process_time() - before
    del it.studio.poll
    return {"program": whole / seconds, "polls": spent[0] / seconds, "number": spent[1]}
