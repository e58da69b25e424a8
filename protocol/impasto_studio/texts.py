"""Everything the artist reads passes through `tr`, in English in the source.

A translation is a JSON object from the English text, as it stands in the source, to the artist's language.
What it lacks, or names values the English does not have, is shown in English.
"""

import json
from pathlib import Path
from typing import Dict, Mapping

__all__ = ["load", "tr", "use"]

_translated: Dict[str, str] = {}


def tr(text: str, **values: object) -> str:
    """The text in the artist's language, with `{name}` replaced by the values."""
    translated = _translated.get(text)
    if translated is not None:
        try:
            return translated.format(**values)
        except (KeyError, IndexError, ValueError, AttributeError):
            pass  # the translator's slip: the English is right
    return text.format(**values)


def use(translations: Mapping[str, str]) -> None:
    """From now on these; an empty mapping is English."""
    _translated.clear()
    _translated.update(translations)


def load(path: Path) -> bool:
    """Uses the translation in a file; False, and English, when it cannot be read as one."""
    use({})
    try:
        texts = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return False
    if not isinstance(texts, dict):
        return False
    use({english: text for english, text in texts.items() if isinstance(text, str) and text})
    return True
