"""The field of the particles: its derivatives, term by term, and its bound."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from lw_rl.training.particle_field import (
    field,
    field_value,
    lipschitz_bound,
    median_bandwidth,
)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def particles(m=6, n=4, d=3):
    p, s, x = (torch.randn(2, k, d, dtype=torch.float64) for k in (m, m, n))
    return x, p, s, torch.tensor([0.7, 1.3], dtype=torch.float64)


@pytest.mark.parametrize("d", [1, 2, 5])
def test_jacobian_and_divergence_are_those_of_the_field(d):
    x, p, s, sigma2 = particles(d=d)
    at = field(x, p, s, sigma2, jacobian=True)
    # [d, batch, n, d]: each point's value depends on no other point.
    exact = torch.autograd.functional.jacobian(
        lambda y: field(y, p, s, sigma2).value.sum((0, 1)), x
    )
    assert torch.allclose(exact.permute(1, 2, 0, 3), at.jacobian, atol=1e-12)
    trace = at.jacobian.diagonal(dim1=-2, dim2=-1).sum(-1)
    assert torch.allclose(trace, at.divergence, atol=1e-12)


def test_field_is_that_of_liu_and_wang_term_by_term():
    x, p, s, sigma2 = particles()
    expected = torch.zeros_like(x)
    for b in range(2):
        for i in range(x.shape[1]):
            for j in range(p.shape[1]):
                apart = x[b, i] - p[b, j]
                k = torch.exp(-apart @ apart / (2 * sigma2[b]))
                expected[b, i] += (k * s[b, j] + k * apart / sigma2[b]) / p.shape[1]
    assert torch.allclose(field(x, p, s, sigma2).value, expected, atol=1e-12)
    assert torch.allclose(field_value(x, p, s, sigma2), expected, atol=1e-12)


def test_divergence_without_the_own_term_is_theorem_3_3():
    _, p, s, sigma2 = particles()
    d, m = p.shape[2], p.shape[1]
    expected = torch.zeros(p.shape[:2], dtype=p.dtype)
    for b in range(2):
        for i in range(m):
            for j in set(range(m)) - {i}:
                apart = p[b, i] - p[b, j]
                k = torch.exp(-apart @ apart / (2 * sigma2[b]))
                term = apart @ s[b, j] + apart @ apart / sigma2[b] - d
                expected[b, i] -= k * term / (m * sigma2[b])
    assert torch.allclose(field(p, p, s, sigma2, own=False).divergence, expected, atol=1e-12)


def test_no_jacobian_exceeds_the_lipschitz_bound():
    _, p, s, sigma2 = particles()
    x = 2.0 * torch.randn(2, 500, 3, dtype=torch.float64)
    found = torch.linalg.matrix_norm(field(x, p, s, sigma2, jacobian=True).jacobian, 2)
    bound = lipschitz_bound(s, sigma2)
    assert (found <= bound[:, None]).all()
    assert (found.max(1).values > 0.05 * bound).all(), "a bound that means something"


def test_median_rule():
    p = torch.tensor([[[0.0], [1.0], [3.0]]])
    assert median_bandwidth(p).item() == pytest.approx(2.0 / math.sqrt(2 * math.log(4)))
