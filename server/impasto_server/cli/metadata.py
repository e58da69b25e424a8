"""What a PNG of Impasto says about itself.

Three texts, none with a path or a name of this machine's files:
`impasto`, our recipe as JSON, enough to paint the picture again; `parameters`, the line that AUTOMATIC1111's
web UI writes and other tools read; and XMP with IPTC's digital source type, which says that a model painted.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from impasto_protocol.errors import BadImage
from impasto_protocol.messages import Control, GenerateRequest, InputRef, Lora, Recipe
from impasto_protocol.rasters import PixelFormat
from PIL import Image, UnidentifiedImageError

__all__ = ["read_recipe", "texts"]

RECIPE_KEY = "impasto"
XMP_KEY = "XML:com.adobe.xmp"
_VERSION = 1
_JSON_KINDS: dict[object, tuple[type, ...]] = {str: (str,), int: (int,), float: (int, float)}
_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/"

# diffusers' schedulers by the names A1111's samplers have. Others keep their class name.
_SAMPLERS = {
    "DDIMScheduler": "DDIM",
    "DPMSolverMultistepScheduler": "DPM++ 2M",
    "EulerAncestralDiscreteScheduler": "Euler a",
    "EulerDiscreteScheduler": "Euler",
    "HeunDiscreteScheduler": "Heun",
    "LCMScheduler": "LCM",
    "LMSDiscreteScheduler": "LMS",
    "PNDMScheduler": "PLMS",
    "UniPCMultistepScheduler": "UniPC",
}


def texts(recipe: Recipe, width: int, height: int) -> dict[str, str]:
    """Keyword → text of the PNG's text chunks. `width` and `height` are the file's, in pixels."""
    return {
        "parameters": _parameters(recipe, width, height),
        RECIPE_KEY: json.dumps(
            {"version": _VERSION, "recipe": dataclasses.asdict(recipe)}, ensure_ascii=False, sort_keys=True
        ),
        XMP_KEY: _xmp(composite=recipe.request.mask is not None),
    }


def _parameters(recipe: Recipe, width: int, height: int) -> str:
    """Prompt, negative prompt, and one line that begins with "Steps: "."""
    request = recipe.request
    pairs = {
        "Steps": str(request.steps),
        "Sampler": _SAMPLERS.get(recipe.sampler, recipe.sampler),
        "CFG scale": f"{request.guidance:g}",
        "Seed": str(request.seed),
        "Size": f"{width}x{height}",
        "Model hash": recipe.model_digest[:10],
        "Model": request.model,
    }
    if request.image is not None:
        pairs["Denoising strength"] = f"{request.strength:g}"
    for number, control in enumerate(request.controls):
        pairs[f"ControlNet {number}"] = (
            f"Module: none, Model: {control.kind} [{_short(recipe, f'control {control.kind}')}], "
            f"Weight: {control.strength:g}, Guidance Start: {control.start:g}, Guidance End: {control.end:g}"
        )
    hashes = {f"lora:{one.name}": _short(recipe, f"lora {one.name}") for one in request.loras}
    if request.loras:
        pairs["Lora hashes"] = ", ".join(
            f"{one.name}: {_short(recipe, f'lora {one.name}')}" for one in request.loras
        )
    pairs["Version"] = f"Impasto {recipe.software.get('impasto', '')}".strip()
    pairs["Hashes"] = json.dumps({"model": recipe.model_digest[:10], **hashes})
    line = ", ".join(f"{name}: {_quoted(name, value)}" for name, value in pairs.items())
    negative = [f"Negative prompt: {request.negative}"] if request.negative else []
    worn = "".join(f" <lora:{one.name}:{one.strength:g}>" for one in request.loras)
    return "\n".join([request.prompt + worn, *negative, line])


def _short(recipe: Recipe, role: str) -> str:
    return recipe.adapters.get(role, "")[:10]


def _quoted(name: str, value: str) -> str:
    """Values with a comma or colon are JSON strings, so that readers can split the line; `Hashes` is JSON
    already."""
    plain = name == "Hashes" or not any(mark in value for mark in ",:\n")
    return value if plain else json.dumps(value, ensure_ascii=False)


def _xmp(composite: bool) -> str:
    kind = "compositeWithTrainedAlgorithmicMedia" if composite else "trainedAlgorithmicMedia"
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">'
        f"<Iptc4xmpExt:DigitalSourceType>{escape(_SOURCE_TYPE + kind)}</Iptc4xmpExt:DigitalSourceType>"
        "</rdf:Description></rdf:RDF></x:xmpmeta>"
    )


def read_recipe(path: Path) -> Recipe:
    """The recipe in a PNG that Impasto wrote. Raises `BadImage`."""
    try:
        with Image.open(path, formats=("PNG",)) as image:
            text = image.info.get(RECIPE_KEY)
    except FileNotFoundError as error:
        raise BadImage(f"There is no file {path}.") from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise BadImage(f"{path} is no PNG, or is broken.") from error
    if text is None:
        raise BadImage(f"{path} has no recipe in it. Only PNGs that Impasto wrote can be painted again.")
    try:
        return _recipe(json.loads(text)["recipe"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadImage(f"The recipe in {path} cannot be read. It may be of a newer Impasto.") from error


def _recipe(table: dict[str, Any]) -> Recipe:
    """From JSON. Raises ValueError, KeyError, TypeError for what is none."""
    request = _known(GenerateRequest, table["request"])
    for name in ("image", "mask"):
        request[name] = _input(request.get(name))
    request["controls"] = tuple(_control(one) for one in request.get("controls", ()))
    request["loras"] = tuple(
        Lora(str(one["name"]), float(one["strength"])) for one in request.get("loras", ())
    )
    made = GenerateRequest(**request)
    for field in dataclasses.fields(GenerateRequest):
        kinds = _JSON_KINDS.get(field.type)
        if kinds is not None and not isinstance(getattr(made, field.name), kinds):
            raise TypeError(field.name)
    software = {str(name): str(value) for name, value in table["software"].items()}
    adapters = {str(role): str(value) for role, value in table.get("adapters", {}).items()}
    return Recipe(made, str(table["sampler"]), str(table["model_digest"]), software, adapters)


def _control(table: dict[str, Any]) -> Control:
    return Control(
        str(table["kind"]),
        _input(table["image"]),
        float(table["strength"]),
        float(table["start"]),
        float(table["end"]),
    )


def _input(table: dict[str, Any] | None) -> InputRef | None:
    if table is None:
        return None
    return InputRef(
        str(table["digest"]), int(table["width"]), int(table["height"]), PixelFormat(table["format"])
    )


def _known(kind: type, table: dict[str, Any]) -> dict[str, Any]:
    """Fields of `kind` only: a newer version may have written more."""
    names = {field.name for field in dataclasses.fields(kind)}
    return {name: value for name, value in table.items() if name in names}
