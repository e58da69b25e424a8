"""All texts of the Blender add-on, collected for translators: `python -m tools.blender_texts` writes the
template and says what each translation lacks.

Beside the calls of `tr`, as in Krita's plugin, Blender itself shows names and descriptions of fields, panels
and operators; it looks them up in the same files.
"""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterator

from tools.krita_texts import ROOT, names, texts_of

ADDON = ROOT / "blender_addon" / "impasto"
SOURCES = (ADDON, ROOT / "protocol" / "impasto_studio")
TRANSLATIONS = ADDON / "translations"
TEMPLATE = TRANSLATIONS / "template.json"
SHOWN = ("bl_label", "bl_description")  # of classes
NAMED = ("name", "description")  # of properties
MAKERS = ("text", "factor", "number", "follow", "follow_strength")  # of properties; see panel/properties.py


def shown_texts(source: str) -> Iterator[str]:
    """What Blender shows of classes and properties."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef):
            yield from _of_class(node)
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called.startswith("bpy.props."):
                yield from (_text(word.value) for word in node.keywords if word.arg in NAMED)
            elif called in MAKERS:
                yield from (
                    text for text in map(_text, node.args) if not text.isidentifier() or text[:1].isupper()
                )


def _of_class(node: ast.ClassDef) -> Iterator[str]:
    labels = {
        ast.unparse(one.targets[0]): _text(one.value) for one in node.body if isinstance(one, ast.Assign)
    }
    yield from (text for name, text in labels.items() if name in SHOWN)
    if "bl_idname" in labels and "bl_label" in labels:
        yield ast.get_docstring(node) or ""  # an operator's description


def _text(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def all_texts() -> list[str]:
    """Sorted, each once."""
    found: set[str] = set()
    for folder in SOURCES:
        for path in sorted(folder.rglob("*.py")):
            if "vendor" not in path.relative_to(folder).parts:
                source = path.read_text("utf-8")
                found.update(texts_of(source, str(path.relative_to(ROOT))))
                if folder == ADDON:
                    found.update(shown_texts(source))
    return sorted(found - {""})


def template() -> str:
    """English → nothing yet."""
    return json.dumps(dict.fromkeys(all_texts(), ""), ensure_ascii=False, indent=1) + "\n"


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
