"""A recorder of commands, preferences in memory, and views as the artist meets them. No Qt, no server."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from impasto_protocol.messages import ModelInfo
from impasto_protocol.rasters import PixelFormat
from impasto_studio.commands import Commands
from impasto_studio.geometry import Box
from impasto_studio.host import LayerEntry, Picture
from impasto_studio.intent import ControlRow, Intent, LoraRow, Margins
from impasto_studio.settings import Settings
from impasto_studio.styles import Style
from impasto_studio.view import JobView, LinkView, LiveView, TakeView, View

COMMANDS = frozenset(name for name in vars(Commands) if not name.startswith("_")) - {"change"}


class FakeStudio:
    """Writes down what it is told; `change` comes back in the next view, as with the real one."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.intents: list[Intent] = []
        self.kept: dict[str, str] = {}

    def __getattr__(self, name: str) -> Any:
        if name not in COMMANDS:
            raise AttributeError(name)
        return lambda *values: self.told.append((name, *values))

    def change(self, intent: Intent) -> None:
        self.intents.append(intent)

    def took(self) -> list[tuple[Any, ...]]:
        """What was told since the last time."""
        told, self.told = self.told, []
        return told

    def save_setting(self, key: str, text: str) -> None:
        self.kept[key] = text

    def load_setting(self, key: str) -> str:
        return self.kept.get(key, "")


def landscape(seed: int, width: int = 192, height: int = 144) -> Picture:
    """Sky, sun and hills, different for each seed. RGBA8."""
    hue = (seed * 0.61803) % 1.0
    sky = _colour(hue)
    hill = _colour((hue + 0.35) % 1.0)
    sun_x, sun_y = width * (0.2 + 0.6 * ((seed * 0.37) % 1)), height * 0.3
    pixels = bytearray()
    for y in range(height):
        for x in range(width):
            horizon = height * (0.62 + 0.1 * math.sin(x / width * 7 + seed) + 0.04 * math.sin(x / 9 + seed))
            if y > horizon:
                shade = 0.55 + 0.4 * (y - horizon) / height
                colour = [round(part * shade) for part in hill]
            elif (x - sun_x) ** 2 + (y - sun_y) ** 2 < (height * 0.12) ** 2:
                colour = [250, 236, 190]
            else:
                light = 0.55 + 0.45 * y / height
                colour = [round(min(255, part * light + 70 * light)) for part in sky]
            pixels += bytes((*colour, 255))
    return Picture(width, height, PixelFormat.RGBA8, bytes(pixels))


def _colour(hue: float) -> tuple[int, int, int]:
    parts = [0.5 + 0.4 * math.cos(2 * math.pi * (hue + third / 3)) for third in range(3)]
    return tuple(round(255 * part * 0.75 + 20) for part in parts)  # type: ignore[return-value]


POCKET = ModelInfo(
    model="pocket",
    title="Pocket",
    family="pocket",
    native_px=256,
    default_steps=20,
    default_guidance=4.0,
    capabilities=("text", "image", "mask", "control", "lora"),
    controls=("scribble", "edges", "depth"),
    loras=("pencil", "watercolour"),
)
OTHER = replace(POCKET, model="dreamy", title="Dreamshaper 8 – inpainting, pruned", native_px=512)
LAYERS = (LayerEntry("a", "Sketch"), LayerEntry("b", "Colours, first pass"), LayerEntry("c", "Background"))
PROMPT = "a lighthouse on a cliff above the sea, evening light, gulls"


def takes(count: int, job: str = "run", start: int = 4200, **more: Any) -> tuple[TakeView, ...]:
    few = [landscape(start + n) for n in range(min(count, 24))]
    return tuple(
        TakeView(
            job=f"{job}{n // 3}" if count > 8 else job,
            index=n % 3 if count > 8 else n,
            box=Box(0, 0, 512, 384),
            prompt=PROMPT if n % 4 else "a red barn in a field",
            seed=start + n,
            mode="generate",
            created_s=1_795_000_000 - 60 * n,
            favourite=n % 7 == 2,
            applied=n % 9 == 4,
            thumbnail=few[n % len(few)],
            **more,
        )
        for n in range(count)
    )


EMPTY = View(
    link=LinkView("ready", "Ready"),
    document=True,
    layers=LAYERS,
    intent=Intent(),
    models=(POCKET, OTHER),
    model=POCKET,
    styles=("Quick", "Pencil", "Photograph", "Gouache"),
    steps=20,
    start="Generate",
    can_start=False,
    why_not="Write what to paint.",
    map_kinds=("scribble", "edges"),
    prompts=("a red barn in a field", "an old harbour at dawn", PROMPT),
    settings=Settings(styles=(Style("Gouache", "gouache painting of {prompt}", "photo"),)),
)
TYPED = replace(EMPTY, intent=Intent(prompt=PROMPT), can_start=True, why_not="")
LIVE_PAGE = replace(TYPED, steps=0)
LIVE = Intent(mode="live", prompt=PROMPT, live_seed=4202)
FOLLOWING = LiveView(True, "following", "", (320, 240), landscape(4202, 320, 240), 17)
RUNNING = JobView(
    "j1", PROMPT, "running", "Painting, step 7 of 20", 0.34, remaining_s=12.0, preview=landscape(77, 64, 48)
)
QUEUED = JobView("j2", "a red barn in a field", "queued", position=1)
FAILED = JobView(
    "j0",
    PROMPT,
    "failed",
    error="There is not enough graphics memory for this size. Make the selection smaller.",
)


def pages() -> dict[str, View]:
    """The panel's life, one view each."""
    three = takes(3)
    long = takes(200)
    fill = Intent(mode="fill", prompt=PROMPT)
    refine = Intent(mode="refine", prompt=PROMPT, negative="people, text", seed=4201)
    controls = (
        ControlRow("scribble", "a", 1.0),
        ControlRow("depth", "c", 0.6, 0.0, 0.5),
    )
    return {
        "searching": View(),
        "absent": replace(
            EMPTY,
            link=LinkView("absent", "Impasto's server is not running. Start it to paint.", can_start=True),
            models=(),
            model=None,
            steps=0,
            why_not="Start the server first.",
        ),
        "trouble": replace(
            EMPTY,
            link=LinkView(
                "trouble", "The server speaks a newer protocol. Update the plugin: impasto krita install"
            ),
            why_not="",
        ),
        "empty": EMPTY,
        "typed": TYPED,
        "fill": replace(
            TYPED,
            intent=fill,
            start="Fill",
            selection=Box(10, 10, 200, 200),
            notice="The layer “Sketch” was deleted.",
        ),
        "expand": replace(
            TYPED, intent=replace(fill, action="expand", margins=Margins(0, 256, 0, 128)), start="Expand"
        ),
        "refine": replace(TYPED, intent=refine, start="Refine", steps=10, history=long[:7]),
        "upscale": replace(TYPED, intent=Intent(mode="upscale"), start="Upscale", steps=6),
        "running": replace(TYPED, jobs=(RUNNING, QUEUED), history=long[3:24]),
        "failed": replace(TYPED, jobs=(FAILED, RUNNING), history=long[3:24]),
        "takes": replace(TYPED, takes=three, shown=1, history=(*three, *long[:20]), remembered=True),
        "applied": replace(TYPED, takes=three, shown=1, applied=True, history=(*three, *long[:20])),
        "large": replace(TYPED, takes=three, shown=2, on_canvas=False, history=three),
        "eight": replace(TYPED, takes=takes(8), shown=4),
        "history": replace(TYPED, history=long),
        "controls": replace(TYPED, intent=replace(refine, controls=controls), steps=10, history=long[:9]),
        "advanced": replace(
            TYPED,
            intent=replace(refine, steps=12, loras=(LoraRow("pencil", 0.8),), negative="people"),
            steps=6,
        ),
        "live-off": replace(LIVE_PAGE, intent=LIVE, start="Go live"),
        "live-waiting": replace(
            LIVE_PAGE,
            intent=LIVE,
            start="Pin to a layer",
            can_start=False,
            live=LiveView(True, "loading", "Loading the model …", (320, 240)),
        ),
        "live": replace(LIVE_PAGE, intent=LIVE, start="Pin to a layer", live=FOLLOWING, history=long[:9]),
        "live-refined": replace(
            LIVE_PAGE,
            intent=replace(LIVE, live_on_canvas=True),
            start="Pin to a layer",
            live=replace(FOLLOWING, current=True, refined=True),
        ),
        "live-recording": replace(
            LIVE_PAGE, intent=LIVE, start="Pin to a layer", live=replace(FOLLOWING, frames=128)
        ),
        "live-stopped": replace(
            LIVE_PAGE,
            intent=LIVE,
            start="Pin to a layer",
            live=replace(
                FOLLOWING, state="stopped", sentence="“Dreamshaper 8” cannot do this. Choose another model."
            ),
        ),
        "live-nothing": replace(
            EMPTY,
            document=False,
            intent=LIVE,
            start="Pin to a layer",
            live=LiveView(True, "stopped", "Open or create a document first."),
        ),
        "live-advanced": replace(
            TYPED, intent=replace(LIVE, live_steps=8), steps=5, start="Pin to a layer", live=FOLLOWING
        ),
    }
