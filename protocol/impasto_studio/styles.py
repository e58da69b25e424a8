"""Named presets: what goes around the artist's prompt, and which model paints it."""

from dataclasses import dataclass, replace
from typing import Dict, Iterable, Optional, Tuple

from impasto_protocol.messages import ModelInfo

from impasto_studio.intent import Intent, LoraRow

__all__ = ["BUILT_IN", "Style", "by_name", "styled"]


@dataclass(frozen=True)
class Style:
    """Zeros, negative numbers and empty texts leave the choice to the artist's panel, then to the model."""

    name: str
    prompt: str = "{prompt}"  # without {prompt}, it follows the artist's words after a comma
    negative: str = ""
    model: str = ""
    loras: Tuple[LoraRow, ...] = ()
    steps: int = 0
    guidance: float = -1.0


BUILT_IN = (
    Style("Quick", steps=8),
    Style("Pencil", loras=(LoraRow("pencil"),)),
    Style("Photograph", "photograph of {prompt}, natural light, sharp focus", "painting, drawing, text"),
    Style("Painting", "painting of {prompt}, visible brush strokes", "photograph, text"),
    Style("Line drawing", "line drawing of {prompt}, clean black lines on white", "photograph, shading"),
)


def by_name(own: Iterable[Style]) -> Dict[str, Style]:
    """All styles, the artist's own after the built-in ones and in place of those with the same name."""
    return {style.name: style for style in (*BUILT_IN, *own)}


def styled(intent: Intent, style: Optional[Style], model: Optional[ModelInfo]) -> Intent:
    """The intent as the style has it; what the panel says explicitly stays.

    LoRAs that do not fit the model are left out: a style serves many models.
    """
    if style is None:
        return intent
    named = {row.name for row in intent.loras}
    fitting = model.loras if model is not None else ()
    loras = tuple(row for row in style.loras if row.name not in named and row.name in fitting)
    return replace(
        intent,
        prompt=_filled(style.prompt, intent.prompt),
        negative=", ".join(text for text in (intent.negative.strip(), style.negative) if text),
        loras=intent.loras + loras,
        steps=intent.steps or style.steps,
        guidance=intent.guidance if intent.guidance >= 0 else style.guidance,
    )


def _filled(template: str, prompt: str) -> str:
    """An empty prompt stays empty: where one is needed, the artist shall be asked for it."""
    if not prompt.strip():
        return ""
    if "{prompt}" not in template:
        return f"{prompt}, {template}" if template.strip() else prompt
    return template.replace("{prompt}", prompt.strip())
