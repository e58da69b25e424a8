"""What the panel itself keeps in the program's settings, and the language."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Dict, Protocol, Tuple

from impasto_studio import texts

__all__ = [
    "HOME",
    "LANGUAGE",
    "PanelState",
    "Store",
    "languages",
    "load_state",
    "save_state",
    "use_language",
]

STATE = "impasto-panel"
HOME = "impasto-home"  # the server's home folder; empty: the usual one
LANGUAGE = "impasto-language"  # of `translations/`; empty: the program's
TRANSLATIONS = Path(__file__).parents[1] / "translations"
TEMPLATE = "template"
ENGLISH = "en"


class Store(Protocol):
    """The part of `impasto_studio.host.Host` that keeps texts in the program's settings."""

    def save_setting(self, key: str, text: str) -> None: ...
    def load_setting(self, key: str) -> str: ...


@dataclass(frozen=True)
class PanelState:
    folded: bool = False  # to one line
    unfolded: Tuple[str, ...] = ("history",)  # sections that are open


def load_state(store: Store) -> PanelState:
    """As it was; as it starts when nothing, or nothing readable, was kept."""
    try:
        kept = json.loads(store.load_setting(STATE) or "{}")
        return PanelState(
            folded=bool(kept.get("folded", False)),
            unfolded=tuple(str(name) for name in kept.get("unfolded", PanelState.unfolded)),
        )
    except (ValueError, AttributeError, TypeError):
        return PanelState()


def save_state(store: Store, state: PanelState) -> None:
    store.save_setting(STATE, json.dumps(asdict(state)))


def languages() -> Dict[str, Path]:
    """Code → file of the translations there are."""
    return {path.stem: path for path in sorted(TRANSLATIONS.glob("*.json")) if path.stem != TEMPLATE}


def use_language(store: Store, locale: str) -> None:
    """Call once, before anything says a word. `locale`: the program's, as "de_AT"."""
    chosen = store.load_setting(LANGUAGE) or locale
    found = languages()
    path = found.get(chosen) or found.get(chosen.replace("-", "_").split("_")[0])
    if path is None:
        texts.use({})
    else:
        texts.load(path)
