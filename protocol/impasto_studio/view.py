"""What a panel shows: one frozen value, made anew by `Studio` whenever something changes. Texts in it are
translated."""

from dataclasses import dataclass
from typing import Optional, Tuple

from impasto_protocol.messages import ModelInfo

from impasto_studio.geometry import Box
from impasto_studio.host import LayerEntry, Picture
from impasto_studio.intent import AS_IT_STARTS, Intent
from impasto_studio.settings import AS_DELIVERED, Settings

__all__ = ["THUMBNAIL_PX", "JobView", "LinkView", "LiveView", "TakeView", "View"]

THUMBNAIL_PX = 192  # longest side of `TakeView.thumbnail`


@dataclass(frozen=True)
class LinkView:
    """The state line."""

    state: str = "searching"  # searching | absent | starting | connecting | ready | trouble
    sentence: str = ""  # what is the case and, if something is wrong, the one thing to do
    can_start: bool = False  # whether `Studio.start_server` may be offered


SEARCHING = LinkView()


@dataclass(frozen=True)
class JobView:
    """A job that is not finished, or failed and not yet dismissed."""

    job: str
    title: str  # the prompt, or the mode's name
    state: str  # capturing | sending | queued | running | failed
    stage: str = ""  # "Painting, step 3 of 20"
    done: float = 0.0  # 0 … 1 of the whole job, for a bar; negative: unknown
    position: int = 0  # jobs ahead, while queued
    remaining_s: float = -1.0  # negative: unknown
    preview: Optional[Picture] = None  # RGB8, small
    error: str = ""  # the sentence, when failed


@dataclass(frozen=True)
class TakeView:
    """One finished picture of a job, which may still be painting others."""

    job: str
    index: int
    box: Box  # document pixels
    prompt: str
    seed: int
    mode: str
    created_s: float  # Unix time
    applied: bool = False
    favourite: bool = False
    thumbnail: Optional[Picture] = None  # RGBA8, longest side THUMBNAIL_PX; None: not here yet


@dataclass(frozen=True)
class LiveView:
    """The previews that follow the drawing."""

    on: bool = False  # what `set_live` said last
    state: str = "off"  # off | stopped (see `sentence`) | loading | waiting (for the first) | following
    sentence: str = ""  # why it cannot, or what it waits for
    size: Tuple[int, int] = (0, 0)  # px, of the pictures to come: room for them can be kept
    picture: Optional[Picture] = None  # the newest preview, RGB8
    version: int = 0  # which input it shows; rising
    current: bool = False  # it shows the document as that is now
    refined: bool = False  # painted once more, in more steps
    frames: int = -1  # recorded so far; negative: nothing is recorded


LIVE_OFF = LiveView()


@dataclass(frozen=True)
class View:
    """Everything a panel shows."""

    link: LinkView = SEARCHING
    document: bool = False  # whether there is one
    selection: Optional[Box] = None
    layers: Tuple[LayerEntry, ...] = ()  # for control rows
    intent: Intent = AS_IT_STARTS
    models: Tuple[ModelInfo, ...] = ()
    model: Optional[ModelInfo] = None  # the one `intent.model` names
    styles: Tuple[str, ...] = ()
    steps: int = 0  # denoising steps this strength will run; 0: unknown
    start: str = "Generate"  # the main button's text
    can_start: bool = False
    why_not: str = ""  # when it cannot: the sentence
    map_kinds: Tuple[str, ...] = ()  # control maps the server can make from a picture
    jobs: Tuple[JobView, ...] = ()  # oldest first
    takes: Tuple[TakeView, ...] = ()  # the job being compared
    expected: int = 0  # how many `takes` there will be; the others are still being painted
    shown: int = -1  # of `takes`: which is over the canvas; -1: none
    applied: bool = False  # the shown take is in the document; False with takes: "not applied yet"
    on_canvas: bool = True  # previews appear over the canvas; False: the panel must show them
    remembered: bool = False  # the active layer was made by Impasto and can be painted again
    history: Tuple[TakeView, ...] = ()  # of this document, newest first
    notice: str = ""  # the newest thing to tell, dismissed by the artist or by the next start
    live: LiveView = LIVE_OFF
    prompts: Tuple[str, ...] = ()  # those of earlier jobs, newest first
    settings: Settings = AS_DELIVERED
