"""The artist's language, as Blender has it: for our own texts, and for those that Blender shows for us."""

import json
from pathlib import Path

import bpy
from impasto_studio import texts

__all__ = ["follow_language", "register", "unregister"]

TRANSLATIONS = Path(__file__).parent / "translations"
NAME = __package__ or ""
CONTEXTS = ("*", "Operator")

_used = ""


def register() -> None:
    """Names and descriptions of fields, panels and operators: Blender translates those itself."""
    whole = {}
    for path in TRANSLATIONS.glob("??.json"):
        words = {english: text for english, text in json.loads(path.read_text("utf-8")).items() if text}
        for locale in _locales(path.stem):
            whole[locale] = {
                (context, english): text for english, text in words.items() for context in CONTEXTS
            }
    if whole:
        bpy.app.translations.register(NAME, whole)


def unregister() -> None:
    bpy.app.translations.unregister(NAME)


def follow_language() -> None:
    """Our own texts in the language that Blender has now. Cheap."""
    global _used
    locale = bpy.app.translations.locale or "en"
    if not bpy.context.preferences.view.use_translate_interface:
        locale = "en"
    if locale != _used:
        _used = locale
        path = TRANSLATIONS / f"{locale.split('_')[0]}.json"
        if path.exists():
            texts.load(path)
        else:
            texts.use({})


def _locales(language: str) -> tuple[str, ...]:
    """Blender's own names of it."""
    there = [name for name in bpy.app.translations.locales if name.split("_")[0] == language]
    return tuple(there) or (language,)
