"""A test's hand inside Blender: `python probe.py -- SOCKET ZIP`, run by the Python that has `bpy`, or by
`blender --python`.

Installs the zip as an artist would, then answers one request per line, `{"function": "module.name",
"arguments": {…}}`, with one line, `{"value": …}` or `{"error": traceback}`. Between, and while a function is
a generator that yields, the add-on gets its turns: without a window from here, since timers do not run then.
"""

import importlib
import inspect
import json
import os
import select
import signal
import socket
import sys
import time
import traceback

import bpy

TURN_S = 0.004
EXTENSIONS = bpy.app.version >= (4, 2, 0)
PACKAGE = "bl_ext.user_default.impasto" if EXTENSIONS else "impasto"


def install(path):
    if EXTENSIONS:
        bpy.ops.extensions.package_install_files(filepath=path, repo="user_default", enable_on_install=True)
    else:
        bpy.ops.preferences.addon_install(filepath=path)
        bpy.ops.preferences.addon_enable(module=PACKAGE)
    assert PACKAGE in bpy.context.preferences.addons, "it is not switched on"


def turn():
    plugin = sys.modules.get(f"{PACKAGE}.plugin")
    it = plugin.impasto() if plugin is not None else None
    if it is not None:
        it.pump()


class Hand:
    def __init__(self, connection):
        self._connection = connection
        self._lines = connection.makefile("rb")
        self._steps = None
        self._condition = None

    def go_on(self):
        """Answers what has been asked, or does the next step of it. False: it is over."""
        if self._steps is None and not select.select([self._connection], [], [], 0)[0]:
            return True
        try:
            if self._steps is None:
                line = self._lines.readline()
                request = json.loads(line) if line else {"quit": True}
                if "quit" in request:
                    return False
                module, _, name = request["function"].rpartition(".")
                value = getattr(importlib.import_module(module), name)(**request["arguments"])
                if inspect.isgenerator(value):
                    self._steps = value
                else:
                    self.answer({"value": value})
            elif self._condition is None or self._condition():
                self._condition = next(self._steps)
        except StopIteration as end:
            self.answer({"value": end.value})
        except BaseException:  # noqa: BLE001  whatever it is belongs to the test that asked
            self.answer({"error": traceback.format_exc()})
        return True

    def answer(self, answer):
        self._steps = self._condition = None
        self._connection.sendall(json.dumps(answer).encode() + b"\n")


def leave():
    """As Blender ends: add-ons are switched off first."""
    import addon_utils

    addon_utils.disable_all()
    sys.stdout.flush()
    os._exit(0)  # the end of the bpy module itself takes seconds, and crashes in some versions


def main():
    signal.alarm(int(float(os.environ["IMPASTO_PROBE_LIFE_S"])))
    sys.path[:0] = os.environ["IMPASTO_PROBE_PATH"].split(os.pathsep)
    number, path = sys.argv[sys.argv.index("--") + 1 :]
    hand = Hand(socket.socket(fileno=int(number)))
    try:
        if path:
            install(path)
    except BaseException:  # noqa: BLE001  the same
        hand.answer({"error": traceback.format_exc()})
        os._exit(1)
    hand.answer({"value": None})
    if bpy.app.background:
        while hand.go_on():
            turn()
            time.sleep(TURN_S)
        leave()
    bpy.app.timers.register(lambda: TURN_S if hand.go_on() else leave(), persistent=True)


if __name__ == "__main__":
    main()
