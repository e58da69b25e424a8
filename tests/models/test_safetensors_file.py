"""A weights file is measured before anything maps it."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from impasto_server.models.safetensors_file import BrokenWeights, read_header
from safetensors.numpy import save_file


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "weights.safetensors"
    save_file({"a": np.zeros((3, 5), np.float16), "b": np.zeros(7, np.float32), "c": np.zeros(())}, path)
    return path


def forge(path: Path, header: object, data: bytes = b"") -> Path:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(raw)) + raw + data)
    return path


def tensor(shape: object, span: object, dtype: object = "F32") -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": span}


def test_a_sound_file_tells_its_shapes(weights: Path) -> None:
    header = read_header(weights)
    assert header.shapes == {"a": (3, 5), "b": (7,), "c": ()}
    assert header.values == 23


def test_any_cut_is_found(weights: Path) -> None:
    whole = weights.read_bytes()
    for length in range(len(whole)):
        weights.write_bytes(whole[:length])
        with pytest.raises(BrokenWeights):
            read_header(weights)
    weights.write_bytes(whole + b"\0")
    with pytest.raises(BrokenWeights, match="longer"):
        read_header(weights)


@pytest.mark.parametrize(
    "header",
    [
        b"[]",
        b"not json",
        b"\xff\xfe",
        b"[" * 100_000,
        {"a": []},
        {"a": tensor([2], [0, 4])},
        {"a": tensor([-1], [0, 4])},
        {"a": tensor([1], [0, 4], "F128")},
        {"a": tensor([True], [0, 4])},
        {"a": tensor([1], [4, 8])},
        {"a": tensor([1], [0, 4]), "b": tensor([1], [0, 4])},
        {"a": tensor([1], [4, 0])},
        {"a": tensor([1.0], [0, 4])},
        {"a": tensor(None, None)},
        {"a": tensor([2**62, 2**62], [0, 4])},
        {},
    ],
)
def test_headers_that_lie_are_refused(tmp_path: Path, header: object) -> None:
    with pytest.raises(BrokenWeights):
        read_header(forge(tmp_path / "x.safetensors", header, bytes(4)))


def test_a_huge_header_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", 2**40))
        file.truncate(1 << 30)  # sparse
    with pytest.raises(BrokenWeights, match="cut short"):
        read_header(path)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=st.binary(max_size=200))
def test_garbage_is_refused_with_one_kind_of_error(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(raw)
    with pytest.raises(BrokenWeights):
        read_header(path)
