"""Weights of a model with voices of one size, for a model with voices of another: encoder and listeners go on understanding one another."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

ENCODER = "synthesizer.speaker_encoder.encoder.network."
LAST, LAST_NORM = f"{ENCODER}fc.conv.", f"{ENCODER}asp_bn.norm."
DIRECTION, LENGTH = "parametrizations.weight.original1", "parametrizations.weight.original0"


def resized_voices(weights: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], str | None]:
    """``weights`` with voices of the size that ``own`` has, where both have a speaker encoder that is trained here.

    Larger voices get zeros, and mean what they meant. Smaller ones keep the directions in which the encoder's voices are largest, by the
    statistics of its last norm (principal components, which a change of basis on both sides leaves without effect); what is lost is told.

    Args:
        weights: a checkpoint's.
        own: names and shapes of the model that begins with them.

    Returns:
        The weights, and a line about it, or None where nothing changed.
    """
    last = f"{LAST}weight"
    if last not in weights or last not in own or len(weights[last]) == len(own[last]):
        return dict(weights), None
    there, here = len(weights[last]), len(own[last])
    basis, kept = _basis(weights, there, here)
    found = dict(weights)
    for name in weights.keys() & own.keys():
        if name.startswith(LAST):
            found[name] = torch.tensordot(basis.T, weights[name].float(), 1).to(weights[name].dtype)
        elif weights[name].shape != own[name].shape and weights[name].shape[-1] == there and own[name].shape[-1] == here:
            found[name] = (weights[name].float() @ basis).to(weights[name].dtype)
            if name.endswith(DIRECTION):
                # A direction's own length has no say beside the weight's; without the lost part it is shorter.
                length = name.replace(DIRECTION, LENGTH)
                found[length] = weights[length] * found[name].norm(dim=-1, keepdim=True) / weights[name].norm(dim=-1, keepdim=True)
    return found, f"voices of {there} numbers become {here}, with {kept:.1%} of what they tell"


def _basis(weights: Mapping[str, Tensor], there: int, here: int) -> tuple[Tensor, float]:
    """[there, here] with orthonormal columns or rows, and the share of the voices' mean square that it keeps."""
    if here > there:
        return torch.eye(there, here), 1.0
    matrix, bias = weights[f"{LAST}weight"].float().squeeze(-1), weights[f"{LAST}bias"].float()
    scale, shift = weights[f"{LAST_NORM}weight"].float(), weights[f"{LAST_NORM}bias"].float()
    mean = matrix @ shift + bias
    values, vectors = torch.linalg.eigh((matrix * scale**2) @ matrix.T + torch.outer(mean, mean))
    return vectors[:, -here:], float(values[-here:].sum() / values.sum())
