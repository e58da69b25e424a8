"""What is done with the views of a finished job: looked at, painted on, laid on anew, one of them repainted.
Pure."""

from dataclasses import replace
from typing import List, Optional, Tuple, Union

from impasto_protocol.messages import GenerateRequest, LayerInfo, TextureView

from impasto_studio.gallery import Take
from impasto_studio.texts import tr
from impasto_studio.texture.host import Gather, TextureScene, ViewWanted
from impasto_studio.texture.plan import TexturePlan
from impasto_studio.texture.work import TextureWork, view_image

__all__ = ["plan_repaint", "plan_reproject", "shown_views"]


def shown_views(work: TextureWork) -> List[Tuple[str, Take, LayerInfo]]:
    """The finished views, by the names of the images that show them."""
    return [
        (view_image(work.job, number + 1), (work.job, number), info) for number, info in enumerate(work.views)
    ]


def plan_repaint(work: TextureWork, view: int, seed: int) -> Union[TexturePlan, str]:
    """`view`, counted from 0, with another seed. All else is what the journal has of the job."""
    request = work.request
    if request is None or request.texture is None or not work.textures or not 0 <= view < len(work.views):
        return tr("This view is not there any more.")
    views, wanted = list(request.texture.views), []
    for number, info in enumerate(work.views):
        if number == view:
            views[number] = replace(views[number], image=None)
        elif views[number].image is None:
            wanted.append((f"view {number + 1}", (work.job, number), info))
    note = replace(
        work.note,
        title=tr("{title}, view {number} anew", title=work.title, number=view + 1),
        applied=False,
        stopped=False,
        tried=False,
        dismissed=False,
    )
    return TexturePlan(note, _with_views(request, views, seed), pictures=tuple(wanted))


def plan_reproject(work: TextureWork, scene: Optional[TextureScene]) -> Union[TexturePlan, str]:
    """All its views once more, as they are or as they have been painted on since, onto the objects as they
    are now."""
    request = work.request
    if request is None or request.texture is None or not work.views:
        return tr("It has no views yet.")
    if scene is None or work.document != scene.document:
        return tr("Open the file this was painted for first.")
    note, views, wanted, seen = work.note, [], [], []
    for number, info in enumerate(work.views):
        view, name = request.texture.views[number], view_image(work.job, number + 1)
        painted_on = name in scene.pictures
        if view.image is None and not painted_on:
            wanted.append((f"view {number + 1}", (work.job, number), info))
        views.append(view)
        seen.append(ViewWanted(seen=view.camera, picture=name if painted_on else ""))
    gather = Gather(
        scene.document,
        tuple(dict.fromkeys(one for target in note.targets for one in target.objects)),
        others=note.others,
        unwrap=note.intent.unwrap,
        texture_px=note.intent.texture_px,
        bases=note.bases,
        views=tuple(seen),
        view_px=max(views[0].camera.width, views[0].camera.height),
    )
    anew = replace(
        note,
        title=tr("{title}, laid on anew", title=work.title),
        targets=(),
        applied=False,
        stopped=False,
        tried=False,
        dismissed=False,
    )
    return TexturePlan(anew, _with_views(request, views, request.seed), gather, tuple(wanted))


def _with_views(request: GenerateRequest, views: List[TextureView], seed: int) -> GenerateRequest:
    assert request.texture is not None
    return replace(request, seed=seed, texture=replace(request.texture, views=tuple(views)))
