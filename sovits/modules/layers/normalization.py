"""Layer norm over channels, and weight norm that can be folded away."""

from __future__ import annotations

from typing import TypeVar

from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

M = TypeVar("M", bound=nn.Module)


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation (Ba et al. 2016) over the channels of [B, C, T]."""

    def forward(self, values: Tensor) -> Tensor:
        return super().forward(values.transpose(1, 2)).transpose(1, 2)


def fold_weight_norm(module: M) -> M:
    """Replaces every weight-normalised weight below ``module`` by its plain value, in place; outputs do not change."""
    for layer in module.modules():
        if parametrize.is_parametrized(layer, "weight"):
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)
    return module


def same_padding(kernel_size: int, dilation: int = 1) -> int:
    """Padding that keeps the length of an odd, stride-1 convolution."""
    return dilation * (kernel_size - 1) // 2


LEAKY_SLOPE = 0.1


def leaky(values: Tensor) -> Tensor:
    """The leaky ReLU of HiFi-GAN (slope 0.1), used by its decoder and discriminators."""
    return F.leaky_relu(values, LEAKY_SLOPE)
