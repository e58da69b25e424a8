"""What the artist has just typed, and what the view says about it a moment later."""

import time
from dataclasses import replace
from typing import Any, Callable, Dict, List

from impasto_studio.intent import Intent

__all__ = ["Draft"]

SETTLES_S = 2.0  # after this long without an edit, the view is right whatever it says


class Draft:
    """The intent as the panel's fields show it.

    A view can be older than the newest keystroke: it then repeats a value that a field had since its last
    settled one. Such echoes are recognised field by field and left out, so that typing is never undone; any
    other value is somebody else's decision (a take's settings, an action) and wins.
    """

    def __init__(self, intent: Intent, now: Callable[[], float] = time.monotonic) -> None:
        self.intent = intent
        self._now = now
        self._on_the_way: Dict[str, List[Any]] = {}  # field → the values it had since it was settled
        self._edited_s = 0.0

    def edit(self, **fields: Any) -> Intent:
        """The artist changed these fields."""
        self._edited_s = self._now()
        for name in fields:
            self._on_the_way.setdefault(name, []).append(getattr(self.intent, name))
        self.intent = replace(self.intent, **fields)
        return self.intent

    def settled(self) -> bool:
        """Whether the artist has not edited anything for a while."""
        return self._now() - self._edited_s > SETTLES_S

    def receive(self, intent: Intent) -> Intent:
        """A view's intent, with what the artist has typed since kept."""
        if intent == self.intent:
            self._on_the_way.clear()
            return intent
        late = self.settled()
        kept = {}
        for name, values in list(self._on_the_way.items()):
            mine, theirs = getattr(self.intent, name), getattr(intent, name)
            if mine == theirs or late or theirs not in values:
                del self._on_the_way[name]
            else:
                kept[name] = mine
        self.intent = replace(intent, **kept)
        return self.intent
