"""What is kept inside a .blend without an undo step: the file's id, and data of ours.

All of it is one group of custom properties on a scene. An undo takes custom properties back too, and a file
need not be saved: so what was kept since it was opened is kept here as well, until another one is opened.
"""

import hashlib
import uuid
from typing import Any

import bpy
from bpy.app.handlers import persistent

__all__ = ["document_id", "forget", "keep", "kept"]

GROUP = "impasto"
ID = "document"

_here: dict[str, bytes] = {}  # of the file that is open


def document_id() -> str:
    """The open file's id, 32 hex digits: the same when it is opened again, saved or not."""
    _follow_files()
    known = _here.get(ID)
    if known is None:
        known = _in_file(ID)
        if len(known) != 32:
            path = bpy.data.filepath
            known = (hashlib.sha256(path.encode()).hexdigest()[:32] if path else uuid.uuid4().hex).encode()
        _here[ID] = known
    for key, data in _here.items():  # after an undo
        if _in_file(key) != data:
            _write(key, data)
    return known.decode("ascii", "replace")


def keep(key: str, data: bytes) -> None:
    """Keeps data in the open file."""
    _follow_files()
    _here[key] = data
    _write(key, data)


def kept(key: str) -> bytes:
    """What `keep` kept; empty if nothing."""
    _follow_files()
    return _here[key] if key in _here else _in_file(key)


def forget() -> None:
    """At the add-on's end: nothing of ours is left in Blender's lists."""
    _here.clear()
    for handler in list(bpy.app.handlers.load_post):
        if handler is _opened:
            bpy.app.handlers.load_post.remove(handler)


def _follow_files() -> None:
    if _opened not in bpy.app.handlers.load_post:
        bpy.app.handlers.load_post.append(_opened)


@persistent
def _opened(*_: object) -> None:
    _here.clear()


def _scene() -> Any | None:
    """The scene that has the group, else the first that can get one."""
    scenes = [scene for scene in bpy.data.scenes if scene.library is None]
    for scene in scenes:
        if GROUP in scene:
            return scene
    return scenes[0] if scenes else None


def _in_file(key: str) -> bytes:
    scene = _scene()
    group = scene.get(GROUP) if scene is not None else None
    value = group.get(key, b"") if hasattr(group, "get") else b""
    return value.encode() if isinstance(value, str) else bytes(value)


def _write(key: str, data: bytes) -> None:
    scene = _scene()
    if scene is None:
        return
    try:
        if not hasattr(scene.get(GROUP), "get"):
            scene[GROUP] = {}
        scene[GROUP][key] = data
    except AttributeError:  # Blender is drawing or rendering, and lets nobody write: another time
        pass
