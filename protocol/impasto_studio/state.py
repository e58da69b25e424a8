"""What the artist has said and what she sees, with the one way to say that it changed. On the UI thread."""

from dataclasses import replace
from typing import Callable, Dict, Optional, Tuple

from impasto_studio import prompts
from impasto_studio.host import Host, Scene
from impasto_studio.intent import AS_IT_STARTS, LIVE, Intent
from impasto_studio.settings import (
    AS_DELIVERED,
    Settings,
    load_intent,
    load_settings,
    save_intent,
    save_settings,
)
from impasto_studio.styles import Style, by_name

__all__ = ["State"]

INTENT, SETTINGS, PROMPTS = "impasto-intent", "impasto-settings", "impasto-prompts"


class State:
    """`changed` is called after every change."""

    def __init__(self, host: Host, changed: Callable[[], None]) -> None:
        self.scene: Optional[Scene] = None
        self.intent: Intent = AS_IT_STARTS
        self.settings: Settings = AS_DELIVERED
        self.prompts: Tuple[str, ...] = ()
        self.notice = ""
        self.live = False
        self.changed = changed
        self._host = host
        self._unsaved = False  # the intent

    @property
    def document(self) -> str:
        """Id of the active document; empty: there is none."""
        return self.scene.document if self.scene is not None else ""

    @property
    def styles(self) -> Dict[str, Style]:
        return by_name(self.settings.styles)

    def load(self) -> None:
        self.settings = load_settings(self._host.load_setting(SETTINGS))
        self.intent = load_intent(self._host.load_setting(INTENT))
        self.prompts = prompts.load_history(self._host.load_setting(PROMPTS))
        self.changed()

    def save(self) -> None:
        """Not at every key: the intent changes with each."""
        if self._unsaved:
            self._unsaved = False
            self._host.save_setting(INTENT, save_intent(self.intent))

    def look(self) -> None:
        """Notices what the host does not tell. Cheap."""
        scene = self._host.scene()
        if scene != self.scene:
            self.scene = scene
            self.changed()

    def say(self, sentence: str) -> None:
        self.notice = sentence
        self.changed()

    def change(self, intent: Intent) -> None:
        if intent != self.intent:
            self.intent, self._unsaved = intent, True
            self.changed()

    def change_settings(self, settings: Settings) -> None:
        self.settings = settings
        self._host.save_setting(SETTINGS, save_settings(settings))
        if not settings.keep_prompts:
            self._set_prompts(())
        self.changed()

    def set_live(self, on: bool) -> None:
        self.live = on
        if on:
            self.change(replace(self.intent, mode=LIVE))
        self.changed()

    def keep_prompt(self, prompt: str) -> None:
        if self.settings.keep_prompts:
            self._set_prompts(prompts.with_prompt(self.prompts, prompt))

    def _set_prompts(self, history: Tuple[str, ...]) -> None:
        if history != self.prompts:
            self.prompts = history
            self._host.save_setting(PROMPTS, prompts.save_history(history))
