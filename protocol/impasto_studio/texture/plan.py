"""From what the artist asks for to what is gathered and requested, or the sentence why not.

Pure: the same arguments give the same plans.
"""

from dataclasses import dataclass, replace
from typing import Optional, Tuple, Union

from impasto_protocol.messages import TEXTURE_MAPS, GenerateRequest, LayerInfo, ModelInfo, TextureRequest

from impasto_studio.plan import Possible
from impasto_studio.texts import tr
from impasto_studio.texture.host import (
    CURRENT_VIEW,
    Gather,
    ObjectEntry,
    TextureScene,
    ViewWanted,
)
from impasto_studio.texture.intent import TextureIntent
from impasto_studio.texture.notes import TextureNote

__all__ = [
    "MOST_OBJECTS",
    "TexturePlan",
    "left_out",
    "model_for",
    "plan_edit",
    "plan_inspect",
    "plan_project",
    "plan_textures",
    "texturing",
]

MOST_OBJECTS = 1000  # in one job: their names have to go into its note
_SEEDS = 2**63


@dataclass(frozen=True)
class TexturePlan:
    """One job, before anything of it has been read."""

    note: TextureNote
    request: GenerateRequest  # what `gather` and `pictures` stand for is None yet
    gather: Optional[Gather] = None  # None: the journal has its geometry, and the note its targets
    # Layers of an earlier job that become pictures of this one: role, (job, index), the layer.
    pictures: Tuple[Tuple[str, Tuple[str, int], LayerInfo], ...] = ()


def texturing(possible: Possible) -> Tuple[ModelInfo, ...]:
    """The models that can texture."""
    return tuple(model for model in possible.models if "texture" in model.capabilities)


def model_for(intent: TextureIntent, possible: Possible) -> Optional[ModelInfo]:
    """The one the intent names, None if it is gone; else the first."""
    models = {model.model: model for model in texturing(possible)}
    return models.get(intent.model) if intent.model else next(iter(models.values()), None)


def plan_textures(
    intent: TextureIntent, scene: Optional[TextureScene], possible: Possible, seed: int
) -> Union[Tuple[TexturePlan, ...], str]:
    """The plans, one for each job, or why there are none. `seed` counts when the intent has none."""
    objects = _paintable(scene)
    if isinstance(objects, str) or scene is None:
        return str(objects)
    model = _model(intent, possible)
    if isinstance(model, str):
        return model
    views = _views(intent, scene, possible)
    if isinstance(views, str):
        return views
    own = dict(intent.prompts) if intent.separately else {}
    groups = tuple((entry,) for entry in objects) if intent.separately else (objects,)
    plans = []
    for group in groups:
        prompt = own.get(group[0].object, "").strip() or intent.prompt.strip()
        if not prompt and intent.separately:
            return tr("Write what “{name}” shall look like, or a prompt for all.", name=group[0].name)
        if not prompt:
            return tr("Write what the objects shall look like.")
        request = _request(replace(intent, prompt=prompt), model, seed)
        if not intent.keep:
            request = replace(request, strength=1.0)
        gather = _gather(intent, scene, group, model, views, others=bool(views), bases=intent.keep)
        plans.append(TexturePlan(_note(intent, "paint", prompt, group, gather), request, gather))
    return tuple(plans)


def plan_project(
    intent: TextureIntent,
    scene: Optional[TextureScene],
    possible: Possible,
    picture: str,
    camera: str,
    seed: int,
) -> Union[TexturePlan, str]:
    """An image as a camera sees it, onto what is selected; no model is needed."""
    objects = _paintable(scene)
    if isinstance(objects, str) or scene is None:
        return str(objects)
    if picture not in scene.pictures:
        return tr("Choose the image to lay onto the objects.")
    trouble = _no_camera(scene, camera)
    if trouble:
        return trouble
    model = _any_model(intent, possible)
    if model is None:
        return tr("The server is getting ready …")
    request = replace(_request(replace(intent, prompt=""), model, seed), strength=1.0)
    views = (ViewWanted(camera, picture=picture),)
    # The picture is not painted at a model's size: its details are kept as far as the texture can have them.
    detailed = replace(intent, view_px=intent.texture_px)
    gather = _gather(detailed, scene, objects, model, views, others=True, bases=True)
    title = tr("“{picture}” laid on", picture=picture)
    return TexturePlan(_note(intent, "project", title, objects, gather), request, gather)


def plan_edit(
    intent: TextureIntent, scene: Optional[TextureScene], possible: Possible, mask: str, seed: int
) -> Union[TexturePlan, str]:
    """What the current view shows, anew."""
    objects = _paintable(scene)
    if isinstance(objects, str) or scene is None:
        return str(objects)
    model = _model(intent, possible)
    if isinstance(model, str):
        return model
    trouble = _no_camera(scene, CURRENT_VIEW)
    if trouble:
        return trouble
    if mask and mask not in scene.pictures:
        return tr("The image of the mask is gone. Choose another one.")
    if not intent.prompt.strip():
        return tr("Write what the objects shall look like.")
    views = (ViewWanted(CURRENT_VIEW, mask=mask),)
    gather = _gather(intent, scene, objects, model, views, others=True, bases=True)
    prompt = intent.prompt.strip()
    note = _note(intent, "edit", prompt, objects, gather)
    return TexturePlan(note, _request(replace(intent, prompt=prompt), model, seed), gather)


def plan_inspect(
    intent: TextureIntent, scene: Optional[TextureScene], possible: Possible, what: str
) -> Union[TexturePlan, str]:
    """A map of the views at hand over what is selected; no model is needed."""
    if what not in TEXTURE_MAPS:
        return tr("There is no such map.")
    objects = _paintable(scene)
    if isinstance(objects, str) or scene is None:
        return str(objects)
    model = _any_model(intent, possible)
    if model is None:
        return tr("The server is getting ready …")
    views = _views(intent, scene, possible)
    if isinstance(views, str):
        return views
    request = _request(replace(intent, prompt=""), model, 0)
    assert request.texture is not None
    request = replace(request, strength=1.0, texture=replace(request.texture, inspect=what))
    gather = _gather(intent, scene, objects, model, views, others=bool(views), bases=False)
    title = {"coverage": tr("What the views cover"), "views": tr("What each view counts for")}[what]
    return TexturePlan(_note(intent, "inspect", title, objects, gather), request, gather)


def left_out(scene: Optional[TextureScene]) -> str:
    """What is selected and cannot be painted: the sentence, or nothing."""
    for entry in scene.objects if scene is not None else ():
        if entry.trouble:
            return tr("“{name}” was left out. {why}", name=entry.name, why=entry.trouble)
    return ""


# ── parts of a plan ──────────────────────────────────────────────────────────────────────────────────────


def _request(intent: TextureIntent, model: ModelInfo, seed: int) -> GenerateRequest:
    chosen = intent.seed if intent.seed >= 0 else seed
    return GenerateRequest(
        intent.prompt,
        negative=intent.negative.strip(),
        model=model.model,
        steps=intent.steps,
        guidance=intent.guidance,
        seed=min(chosen, _SEEDS - 1),
        strength=intent.strength,
        texture=TextureRequest(
            around=intent.around, view_px=intent.view_px, order=intent.order, depth=intent.depth
        ),
    )


def _gather(
    intent: TextureIntent,
    scene: TextureScene,
    objects: Tuple[ObjectEntry, ...],
    model: ModelInfo,
    views: Tuple[ViewWanted, ...],
    others: bool,
    bases: bool,
) -> Gather:
    return Gather(
        scene.document,
        tuple(entry.object for entry in objects),
        others=others,
        unwrap=intent.unwrap,
        texture_px=intent.texture_px,
        bases=bases,
        views=views,
        view_px=intent.view_px or model.native_px,
    )


def _note(
    intent: TextureIntent, kind: str, title: str, objects: Tuple[ObjectEntry, ...], gather: Gather
) -> TextureNote:
    names = ", ".join(entry.name for entry in objects)
    return TextureNote(
        gather.document, kind, title, names, others=gather.others, bases=gather.bases, intent=intent
    )


# ── what stands against it ───────────────────────────────────────────────────────────────────────────────


def _paintable(scene: Optional[TextureScene]) -> Union[Tuple[ObjectEntry, ...], str]:
    """The selected objects that can be painted, or why there are none."""
    if scene is None:
        return tr("Open or create a file first.")
    if not scene.objects:
        return tr("Select the objects to paint.")
    good = tuple(entry for entry in scene.objects if not entry.trouble)
    if not good:
        return scene.objects[0].trouble
    if len(good) > MOST_OBJECTS:
        return tr("Select at most {count} objects at once.", count=MOST_OBJECTS)
    return good


def _model(intent: TextureIntent, possible: Possible) -> Union[ModelInfo, str]:
    model = model_for(intent, possible)
    if model is not None:
        if intent.steps > possible.limits.steps:
            return tr("The server runs {limit} steps at most. Lower the number.", limit=possible.limits.steps)
        return model
    if intent.model:
        return tr("The model “{model}” is not there any more. Choose another.", model=intent.model)
    return tr("None of the server's models can paint objects. Bring the server up to date.")


def _any_model(intent: TextureIntent, possible: Possible) -> Optional[ModelInfo]:
    """For what no model is needed to do: a request has to name one, and the views' size comes from it."""
    return model_for(intent, possible) or next(iter(possible.models), None)


def _views(
    intent: TextureIntent, scene: TextureScene, possible: Possible
) -> Union[Tuple[ViewWanted, ...], str]:
    """None of them: the server places some around the objects."""
    views: Tuple[ViewWanted, ...] = ()
    count = intent.around
    if intent.source == "view":
        trouble = _no_camera(scene, CURRENT_VIEW)
        if trouble:
            return trouble
        views, count = (ViewWanted(),), 1
    elif intent.source == "cameras":
        there = {entry.layer for entry in scene.cameras}
        views = tuple(ViewWanted(camera) for camera in intent.cameras if camera in there)
        count = len(views)
        if not views:
            return tr("Choose the cameras to paint from.")
    if count > possible.limits.views:
        return tr("The server takes {limit} views at most. Choose fewer.", limit=possible.limits.views)
    return views


def _no_camera(scene: TextureScene, camera: str) -> str:
    """The sentence, or nothing."""
    if camera == CURRENT_VIEW:
        return "" if scene.view else tr("Open a 3D view to look through.")
    if camera in {entry.layer for entry in scene.cameras}:
        return ""
    return tr("The camera is gone. Choose another one.")
