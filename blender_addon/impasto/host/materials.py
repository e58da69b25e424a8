"""Materials that show a texture of ours, in EEVEE, Cycles and the solid view, and how objects wear them.

An object wears one in slots that are linked to the object; the mesh keeps the materials it had in its own
slots, with its faces as they are. So an artist takes hers back by linking the slot to the data again, and
objects that share a mesh are not changed along.
"""

from collections.abc import Callable
from typing import Any

import bpy

from .textures import JOB

__all__ = ["base_of", "job_of", "made", "undressed", "wardrobe", "wear", "worn"]

SLOTS = "impasto_slots"  # on a mesh: how many are its own; those behind are what we keep
IMAGE, UV_MAP = "Impasto texture", "Impasto UV map"  # names of nodes


def made(name: str, image: Any, layer: str, job: str, before: Any | None) -> Any:
    """A material that shows the image on that UV layout. `before`: the one of ours that the object wears;
    what the artist has made of it stays."""
    material = before.copy() if before is not None else bpy.data.materials.new(name)
    material.name = name
    material[JOB] = job
    if before is None:
        _build(material)
    tree = material.node_tree
    texture, uvs = tree.nodes.get(IMAGE), tree.nodes.get(UV_MAP)
    if texture is None or uvs is None:  # the artist has taken it apart
        _build(material)
        texture, uvs = tree.nodes[IMAGE], tree.nodes[UV_MAP]
    texture.image, uvs.uv_map = image, layer
    for node in tree.nodes:
        node.select = node == texture
    tree.nodes.active = texture  # what texture paint and the solid view look at
    return material


def wear(thing: Any, material: Any) -> None:
    """The object shows this material on all of its faces. What it wore of its own is kept in the mesh's
    slots, and of ours the last one."""
    mesh = thing.data
    if not thing.material_slots:
        mesh.materials.append(None)
    slots = _slots(thing)
    for number, slot in enumerate(slots):
        if slot.link == "OBJECT" and slot.material is not None:
            _keep(mesh, number, slot.material)
    for slot in slots:
        slot.link = "OBJECT"
        slot.material = material


def wardrobe(thing: Any) -> Callable[[], None]:
    """What the object and its mesh have in their slots now: calling it puts that back."""
    mesh, known = thing.data, thing.data.get(SLOTS)
    slots = [(slot.link, slot.material) for slot in thing.material_slots]
    own = list(mesh.materials)

    def put_back() -> None:
        for slot in list(thing.material_slots)[len(own) :]:
            slot.material = None
        while len(mesh.materials) > len(own):
            mesh.materials.pop()
        for one in bpy.data.objects:  # their slots follow only then
            if one.data == mesh:
                one.data = mesh
        for number, (link, material) in enumerate(slots):
            mesh.materials[number] = own[number]
            thing.material_slots[number].link = link
            thing.material_slots[number].material = material
        if known is None and SLOTS in mesh:
            del mesh[SLOTS]

    return put_back


def undressed(thing: Any) -> bool:
    """Gives the object back what its mesh has; False when it wears nothing of ours."""
    ours = [slot for slot in _slots(thing) if slot.link == "OBJECT" and job_of(slot.material)]
    for slot in ours:
        slot.material = None
        slot.link = "DATA"
    return bool(ours)


def worn(thing: Any) -> Any | None:
    """The material of ours that the object wears."""
    for slot in _slots(thing):
        if slot.link == "OBJECT" and job_of(slot.material):
            return slot.material
    return None


def job_of(thing: Any) -> str:
    """Whose image or material that is; empty for the artist's own."""
    job = thing.get(JOB, "") if thing is not None else ""
    return job if isinstance(job, str) else ""


def base_of(thing: Any) -> tuple[Any, str] | None:
    """The image that gives all of the object its colour, and the UV layout it lies on (empty: the one that
    renders); None where there is no such image."""
    materials = {slot.material for slot in _slots(thing)}
    if len(materials) != 1:
        return None
    (material,) = materials
    if material is None or material.node_tree is None:
        return None
    node = material.node_tree.nodes.get(IMAGE) if job_of(material) else _colour(material.node_tree)
    if node is None or node.image is None or node.image.source not in ("FILE", "GENERATED"):
        return None
    source = node.inputs["Vector"].links
    if not source:
        return node.image, ""
    before = source[0].from_node
    if before.type == "UVMAP":
        return node.image, before.uv_map
    if before.type == "TEX_COORD" and source[0].from_socket.name == "UV":
        return node.image, ""
    return None  # mapped in a way of its own


def _slots(thing: Any) -> list[Any]:
    """Those that faces may show: without those in which we keep what was worn."""
    return list(thing.material_slots)[: thing.data.get(SLOTS, len(thing.material_slots))]


def _keep(mesh: Any, number: int, old: Any) -> None:
    """In the mesh's own slot if that is free, else in one behind; of ours one only."""
    materials = mesh.materials
    if any(one == old for one in materials):
        return
    own = mesh.get(SLOTS, len(materials))
    if job_of(old):
        for at in range(own, len(materials)):
            if job_of(materials[at]):
                materials[at] = old
                return
    elif materials[number] is None:
        materials[number] = old
        return
    mesh[SLOTS] = own
    materials.append(old)


def _colour(tree: Any) -> Any | None:
    """The image node at a Principled BSDF's base colour."""
    for node in tree.nodes:
        if node.type == "BSDF_PRINCIPLED":
            links = node.inputs["Base Color"].links
            if links and links[0].from_node.type == "TEX_IMAGE":
                return links[0].from_node
    return None


def _build(material: Any) -> None:
    """Image on UV map, as the base colour of a dull surface."""
    if material.node_tree is None:
        material.use_nodes = True
    tree = material.node_tree
    tree.nodes.clear()
    output = tree.nodes.new("ShaderNodeOutputMaterial")
    surface = tree.nodes.new("ShaderNodeBsdfPrincipled")
    texture = tree.nodes.new("ShaderNodeTexImage")
    uvs = tree.nodes.new("ShaderNodeUVMap")
    texture.name = texture.label = IMAGE
    uvs.name = uvs.label = UV_MAP
    surface.inputs["Roughness"].default_value = 0.8
    for node, x in ((uvs, -520), (texture, -320), (surface, 0), (output, 300)):
        node.location = (x, 0)
    tree.links.new(uvs.outputs["UV"], texture.inputs["Vector"])
    tree.links.new(texture.outputs["Color"], surface.inputs["Base Color"])
    tree.links.new(surface.outputs["BSDF"], output.inputs["Surface"])
