"""What is packed is what Blender shows: compared with its own triangles, one by one and in plain Python."""

import math

import bmesh
import bpy
import numpy as np
from mathutils import Matrix, Vector
from texture_bench import bare, cube, fresh, percentile, select, suzanne, wavy
from under_test import vendor


def unpacked(gathered):
    """Of each part: texture, (T, 3, 3) positions, (T, 3, 2) UVs or None, (T, 3, 3) normals or None."""
    found = []
    for part in vendor("impasto_protocol.geometry").unpack(gathered.geometry):
        positions = np.frombuffer(part.positions, "<f4").reshape(-1, 3)
        triangles = np.frombuffer(part.triangles, "<i4").reshape(-1, 3)
        uvs = np.frombuffer(part.uvs, "<f4").reshape(-1, 3, 2) if part.texture >= 0 else None
        normals = None if part.normals is None else np.frombuffer(part.normals, "<f4").reshape(-1, 3, 3)
        found.append((part.texture, positions[triangles], uvs, normals))
    return found


def shown(thing, matrix=None, layer=None):
    """[(corners, their UVs, outward normal, normals as shaded)] of an evaluated object in world space."""
    evaluated = thing.evaluated_get(bpy.context.evaluated_depsgraph_get())
    mesh = evaluated.data
    mesh.calc_loop_triangles()
    matrix = matrix if matrix is not None else evaluated.matrix_world
    turn = matrix.to_3x3().inverted_safe().transposed()
    uvs = mesh.uv_layers[layer].data if layer else None
    if hasattr(mesh, "corner_normals"):
        normals = [one.vector for one in mesh.corner_normals]
    else:  # before Blender 4.1
        mesh.calc_normals_split()
        normals = [one.normal for one in mesh.loops]
    found = []
    for triangle in mesh.loop_triangles:
        corners = [matrix @ mesh.vertices[vertex].co for vertex in triangle.vertices]
        where = [tuple(uvs[loop].uv) if uvs else None for loop in triangle.loops]
        shaded = [(turn @ normals[loop]).normalized() for loop in triangle.loops]
        found.append((corners, where, turn @ triangle.normal, shaded))
    return found


def compare(part, expected):
    """The largest differences, and how many triangles face the other way."""
    _, corners, uvs, normals = part
    assert len(corners) == len(expected), (len(corners), len(expected))
    far, astray, inside_out, tilted = 0.0, 0.0, 0, 0.0
    for number, (wanted, where, normal, shaded) in enumerate(expected):
        for at in range(3):
            mine = min(range(3), key=lambda one: (Vector(corners[number][one]) - wanted[at]).length)
            far = max(far, (Vector(corners[number][mine]) - wanted[at]).length)
            if uvs is not None and where[at] is not None:
                astray = max(astray, math.dist(uvs[number][mine], where[at]))
            if normals is not None:
                tilted = max(tilted, (Vector(normals[number][mine]) - shaded[at]).length)
        a, b, c = (Vector(corner) for corner in corners[number])
        facing = (b - a).cross(c - a)
        inside_out += min(facing.length, normal.length) > 1e-9 and facing.dot(normal) <= 0.0
    return {
        "far": far,
        "astray": astray,
        "inside_out": inside_out,
        "tilted": tilted,
        "triangles": len(corners),
    }


def modifiers():
    """Mirrored and subdivided, smooth."""
    bench = fresh()
    thing = suzanne(location=(1, 2, 3), rotation=(0.3, 0.5, 0.7))
    thing.scale = (1.0, 2.0, 0.5)
    mirror = thing.modifiers.new("Mirror", "MIRROR")
    mirror.use_axis = (False, False, True)
    thing.modifiers.new("Subdivision", "SUBSURF").levels = 1
    thing.data.polygons.foreach_set("use_smooth", [True] * len(thing.data.polygons))
    (part,) = unpacked(bench.gather())
    assert part[3] is not None
    return compare(part, shown(thing, layer="UVMap"))


def mirrored_scale():
    """One, two and three negative axes, under a mirrored parent too."""
    bench = fresh()
    things = []
    for number, scale in enumerate(((-1, 1, 1), (-1, -2, 1), (-1, -1, -1), (1, 1, 1))):
        thing = suzanne(location=(4 * number, 0, 0), rotation=(0.1, 0.2, 0.3))
        thing.scale = scale
        thing.data.polygons.foreach_set("use_smooth", [True] * len(thing.data.polygons))
        things.append(thing)
    parent = bpy.data.objects.new("Parent", None)
    bpy.context.collection.objects.link(parent)
    parent.scale = (1, -1, 1)
    things[3].parent = parent
    bpy.context.view_layer.update()
    select(*things)
    gathered = bench.gather(things)
    return [compare(part, shown(thing)) for part, thing in zip(unpacked(gathered), things, strict=True)]


def instances():
    """Objects that share a mesh share a texture; a collection that is instanced shows it once more; geometry
    nodes' instances of an object that is not painted stand in the way."""
    bench = fresh()
    first = cube(location=(0, 0, 0))
    second = bpy.data.objects.new("Twin", first.data)
    second.location = (5, 0, 0)
    bpy.context.collection.objects.link(second)
    apart = bpy.data.collections.new("Apart")
    bpy.context.scene.collection.children.link(apart)
    apart.objects.link(first)
    empty = bpy.data.objects.new("Empty", None)
    empty.instance_type, empty.instance_collection = "COLLECTION", apart
    empty.location = (0, 7, 0)
    bpy.context.collection.objects.link(empty)
    bpy.context.view_layer.update()
    select(first, second)
    gathered = bench.gather()
    parts = unpacked(gathered)
    centres = sorted(tuple(round(float(one), 3) for one in part[1].mean(axis=(0, 1))) for part in parts)
    moved = Matrix.Translation((0, 7, 0))
    instance = next(part for part in parts if part[1].mean(axis=(0, 1))[1] > 5)
    return {
        "targets": [list(target.objects) for target in gathered.targets],
        "textures": [part[0] for part in parts],
        "centres": centres,
        "instance": compare(instance, shown(first, moved, "UVMap")),
    }


def others():
    """What is seen and stands in the way comes along; hidden things, wires and lights do not."""
    bench = fresh()
    target = suzanne()
    wall = cube(location=(3, 0, 0))
    hidden, unrendered, cutter = (cube(location=(6 + n, 0, 0)) for n in range(3))
    hidden.hide_set(True)
    unrendered.hide_render = True
    cutter.display_type = "WIRE"
    bpy.ops.object.light_add()
    bpy.ops.object.text_add(location=(0, 5, 0))
    bpy.ops.mesh.primitive_plane_add()
    empty_mesh = bpy.context.object
    empty_mesh.data.clear_geometry()
    select(target)
    with_them = unpacked(bench.gather(others=True))
    alone = unpacked(bench.gather(others=False))
    return {
        "textures": [part[0] for part in with_them],
        "triangles": [len(part[1]) for part in with_them],
        "wall": compare(with_them[1], shown(wall)) if len(with_them[1][1]) == 12 else {},
        "alone": [part[0] for part in alone],
    }


def atlas():
    """Two objects whose layouts lie side by side in one image share it; two that overlap do not."""
    bench = fresh()
    left, right = cube(location=(0, 0, 0)), cube(location=(3, 0, 0))
    image = bpy.data.images.new("Atlas", 64, 32)
    material = bpy.data.materials.new("Atlas")
    if material.node_tree is None:
        material.use_nodes = True
    node = material.node_tree.nodes.new("ShaderNodeTexImage")
    node.image = image
    surface = next(one for one in material.node_tree.nodes if one.type == "BSDF_PRINCIPLED")
    material.node_tree.links.new(node.outputs["Color"], surface.inputs["Base Color"])
    for thing in (left, right):
        thing.data.materials.append(material)
    overlapping = bench.gather([left, right], bases=True)
    for thing, start in ((left, 0.0), (right, 0.5)):
        for corner in thing.data.uv_layers[0].data:
            corner.uv = (start + 0.5 * corner.uv[0], corner.uv[1])
    beside = bench.gather([left, right], bases=True)
    return {
        "overlapping": [len(target.objects) for target in overlapping.targets],
        "beside": [len(target.objects) for target in beside.targets],
        "size": [beside.targets[0].width, beside.targets[0].height],
        "base": beside.targets[0].base is not None,
        "textures": [part[0] for part in unpacked(beside)],
    }


def degenerate():
    """Zero-area faces are taken along and harm nothing; every number is finite."""
    bench = fresh()
    thing = bare()
    mesh = thing.data
    edit = bmesh.new()
    edit.from_mesh(mesh)
    corners = [edit.verts.new((2, 2, 2)) for _ in range(3)]
    edit.faces.new(corners)
    line = [edit.verts.new((x, 0, 5)) for x in (0, 1, 2)]
    edit.faces.new(line)
    edit.to_mesh(mesh)
    edit.free()
    thing.scale = (1, 0, 1)
    bpy.context.view_layer.update()
    (part,) = unpacked(bench.gather())
    finite = all(one is None or bool(np.isfinite(one).all()) for one in part[1:])
    return {"triangles": len(part[1]), "finite": finite}


def without_uvs():
    """A layout is made; what the artist has, and where she is, stays."""
    bench = fresh()
    other = suzanne(location=(9, 0, 0))
    thing = bare()
    select(other, thing)
    before = (bpy.context.mode, bpy.context.object.name, len(bpy.data.objects), len(bpy.data.scenes))
    entry = next(one for one in bench.host.texture_scene().objects if one.name == "Bare")
    gathered = bench.gather([thing])
    (part,) = unpacked(gathered)
    own = bench.gather([other], unwrap="new")
    layers = [(one.name, one.active, one.active_render) for one in other.data.uv_layers]
    again = bench.gather([other], unwrap="new")
    after = (bpy.context.mode, bpy.context.object.name, len(bpy.data.objects), len(bpy.data.scenes))
    return {
        "usable": entry.uvs,
        "layer": gathered.targets[0].layer,
        "inside": bool((part[2] >= 0).all() and (part[2] <= 1).all()),
        "same": before == after,
        "new": own.targets[0].layer,
        "layers": layers,
        "again": bool(np.array_equal(unpacked(own)[0][2], unpacked(again)[0][2])),
    }


def edit_mode():
    """An object that is being edited is read as it is just now; it gets no new layout then."""
    bench = fresh()
    thing = cube()
    bpy.ops.object.mode_set(mode="EDIT")
    edit = bmesh.from_edit_mesh(thing.data)
    for vertex in edit.verts:
        vertex.co.z += 10.0
    bmesh.update_edit_mesh(thing.data)
    (part,) = unpacked(bench.gather([thing]))
    refused = bench.failing(bench.host.gather, bench.wanted([thing], unwrap="new"))
    mode = bpy.context.mode
    busy = bench.host.texture_scene().busy
    bpy.ops.object.mode_set(mode="OBJECT")
    return {"lowest": float(part[1][..., 2].min()), "refused": refused, "mode": mode, "busy": busy}


def turns(what, repeat=3):
    """How long the main thread is held at a time: gathering with others, unwrapping aside."""
    bench = fresh()
    thing = {"suzanne": suzanne, "wavy": wavy}[what]()
    cube(location=(5, 0, 0))
    select(thing)
    bench.gather(others=True, bases=True)
    bench.turns.clear()
    for _ in range(repeat):
        gathered = bench.gather(others=True, bases=True)
    reading = list(bench.turns)
    bench.turns.clear()
    bench.put(gathered)
    return {
        "triangles": len(unpacked(gathered)[0][1]),
        "turns": len(reading),
        "p99_ms": 1e3 * percentile(reading, 0.99),
        "max_ms": 1e3 * max(reading),
        "put_max_ms": 1e3 * max(bench.turns),
        "whole_ms": 1e3 * sum(reading) / repeat,
    }


def geometry_nodes():
    """What nodes make of the object is painted; what they strew about, which has materials of its own, stands
    in the way."""
    bench = fresh()
    pebble = cube(size=0.1, location=(0, 0, 9))
    thing = suzanne()
    tree = bpy.data.node_groups.new("Strewn", "GeometryNodeTree")
    if hasattr(tree, "interface"):
        tree.interface.new_socket("Geometry", in_out="INPUT", socket_type="NodeSocketGeometry")
        tree.interface.new_socket("Geometry", in_out="OUTPUT", socket_type="NodeSocketGeometry")
    else:  # before Blender 4.0
        tree.inputs.new("NodeSocketGeometry", "Geometry")
        tree.outputs.new("NodeSocketGeometry", "Geometry")
    nodes = {
        name: tree.nodes.new(kind)
        for name, kind in (
            ("in", "NodeGroupInput"),
            ("out", "NodeGroupOutput"),
            ("join", "GeometryNodeJoinGeometry"),
            ("strew", "GeometryNodeInstanceOnPoints"),
            ("strew object", "GeometryNodeInstanceOnPoints"),
            ("cube", "GeometryNodeMeshCube"),
            ("points", "GeometryNodeMeshLine"),
            ("object", "GeometryNodeObjectInfo"),
        )
    }
    nodes["object"].inputs["Object"].default_value = pebble
    nodes["points"].inputs["Count"].default_value = 3

    def link(one, output, other, entry):
        tree.links.new(nodes[one].outputs[output], nodes[other].inputs[entry])

    for name, source, output in (("strew", "cube", "Mesh"), ("strew object", "object", "Geometry")):
        link("points", "Mesh", name, "Points")
        link(source, output, name, "Instance")
        link(name, "Instances", "join", "Geometry")
    link("in", "Geometry", "join", "Geometry")
    link("join", "Geometry", "out", "Geometry")
    thing.modifiers.new("Strewn", "NODES").node_group = tree
    pebble.hide_set(True)
    select(thing)
    alone, with_others = (unpacked(bench.gather(others=others)) for others in (False, True))
    return {
        "alone": [[part[0], len(part[1])] for part in alone],
        "others": sorted([part[0], len(part[1])] for part in with_others),
        "exact": compare(next(part for part in alone if part[0] == 0), shown(thing, layer="UVMap")),
    }
