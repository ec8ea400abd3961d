"""A monotone, invertible map of the real line, made of rational quadratics (Durkan et al. 2019, "Neural Spline Flows")."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

MIN_BIN = 1e-3
"""Smallest share of the box that one bin may take, in width and in height."""
MIN_SLOPE = 1e-3
"""Smallest slope at a knot."""


def rational_quadratic_spline(values: Tensor, parameters: Tensor, tail_bound: float, inverse: bool = False) -> tuple[Tensor, Tensor]:
    """Maps each value by its own spline inside [-tail_bound, tail_bound], and leaves it as it is outside (section 3.1 of the paper).

    Runs in the precision of ``values`` even under autocast, and reads nothing back from the device.

    Args:
        values: [...].
        parameters: [..., 3 * bins - 1], unconstrained: ``bins`` widths, ``bins`` heights, ``bins - 1`` slopes at the inner knots.
            Zeros give the identity.
        inverse: map back what the spline of the same parameters mapped.

    Returns:
        The mapped values [...], and the logarithm of the slope of the map that was applied [...].
    """
    with torch.autocast(values.device.type, enabled=False):
        # Values beyond the tails are pulled into the box, so that neither branch of the choice below can be infinite or lack a gradient.
        boxed = values.clamp(-tail_bound, tail_bound)
        mapped, log_slope = _map_box(boxed, _Bin(boxed, parameters.to(values.dtype), tail_bound, inverse), inverse)
        inside = values.abs() < tail_bound
        return torch.where(inside, mapped, values), torch.where(inside, log_slope, torch.zeros_like(log_slope))


class _Bin:
    """The bin of each value: its lower left corner (x, y), its width and height, and the slopes at its two knots; each [...]."""

    def __init__(self, boxed: Tensor, parameters: Tensor, tail_bound: float, inverse: bool) -> None:
        n_bins = (parameters.shape[-1] + 1) // 3
        width_logits, height_logits, slope_logits = parameters.split([n_bins, n_bins, n_bins - 1], dim=-1)
        left, right = _knots(width_logits, tail_bound)
        bottom, top = _knots(height_logits, tail_bound)
        # Slope 1 at both ends continues the tails smoothly; the offset makes it the slope of every knot whose logit is 0.
        slopes = MIN_SLOPE + F.softplus(slope_logits + _softplus_inverse(1 - MIN_SLOPE))
        edges = [left, right - left, bottom, top - bottom, F.pad(slopes, (1, 0), value=1.0), F.pad(slopes, (0, 1), value=1.0)]
        # Counting the inner knots below a value gives the number of its bin.
        index = (boxed.unsqueeze(-1) >= (bottom if inverse else left)[..., 1:]).sum(-1)
        table = torch.stack(edges, dim=-2)
        chosen = table.gather(-1, index[..., None, None].expand(*index.shape, len(edges), 1)).squeeze(-1)
        self.x, self.width, self.y, self.height, self.left_slope, self.right_slope = chosen.unbind(-1)


def _knots(logits: Tensor, tail_bound: float) -> tuple[Tensor, Tensor]:
    """[..., bins] -> the lower and the upper edge of every bin, both [..., bins]; the outermost are exactly the bounds."""
    shares = MIN_BIN + (1 - MIN_BIN * logits.shape[-1]) * logits.softmax(-1)
    inner = 2 * tail_bound * shares.cumsum(-1)[..., :-1] - tail_bound
    return F.pad(inner, (1, 0), value=-tail_bound), F.pad(inner, (0, 1), value=tail_bound)


def _softplus_inverse(value: float) -> float:
    return float(torch.expm1(torch.tensor(value, dtype=torch.float64)).log())


def _map_box(boxed: Tensor, own: _Bin, inverse: bool) -> tuple[Tensor, Tensor]:
    """Equations 4 to 8 of the paper; ``position`` is its xi, from 0 to 1 along the bin."""
    slope = own.height / own.width
    bend = own.left_slope + own.right_slope - 2 * slope
    if inverse:
        rise = boxed - own.y
        a = own.height * (slope - own.left_slope) + rise * bend
        b = own.height * own.left_slope - rise * bend
        c = -slope * rise
        # The form of the root that does not subtract nearly equal numbers; rounding must not make the radicand negative.
        position = 2 * c / (-b - (b * b - 4 * a * c).clamp_min(0).sqrt())
    else:
        position = (boxed - own.x) / own.width
    product = position * (1 - position)
    denominator = slope + bend * product
    if inverse:
        mapped = own.x + position * own.width
    else:
        mapped = own.y + own.height * (slope * position**2 + own.left_slope * product) / denominator
    steepness = own.right_slope * position**2 + 2 * slope * product + own.left_slope * (1 - position) ** 2
    log_slope = 2 * slope.log() + steepness.log() - 2 * denominator.log()
    return mapped, -log_slope if inverse else log_slope
