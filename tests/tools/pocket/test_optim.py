"""The optimiser's parts that a wrong constant would spoil silently."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.pocket import optim


@given(st.integers(2, 40), st.integers(2, 40), st.integers(0, 100))
@settings(max_examples=30, deadline=None)
def test_an_update_is_nearly_orthogonal(rows, columns, seed):
    matrix = torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))
    matrix = matrix + 2 * torch.eye(rows, columns)  # well conditioned, as Newton–Schulz wants it
    values = torch.linalg.svdvals(optim.orthogonalise(matrix).float())
    assert values.max() < 1.35
    assert values.mean() > 0.6


def test_muon_walks_down_a_bowl():
    weight = torch.nn.Parameter(torch.full((4, 6), 3.0))
    optimizer = optim.Muon([weight], lr=0.05)
    for _ in range(400):
        optimizer.zero_grad()
        weight.square().sum().backward()
        optimizer.step()
    assert weight.detach().abs().max() < 1.0


def test_the_learning_rate_warms_up_holds_and_decays_to_two_percent():
    assert optim.decay(0.0) < 0.05
    assert optim.decay(0.3) == 1.0
    assert optim.decay(1.0) == pytest.approx(0.02)


def test_every_trained_parameter_has_one_optimiser():
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2))
    inner, rest = optim.split(module, ("0.",))
    assert {id(p) for p in (*inner, *rest)} == {id(p) for p in module.parameters()}
    assert [tuple(p.shape) for p in inner] == [(2, 4)]
