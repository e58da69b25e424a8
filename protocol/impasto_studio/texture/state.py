"""What the artist has said and what is selected, and the one way to say that it changed. On the UI thread."""

from typing import Callable, Optional

from impasto_studio.texture.host import TextureHost, TextureScene
from impasto_studio.texture.intent import AS_IT_STARTS, TextureIntent
from impasto_studio.texture.settings import load_intent, save_intent

__all__ = ["State"]

INTENT = "impasto-texture-intent"


class State:
    """`changed` is called after every change."""

    def __init__(self, host: TextureHost, changed: Callable[[], None]) -> None:
        self.scene: Optional[TextureScene] = None
        self.intent: TextureIntent = AS_IT_STARTS
        self.notice = ""
        self.changed = changed
        self._host = host
        self._unsaved = False  # the intent

    @property
    def document(self) -> str:
        """Id of the file; empty: there is none."""
        return self.scene.document if self.scene is not None else ""

    def load(self) -> None:
        self.intent = load_intent(self._host.load_setting(INTENT))
        self.changed()

    def save(self) -> None:
        """Not at every key: the intent changes with each."""
        if self._unsaved:
            self._unsaved = False
            self._host.save_setting(INTENT, save_intent(self.intent))

    def look(self) -> None:
        """Notices what the host does not tell. Cheap."""
        scene = self._host.texture_scene()
        if scene != self.scene:
            self.scene = scene
            self.changed()

    def say(self, sentence: str) -> None:
        self.notice = sentence
        self.changed()

    def change(self, intent: TextureIntent) -> None:
        if intent != self.intent:
            self.intent, self._unsaved = intent, True
            self.changed()
