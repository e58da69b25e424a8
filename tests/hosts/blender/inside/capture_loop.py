"""The main thread's turns."""

from typing import Any

from under_test import addon

__all__ = ["turns"]


def turns() -> dict[str, Any]:
    """Work in slices takes turns, rests, fails with a sentence, and can be given up, also by itself."""
    module = addon("host.loop")
    now_s = 0.0
    loop = module.Loop(lambda: now_s)
    told: list[Any] = []

    def work(name: str, pieces: int, rest_s: float | None = None) -> Any:
        nonlocal now_s
        try:
            for piece in range(pieces):
                told.append(f"{name}{piece}")
                now_s += 0.005
                yield rest_s
        finally:
            told.append(f"{name} ends")
        return name

    def refused() -> Any:
        yield
        raise module.Trouble("Do this.")

    def broken() -> Any:
        yield
        raise ZeroDivisionError

    def gives_itself_up() -> Any:
        try:
            yield
            loop.stop_one(own)
            yield
            told.append("never")
        finally:
            told.append("given up")

    def turn(by_s: float = 0.0) -> list[Any]:
        nonlocal now_s
        now_s += by_s
        told.clear()
        loop.pump()
        return list(told)

    found: dict[str, Any] = {}
    loop.run(work("a", 4), told.append, told.append)
    loop.run(work("b", 2, 1.0), told.append, told.append)
    found["first turn"] = turn()
    found["second turn"] = turn()
    found["rests"] = [turn(), loop.busy]
    found["after its rest"] = turn(1.0)
    found["its end"] = turn(1.0)
    loop.run(refused(), told.append, lambda sentence: told.append(["failed", sentence]))
    found["refused"] = turn()
    loop.run(broken(), told.append, told.append)
    try:
        turn()
        found["broken"] = "not told"
    except ZeroDivisionError:
        found["broken"] = loop.busy
    own = gives_itself_up()
    loop.run(own, told.append, told.append)
    found["given up"] = turn()
    other = work("c", 9)
    loop.run(other, told.append, told.append)
    turn()
    told.clear()
    loop.stop_one(other)
    found["stopped"] = [list(told), turn()]
    loop.run(work("d", 9), told.append, told.append)
    turn()
    told.clear()
    loop.call_soon(lambda: told.append("soon"))
    loop.stop()
    found["all stopped"] = [list(told), turn()]
    return found
