"""Monotonic alignment search: which frames belong to which phone (Glow-TTS, Kim et al. 2020)."""

from __future__ import annotations

import math

import numba
import numpy as np
import torch
from torch import Tensor


def gaussian_log_likelihood(latent: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """Log density of every frame under every phone's diagonal Gaussian, as matrix products in float32.

    Args:
        latent: [B, C, T_frames].
        mean: [B, C, T_text].
        log_std: [B, C, T_text].

    Returns:
        [B, T_text, T_frames].
    """
    with torch.autocast(latent.device.type, enabled=False):
        latent, mean, log_std = latent.float(), mean.float(), log_std.float()
        precision = (-2 * log_std).exp()
        constant = (-0.5 * math.log(2 * math.pi) - log_std - 0.5 * mean**2 * precision).sum(1)
        square = -0.5 * precision.transpose(1, 2) @ latent**2
        cross = (mean * precision).transpose(1, 2) @ latent
        return constant.unsqueeze(-1) + square + cross


def monotonic_alignment(log_likelihood: Tensor, text_lengths: Tensor, frame_lengths: Tensor) -> Tensor:
    """The likeliest alignment in which phones follow in order and each holds at least one frame.

    Args:
        log_likelihood: [B, T_text, T_frames].
        text_lengths: [B] phones; at most as many as frames.
        frame_lengths: [B].

    Returns:
        [B, T_text, T_frames] of zeros and ones, each valid frame under exactly one phone.
    """
    # A copy: the search overwrites its scores.
    scores = np.array(log_likelihood.detach().float().cpu().numpy(), order="C")
    path = np.zeros_like(scores)
    _search(scores, path, text_lengths.cpu().numpy(), frame_lengths.cpu().numpy())
    return torch.from_numpy(path).to(log_likelihood.device, log_likelihood.dtype)


# Not in parallel: numba's threads would wait actively beside torch's and slow all else, and the search is a thousandth of a step.
@numba.njit(cache=True)
def _search(
    scores: np.ndarray, path: np.ndarray, text_lengths: np.ndarray, frame_lengths: np.ndarray
) -> None:  # pragma: no cover - compiled
    for clip in range(scores.shape[0]):
        _search_clip(scores[clip], path[clip], text_lengths[clip], frame_lengths[clip])


@numba.njit(cache=True)
def _search_clip(scores: np.ndarray, path: np.ndarray, phones: int, frames: int) -> None:  # pragma: no cover - compiled
    """Overwrites ``scores[i, j]`` by the best total that ends with frame j under phone i, then walks back."""
    for frame in range(frames):
        # Phones beyond `frame` cannot have begun; phones before the lower bound could not leave frames for the rest.
        for phone in range(max(0, phones + frame - frames), min(phones, frame + 1)):
            stay = scores[phone, frame - 1] if frame > phone else -np.inf
            advance = scores[phone - 1, frame - 1] if phone > 0 else -np.inf
            if frame > 0:
                scores[phone, frame] += max(stay, advance)
    phone = phones - 1
    for frame in range(frames - 1, -1, -1):
        path[phone, frame] = 1.0
        if phone > 0 and (phone == frame or scores[phone - 1, frame - 1] > scores[phone, frame - 1]):
            phone -= 1


def durations_to_path(durations: Tensor, n_frames: int) -> Tensor:
    """Whole durations [B, T_text] in frames -> alignment [B, T_text, n_frames] of zeros and ones."""
    ends = durations.cumsum(1)
    frames = torch.arange(n_frames, device=durations.device)
    return ((frames < ends.unsqueeze(-1)) & (frames >= (ends - durations).unsqueeze(-1))).float()
