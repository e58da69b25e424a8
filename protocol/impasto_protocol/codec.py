"""Messages to frames and back, in plain Python: what the plugins use, and the reference for every other
codec.

A frame is one msgpack map. The schema is the dataclasses of `messages.py`: readers are made from their type
hints once, at import. Wrong types, missing fields without a default and bytes after the end are refused;
unknown fields are passed over.
"""

from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple, Type, Union, cast, get_type_hints

from .errors import MalformedFrame, UnknownMessage
from .messages import CLIENT_MESSAGES, SERVER_MESSAGES, ClientMessage, Message, ServerMessage
from .packing import Buffer, Reader, write_array_size, write_map_size, write_value

__all__ = ["decode_client", "decode_server", "encode"]

_Read = Callable[[Reader], Any]


# ── writing ──────────────────────────────────────────────────────────────────────────────────────────────


def encode(message: Message) -> bytes:
    """One frame. The bytes of a picture are copied once, into the frame.

    Raises `BadValue` when a number or a text cannot be written.
    """
    pieces: List[Buffer] = []
    _write(message, pieces)
    return b"".join(pieces)


def _write(value: object, pieces: List[Buffer]) -> None:
    layout = _layout(type(value))
    if layout is not None:
        head, keys = layout
        pieces.append(head)
        for name, key in keys:
            pieces.append(key)
            _write(getattr(value, name), pieces)
    elif isinstance(value, Enum):
        write_value(value.value, pieces)
    elif isinstance(value, (tuple, list)):
        write_array_size(len(value), pieces)
        for item in value:
            _write(item, pieces)
    elif isinstance(value, dict):
        write_map_size(len(value), pieces)
        for key, item in value.items():
            write_value(key, pieces)
            _write(item, pieces)
    else:
        write_value(value, pieces)


_Layout = Tuple[bytes, Tuple[Tuple[str, bytes], ...]]
_LAYOUTS: Dict[type, Union[_Layout, None]] = {}


def _layout(kind: type) -> Union[_Layout, None]:
    """Map head (with the tag, if the class has one) and field names as written; None for other classes."""
    if kind not in _LAYOUTS:
        _LAYOUTS[kind] = _make_layout(kind) if is_dataclass(kind) else None
    return _LAYOUTS[kind]


def _make_layout(kind: type) -> _Layout:
    tag = getattr(kind, "type", None)
    head: List[Buffer] = []
    keys = []
    for field in fields(kind):
        key: List[Buffer] = []
        write_value(field.name, key)
        keys.append((field.name, b"".join(key)))
    write_map_size(len(keys) + (tag is not None), head)
    if tag is not None:
        write_value("type", head)
        write_value(tag, head)
    return b"".join(head), tuple(keys)


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────


def decode_server(frame: Buffer, copy_below: Optional[int] = None) -> ServerMessage:
    """A message of the server. Raises `MalformedFrame`, or `UnknownMessage` for a tag of a newer version.

    `copy_below`: pixels of at least so many bytes come as memoryviews of `frame`, for a caller that moves
    them on before the frame's buffer is used again.
    """
    return cast(ServerMessage, _decode(Reader(frame, copy_below), _SERVER))


def decode_client(frame: Buffer) -> ClientMessage:
    """A message of a client. Raises `MalformedFrame`, or `UnknownMessage` for a tag of a newer version."""
    return cast(ClientMessage, _decode(Reader(frame), _CLIENT))


def _decode(reader: Reader, known: Mapping[str, _Read]) -> object:
    tag = _tag(reader)
    read = known.get(tag)
    if read is None:
        raise UnknownMessage(
            f"This version knows no message called “{tag[:40]}”. Bring both sides up to date."
        )
    message: object = read(reader)
    reader.end()
    return message


def _tag(reader: Reader) -> str:
    """The value of `type` in the map that comes next. Leaves the reader before the map."""
    start = reader.at
    for _ in range(reader.map_size()):
        if reader.text() == "type":
            tag = reader.text()
            reader.at = start
            return tag
        reader.skip()
    raise MalformedFrame("A message lacks its type.")


def _reader_of(hint: Any) -> _Read:
    """The function that reads a value of this type hint."""
    if hint in _PLAIN:
        return _PLAIN[hint]
    origin, arguments = getattr(hint, "__origin__", None), list(getattr(hint, "__args__", ()))
    if origin is tuple and arguments[1:] == [...]:
        return _tuple_reader(_reader_of(arguments[0]))
    if origin is dict and arguments[0] is str:
        return _dict_reader(_reader_of(arguments[1]))
    if origin is Union:
        return _union_reader(arguments)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _enum_reader(hint)
    if isinstance(hint, type) and is_dataclass(hint):
        return _dataclass_reader(hint)
    raise TypeError(f"messages cannot hold {hint}")


_PLAIN: Dict[Any, _Read] = {
    bool: Reader.boolean,
    int: Reader.integer,
    float: Reader.number,
    str: Reader.text,
    bytes: Reader.binary,
}


def _tuple_reader(read: _Read) -> _Read:
    return lambda reader: tuple([read(reader) for _ in range(reader.array_size())])


def _dict_reader(read: _Read) -> _Read:
    return lambda reader: {reader.text(): read(reader) for _ in range(reader.map_size())}


def _enum_reader(kind: Type[Enum]) -> _Read:
    members = {member.value: member for member in kind}

    def read(reader: Reader) -> Enum:
        value = reader.text()
        if value not in members:
            raise MalformedFrame(f"“{value[:40]}” is no {kind.__name__}.")
        return members[value]

    return read


def _union_reader(arguments: List[Any]) -> _Read:
    """Optional[X], or Optional[Union[...]] of dataclasses told apart by their tags."""
    members = [argument for argument in arguments if argument is not type(None)]
    if len(members) == len(arguments):
        raise TypeError("a field of several types must be optional")
    if len(members) == 1:
        only = _reader_of(members[0])
        return lambda reader: None if reader.nil() else only(reader)
    by_tag = {member.type: _reader_of(member) for member in members}

    def read(reader: Reader) -> object:
        if reader.nil():
            return None
        tag = _tag(reader)
        if tag not in by_tag:
            raise MalformedFrame(f"“{tag[:40]}” is not one of {', '.join(by_tag)}.")
        return by_tag[tag](reader)

    return read


_CLASSES: Dict[type, _Read] = {}


def _dataclass_reader(kind: type) -> _Read:
    if kind not in _CLASSES:
        _CLASSES[kind] = _make_dataclass_reader(kind)
    return _CLASSES[kind]


def _make_dataclass_reader(kind: type) -> _Read:
    hints = get_type_hints(kind)
    readers = {field.name: _reader_of(hints[field.name]) for field in fields(kind)}
    required = {
        field.name for field in fields(kind) if field.default is MISSING and field.default_factory is MISSING
    }

    def read(reader: Reader) -> object:
        values: Dict[str, Any] = {}
        for _ in range(reader.map_size()):
            name = reader.text()
            read_field = readers.get(name)
            if read_field is None:
                reader.skip()
            else:
                values[name] = read_field(reader)
        if not required <= values.keys():
            missing = ", ".join(sorted(required - values.keys()))
            raise MalformedFrame(f"A {kind.__name__} lacks {missing}.")
        return kind(**values)

    return read


_SERVER = {tag: _dataclass_reader(kind) for tag, kind in SERVER_MESSAGES.items()}
_CLIENT = {tag: _dataclass_reader(kind) for tag, kind in CLIENT_MESSAGES.items()}
