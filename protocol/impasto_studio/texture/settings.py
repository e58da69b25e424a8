"""What the texture panel said last, kept as JSON by the host."""

from dataclasses import replace

from impasto_protocol.messages import TEXTURE_ORDERS

from impasto_studio.texture.intent import AS_IT_STARTS, SOURCES, UNWRAPS, TextureIntent
from impasto_studio.tolerant import from_json, to_json

__all__ = ["LARGEST_TEXTURE_PX", "load_intent", "save_intent", "sound"]

SMALLEST_TEXTURE_PX, LARGEST_TEXTURE_PX = 64, 8192
_LARGEST_VIEW_PX = 2048
_MOST_AROUND = 64


def load_intent(text: str) -> TextureIntent:
    return sound(from_json(TextureIntent, text, AS_IT_STARTS))


def save_intent(intent: TextureIntent) -> str:
    """Without the seed: a lock that outlives the session is forgotten, and then everything looks alike."""
    return to_json(replace(intent, seed=-1))


def sound(intent: TextureIntent) -> TextureIntent:
    """The intent with every value in its range: settings and notes may be of another version."""
    start = AS_IT_STARTS
    return replace(
        intent,
        source=intent.source if intent.source in SOURCES else start.source,
        order=intent.order if intent.order in TEXTURE_ORDERS else start.order,
        unwrap=intent.unwrap if intent.unwrap in UNWRAPS else start.unwrap,
        around=_within(intent.around, 1, _MOST_AROUND),
        texture_px=_within(intent.texture_px, SMALLEST_TEXTURE_PX, LARGEST_TEXTURE_PX),
        view_px=_within(intent.view_px, 0, _LARGEST_VIEW_PX),
        steps=max(0, intent.steps),
        guidance=max(-1.0, intent.guidance),
        seed=max(-1, intent.seed),
        depth=max(0.0, min(intent.depth, 2.0)),
        strength=max(0.0, min(intent.strength, 1.0)),
    )


def _within(value: int, low: int, high: int) -> int:
    return max(low, min(value, high))
