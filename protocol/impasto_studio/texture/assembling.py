"""The texture panel's view, put together from everything the studio knows."""

from typing import Iterable

from impasto_studio.base_work import job_view
from impasto_studio.link import Link
from impasto_studio.texts import tr
from impasto_studio.texture.plan import model_for, texturing
from impasto_studio.texture.state import State
from impasto_studio.texture.view import TextureState
from impasto_studio.texture.work import TextureWork, result

__all__ = ["assemble"]


def assemble(
    state: State, link: Link, works: Iterable[TextureWork], why_not: str, inspecting: str
) -> TextureState:
    """`why_not`: what stands against starting, or nothing."""
    works = list(works)
    scene, possible, intent = state.scene, link.possible, state.intent
    finished = [work for work in works if work.has_result and work.document == state.document]
    finished.sort(key=lambda work: work.created_s, reverse=True)
    return TextureState(
        link=link.view,
        objects=scene.objects if scene is not None else (),
        cameras=scene.cameras if scene is not None else (),
        pictures=scene.pictures if scene is not None else (),
        intent=intent,
        models=texturing(possible) if possible is not None else (),
        model=model_for(intent, possible) if possible is not None else None,
        start=tr("Texture"),
        can_start=not why_not,
        why_not=why_not,
        jobs=tuple(job_view(work) for work in works if work.state not in ("done", "cancelled")),
        results=tuple(map(result, finished)),
        inspecting=inspecting,
        notice=state.notice,
    )
