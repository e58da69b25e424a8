"""Makes the golden frames of a protocol version: one `.bin` for each message, written once, kept for ever.

    python -m tests.golden.make

Writes what is missing and never overwrites: a frame that stands there was on somebody's wire.
"""

from __future__ import annotations

from pathlib import Path

from impasto_protocol.codec import encode
from impasto_protocol.messages import PROTOCOL_VERSION, Message

from tests.golden.v1.messages import MESSAGES

FOLDER = Path(__file__).parent / f"v{PROTOCOL_VERSION}"


def make(folder: Path, messages: dict[str, Message]) -> list[str]:
    """Writes the frames that are missing. Returns their names."""
    made = []
    for name, message in messages.items():
        path = folder / f"{name}.bin"
        if path.exists():
            continue
        with path.open("xb") as file:
            file.write(encode(message))
        made.append(path.name)
    return made


if __name__ == "__main__":
    print("\n".join(make(FOLDER, MESSAGES)) or "nothing to make: all frames are there")
