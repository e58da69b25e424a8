"""A test's hand inside Krita: runs functions of `tests/hosts/krita/inside` on the UI thread, over a Unix
socket.

One request per line, `{"function": "module.name", "arguments": {…}}`; one answer per line, `{"value": …}` or
`{"error": traceback}`. A function may be a generator, see `Steps`.
"""

import importlib
import inspect
import json
import os
import socket
import sys
import threading
import traceback

import krita

try:
    from PyQt5 import QtCore
except ImportError:
    from PyQt6 import QtCore


class Probe(QtCore.QObject):
    asked = QtCore.pyqtSignal(object, object)

    def __init__(self, address):
        super().__init__()
        self._address = address
        self.asked.connect(self._answer, QtCore.Qt.ConnectionType.QueuedConnection)
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(self._address)
            listening.listen()
            while True:
                connection, _ = listening.accept()
                with connection, connection.makefile("rb") as lines:
                    for line in lines:
                        self._ask(json.loads(line), connection)

    def _ask(self, request, connection):
        """One request at a time: the next is read when this one is answered."""
        answered = threading.Event()
        answer = []
        self.asked.emit(request, lambda reply: (answer.append(reply), answered.set()))
        answered.wait()
        connection.sendall(json.dumps(answer[0]).encode() + b"\n")

    def _answer(self, request, reply):
        try:
            module, _, name = request["function"].rpartition(".")
            value = getattr(importlib.import_module(module), name)(**request["arguments"])
        except BaseException:  # noqa: BLE001 – whatever it is belongs to the test that asked
            reply({"error": traceback.format_exc()})
            return
        if inspect.isgenerator(value):
            Steps(self, value, reply)
        else:
            reply({"value": value})


class Steps(QtCore.QObject):
    """Runs a generator over Krita's own event loop: it yields conditions and goes on when they hold.

    An event loop inside a slot would not do: Krita holds back what layers and views have to be told until the
    outermost one turns.
    """

    def __init__(self, parent, steps, reply):
        super().__init__(parent)
        self._steps, self._reply = steps, reply
        self._condition = None
        self._timer = QtCore.QTimer(self)
        self._timer.timeout.connect(self._go_on)
        self._timer.start(2)

    def _go_on(self):
        try:
            if self._condition is None or self._condition():
                self._condition = next(self._steps)
        except StopIteration as end:
            self._end({"value": end.value})
        except BaseException:  # noqa: BLE001 – the same
            self._end({"error": traceback.format_exc()})

    def _end(self, answer):
        self._timer.stop()
        self._reply(answer)
        self.deleteLater()


class Starter(krita.Extension):
    """Krita wants an extension to import a plugin; the probe begins to listen when there is a window."""

    def setup(self):
        self._probe = None
        notifier = krita.Krita.instance().notifier()
        notifier.setActive(True)
        notifier.windowCreated.connect(self._begin)

    def createActions(self, window):
        pass

    def _begin(self):
        if self._probe is None:
            self._probe = Probe(os.environ["IMPASTO_PROBE_SOCKET"])


if "IMPASTO_PROBE_SOCKET" in os.environ:
    sys.path[:0] = os.environ["IMPASTO_PROBE_PATH"].split(os.pathsep)
    krita.Krita.instance().addExtension(Starter(krita.Krita.instance()))
