"""Writes `docs/protocol.md` from the messages' own docstrings and fields: `python -m tools.protocol_page`.

The dataclasses in `impasto_protocol.messages` are the protocol; the page is their printed form, and a test
fails when it is out of date.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from pathlib import Path

from impasto_protocol import errors, messages

PAGE = Path(__file__).parent.parent / "docs" / "protocol.md"
_PARTS = ("Pixels", "SharedBytes", "CanvasRef", "InputRef", "GenerateRequest", "Control", "Lora", "Recipe")
_MORE_PARTS = ("LayerInfo", "ErrorInfo", "JobSummary", "ModelInfo", "Limits", "SharedOffer")
_TEXTURE_PARTS = ("TextureRequest", "TextureTarget", "TextureView", "Camera")
_LIVE_PARTS = ("LiveRequest", "LiveControl", "LiveTiles")


def page() -> str:
    """The whole page, Markdown."""
    introduction = inspect.cleandoc(messages.__doc__ or "")
    sections = [
        "# The protocol, version " + str(messages.PROTOCOL_VERSION),
        "<!-- Made by `python -m tools.protocol_page`; do not edit. -->",
        introduction,
        "One WebSocket at `ws://127.0.0.1:PORT/v1`, opened with the header `Authorization: Bearer TOKEN`; "
        "port and token are in `server.json` in Impasto's folder. The first frame is `hello`, within two "
        "seconds.",
        "## From the client",
        *[_entry(kind, tag) for tag, kind in messages.CLIENT_MESSAGES.items()],
        "## From the server",
        *[
            _entry(kind, tag)
            for tag, kind in messages.SERVER_MESSAGES.items()
            if kind is not messages.Release
        ],
        "## Parts",
        *[
            _entry(getattr(messages, name), name)
            for name in (*_PARTS, *_MORE_PARTS, *_TEXTURE_PARTS, *_LIVE_PARTS)
        ],
        "## Errors",
        "```\n" + _tree() + "\n```",
    ]
    return "\n\n".join(sections) + "\n"


def _entry(kind: type, title: str) -> str:
    words = [f"### `{title}`"]
    doc = kind.__doc__ or ""
    if not doc.startswith(f"{kind.__name__}("):  # what dataclasses write where nobody wrote anything
        words.append(inspect.cleandoc(doc))
    fields = dataclasses.fields(kind)  # type: ignore[arg-type]
    if fields:
        words.append(
            "\n".join(["| field | type | |", "|---|---|---|", *[_row(kind, field) for field in fields]])
        )
    return "\n\n".join(words)


def _row(kind: type, field: dataclasses.Field[object]) -> str:
    typed = field.type if isinstance(field.type, str) else getattr(field.type, "__name__", "")
    if not isinstance(field.type, type):
        typed = re.sub(r"(typing|impasto_protocol\.\w+)\.", "", str(field.type))
    return f"| `{field.name}` | {_cell(typed)} | {_cell(_comment(kind, field.name))} |"


def _comment(kind: type, name: str) -> str:
    """What the source says beside the field."""
    found = re.search(rf"^    {name}: [^#\n]*#(?! type:) *(.*)$", inspect.getsource(kind), re.MULTILINE)
    return found.group(1) if found else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _tree() -> str:
    lines = (errors.__doc__ or "").splitlines()
    return "\n".join(line[4:] for line in lines if line.startswith("    "))


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
    print(f"{PAGE.relative_to(PAGE.parent.parent)} written")
