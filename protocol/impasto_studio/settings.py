"""What the artist has set once, and what the panel said last: kept as JSON by the host."""

from dataclasses import dataclass, replace
from typing import Tuple

from impasto_studio.intent import ACTIONS, AS_IT_STARTS, INSERTS, MODES, ControlRow, Intent, LoraRow, Margins
from impasto_studio.styles import Style
from impasto_studio.tolerant import from_json, to_json

__all__ = [
    "AS_DELIVERED",
    "Settings",
    "load_intent",
    "load_settings",
    "save_intent",
    "save_settings",
    "sound",
]

_MOST_TAKES = 16
_WIDEST_MARGIN_PX = 16_384
_LARGEST_SCALE = 8.0


@dataclass(frozen=True)
class Settings:
    """All of the settings page."""

    previews: bool = True  # shown over the canvas; False: in the panel only
    bar: bool = True  # at the selection, while the panel is folded or hidden
    start_server: bool = False  # without being asked, when the host starts and none is running
    keep_prompts: bool = True  # in the prompt history
    styles: Tuple[Style, ...] = ()  # the artist's own


AS_DELIVERED = Settings()


def load_settings(text: str) -> Settings:
    settings = from_json(Settings, text, AS_DELIVERED)
    return replace(settings, styles=tuple(style for style in settings.styles if style.name.strip()))


def save_settings(settings: Settings) -> str:
    return to_json(settings)


def load_intent(text: str) -> Intent:
    return sound(from_json(Intent, text, AS_IT_STARTS))


def save_intent(intent: Intent) -> str:
    """Without the seed: a lock that outlives the session is forgotten, and then everything looks alike."""
    return to_json(replace(intent, seed=-1))


def sound(intent: Intent) -> Intent:
    """The intent with every value in its range: settings and notes may be of another version."""
    return replace(
        intent,
        mode=intent.mode if intent.mode in MODES else AS_IT_STARTS.mode,
        action=intent.action if intent.action in ACTIONS else AS_IT_STARTS.action,
        insert=intent.insert if intent.insert in INSERTS else AS_IT_STARTS.insert,
        fill_strength=_within(intent.fill_strength, 0.0, 1.0),
        refine_strength=_within(intent.refine_strength, 0.0, 1.0),
        upscale_strength=_within(intent.upscale_strength, 0.0, 1.0),
        live_strength=_within(intent.live_strength, 0.0, 1.0),
        live_seed=max(0, intent.live_seed),
        live_steps=max(0, intent.live_steps),
        live_px=max(0, intent.live_px),
        scale=_within(intent.scale, 1.0, _LARGEST_SCALE),
        margins=Margins(*(max(0, min(side, _WIDEST_MARGIN_PX)) for side in intent.margins)),
        steps=max(0, intent.steps),
        guidance=max(-1.0, intent.guidance),
        seed=max(-1, intent.seed),
        takes=max(1, min(intent.takes, _MOST_TAKES)),
        controls=tuple(map(_sound_control, intent.controls)),
        loras=tuple(LoraRow(row.name, _within(row.strength, -4.0, 4.0)) for row in intent.loras),
    )


def _sound_control(row: ControlRow) -> ControlRow:
    start, end = _within(row.start, 0.0, 1.0), _within(row.end, 0.0, 1.0)
    return replace(row, strength=_within(row.strength, 0.0, 2.0), start=start, end=end)


def _within(value: float, low: float, high: float) -> float:
    return max(low, min(value, high))
