"""Looking into a safetensors file without mapping its tensors.

Format: 8 bytes little-endian header length n, n bytes of JSON {name: {dtype, shape, data_offsets}}, then the
data. A file whose header does not account for every byte is cut short or forged, and is refused before
anything maps it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

# The reference implementation's own bound.
_MAX_HEADER_BYTES = 100_000_000
_BITS: Mapping[str, int] = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0"), 8),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
    **dict.fromkeys(("U32", "I32", "F32"), 32),
    **dict.fromkeys(("U64", "I64", "F64"), 64),
}


class BrokenWeights(ValueError):
    """The text says what is wrong with the file, for a sentence that names it."""


@dataclass(frozen=True)
class WeightsHeader:
    """What a header promises. `values` counts the numbers in all tensors."""

    shapes: Mapping[str, tuple[int, ...]]
    values: int


def read_header(path: Path) -> WeightsHeader:
    """Reads and checks the header against the file's size. Raises `BrokenWeights`."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, _MAX_HEADER_BYTES):
            raise BrokenWeights("is cut short or is no safetensors file")
        raw = file.read(length)
    try:
        header = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise BrokenWeights("has a damaged header") from error
    if not isinstance(header, dict):
        raise BrokenWeights("has a damaged header")
    tensors = {name: _tensor(entry) for name, entry in header.items() if name != "__metadata__"}
    _check_cover(sorted(span for _, span in tensors.values()), size - 8 - length)
    shapes = {name: shape for name, (shape, _) in tensors.items()}
    return WeightsHeader(shapes, sum(prod(shape) for shape in shapes.values()))


def _tensor(entry: object) -> tuple[tuple[int, ...], tuple[int, int]]:
    """Shape and byte span of one tensor, checked against each other."""
    if not isinstance(entry, dict):
        raise BrokenWeights("has a damaged header")
    shape, span = _whole_numbers(entry.get("shape")), _whole_numbers(entry.get("data_offsets"))
    bits = _BITS.get(str(entry.get("dtype")))
    if bits is None:
        raise BrokenWeights(f"holds numbers of an unknown type ({entry.get('dtype')})")
    if len(span) != 2 or span[1] - span[0] != prod(shape) * bits // 8:
        raise BrokenWeights("has a header that contradicts itself")
    return shape, (span[0], span[1])


def _whole_numbers(value: object) -> tuple[int, ...]:
    if not isinstance(value, list) or not all(type(number) is int and number >= 0 for number in value):
        raise BrokenWeights("has a damaged header")
    return tuple(value)


def _check_cover(spans: list[tuple[int, int]], data_bytes: int) -> None:
    """The spans must lie end to end and fill the data exactly."""
    reached = 0
    for start, stop in spans:
        if start != reached:
            raise BrokenWeights("has a header that contradicts itself")
        reached = stop
    if reached > data_bytes:
        raise BrokenWeights(f"is cut short: {data_bytes} of {reached} bytes are there")
    if reached < data_bytes:
        raise BrokenWeights("is longer than its header says")
