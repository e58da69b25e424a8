"""All texts the artist reads, collected for translators: `python tools/krita_texts.py` writes the template
and says what each translation lacks.

A text is the first argument of a call of `tr`. It has to stand there itself, since nothing is run.
"""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

ROOT = Path(__file__).parents[1]
SOURCES = (ROOT / "krita_plugin" / "impasto", ROOT / "protocol" / "impasto_studio")
TRANSLATIONS = ROOT / "krita_plugin" / "impasto" / "translations"
TEMPLATE = TRANSLATIONS / "template.json"
LEFT_OUT = {"vendor", "texture", "frames.py"}  # of others, and what Krita has no use for


class NotReadable(Exception):
    """A text that cannot be collected; says where."""


def texts_of(source: str, where: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "tr":
            text = node.args[0] if node.args else None
            if not isinstance(text, ast.Constant) or not isinstance(text.value, str):
                raise NotReadable(f"{where}:{node.lineno}: tr() needs its text as a literal")
            yield text.value


def all_texts() -> list[str]:
    """Sorted, each once."""
    found: set[str] = set()
    for folder in SOURCES:
        for path in sorted(folder.rglob("*.py")):
            if not LEFT_OUT & set(path.relative_to(folder).parts):
                found.update(texts_of(path.read_text("utf-8"), str(path.relative_to(ROOT))))
    return sorted(found)


def template() -> str:
    """English → nothing yet."""
    return json.dumps(dict.fromkeys(all_texts(), ""), ensure_ascii=False, indent=1) + "\n"


def names(text: str) -> set[str]:
    """The values a text wants: {n}, {seed}."""
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def faults(translation: dict[str, str]) -> list[str]:
    """What a translation lacks, has too much, or gets wrong; one line each."""
    texts = all_texts()
    said = [f"lacks: {text}" for text in texts if not translation.get(text)]
    said += [f"no longer there: {text}" for text in translation if text not in texts]
    said += [
        f"other values: {text}"
        for text, translated in translation.items()
        if translated and names(translated) != names(text)
    ]
    return said


def main() -> int:
    TEMPLATE.write_text(template(), "utf-8")
    wrong = False
    for path in sorted(TRANSLATIONS.glob("*.json")):
        if path != TEMPLATE:
            for fault in faults(json.loads(path.read_text("utf-8"))):
                print(f"{path.name}: {fault}")
                wrong = True
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
