import pytest
import torch
from torch import Tensor

from sovits.modules.layers.spline import rational_quadratic_spline

BOUND = 5.0


def drawn(dtype: torch.dtype = torch.float64, n_bins: int = 10) -> tuple[Tensor, Tensor]:
    """Values inside and outside the tails, and random parameters for each."""
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(4, 200, generator=generator, dtype=dtype) * 4
    return values, torch.randn(4, 200, 3 * n_bins - 1, generator=generator, dtype=dtype)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
def test_inverse_undoes_forward_and_its_log_slope_cancels(dtype: torch.dtype, tolerance: float) -> None:
    values, parameters = drawn(dtype)
    # Where the map is flat its inverse magnifies rounding by 1 / slope; halving keeps the slopes above about 1 / 20.
    parameters = parameters / 2
    mapped, log_slope = rational_quadratic_spline(values, parameters, BOUND)
    back, log_slope_back = rational_quadratic_spline(mapped, parameters, BOUND, inverse=True)
    assert (mapped - values).abs().max() > 1
    assert (back - values).abs().max() < tolerance
    assert (log_slope + log_slope_back).abs().max() < 10 * tolerance


@pytest.mark.parametrize("inverse", [False, True])
def test_log_slope_is_that_of_automatic_differentiation(inverse: bool) -> None:
    values, parameters = drawn()
    values.requires_grad_()
    mapped, log_slope = rational_quadratic_spline(values, parameters, BOUND, inverse)
    (slope,) = torch.autograd.grad(mapped.sum(), values)
    torch.testing.assert_close(log_slope, slope.log(), rtol=1e-9, atol=1e-9)
    assert log_slope.abs().max() > 1


def test_values_outside_the_tails_stay_and_those_inside_stay_inside() -> None:
    values, parameters = drawn()
    mapped, log_slope = rational_quadratic_spline(values, parameters, BOUND)
    outside = values.abs() >= BOUND
    assert outside.any()
    assert torch.equal(mapped[outside], values[outside])
    assert not log_slope[outside].any()
    assert (mapped[~outside].abs() < BOUND).all()


@pytest.mark.parametrize("inverse", [False, True])
def test_map_rises_without_a_jump_and_meets_the_tails_with_slope_one(inverse: bool) -> None:
    grid = torch.linspace(-6, 6, 120_001, dtype=torch.float64)
    parameters = torch.randn(29, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    mapped, log_slope = rational_quadratic_spline(grid, parameters.expand(len(grid), -1), BOUND, inverse)
    steps = mapped.diff()
    assert (steps > 0).all()
    # The mean of the slopes at both ends of a small step is the step, also across knots and tails.
    torch.testing.assert_close(steps, (log_slope.exp()[1:] + log_slope.exp()[:-1]) / 2 * grid.diff(), rtol=2e-2, atol=1e-12)


def test_zero_parameters_are_the_identity() -> None:
    values, parameters = drawn()
    for inverse in (False, True):
        mapped, log_slope = rational_quadratic_spline(values, torch.zeros_like(parameters), BOUND, inverse)
        torch.testing.assert_close(mapped, values, rtol=0, atol=1e-12)
        torch.testing.assert_close(log_slope, torch.zeros_like(values), rtol=0, atol=1e-12)


def test_one_bin_of_the_paper_s_equation() -> None:
    """Two bins with equal shares and slopes 1, s, 1: the value at a quarter of the first bin, worked out by hand."""
    slope_logit = torch.tensor(0.7, dtype=torch.float64)
    parameters = torch.stack([torch.zeros(()), torch.zeros(()), torch.zeros(()), torch.zeros(()), slope_logit]).double()
    knot = 1e-3 + torch.log1p((slope_logit + torch.expm1(torch.tensor(0.999, dtype=torch.float64)).log()).exp())
    mapped, _ = rational_quadratic_spline(torch.tensor([-3.75], dtype=torch.float64), parameters[None], BOUND)
    expected = -5 + 5 * (0.0625 + 0.1875) / (1 + (knot + 1 - 2) * 0.1875)
    assert float(mapped) == pytest.approx(float(expected), abs=1e-12)


def test_gradients_stay_finite_on_the_bounds_and_far_outside() -> None:
    values = torch.tensor([-1e6, -BOUND, -4.999999, 0.0, 4.999999, BOUND, 1e6], requires_grad=True)
    parameters = (20 * torch.randn(7, 29, generator=torch.Generator().manual_seed(2))).requires_grad_()
    mapped, log_slope = rational_quadratic_spline(values, parameters, BOUND)
    (mapped.sum() + log_slope.sum()).backward()
    assert values.grad is not None
    assert parameters.grad is not None
    assert values.grad.isfinite().all()
    assert parameters.grad.isfinite().all()
    assert values.grad[[0, -1]].tolist() == [1, 1]


def test_half_precision_parameters_are_computed_in_the_precision_of_the_values() -> None:
    values, parameters = drawn(torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mapped, log_slope = rational_quadratic_spline(values, parameters.bfloat16(), BOUND)
    assert mapped.dtype == log_slope.dtype == torch.float32
    expected, _ = rational_quadratic_spline(values, parameters.bfloat16().float(), BOUND)
    assert torch.equal(mapped, expected)
