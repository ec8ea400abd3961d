"""Monotonic alignment search: which frames belong to which phone (Glow-TTS, Kim et al. 2020)."""

from __future__ import annotations

import functools
import logging
import math
import os
import shutil
from collections.abc import Callable

import numba
import numpy as np
import torch
from torch import Tensor

from sovits.errors import SovitsError

log = logging.getLogger(__name__)


def gaussian_log_likelihood(latent: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """Log density of every frame under every phone's diagonal Gaussian, as matrix products in float32.

    Args:
        latent: [B, C, T_frames].
        mean: [B, C, T_text].
        log_std: [B, C, T_text].

    Returns:
        [B, T_text, T_frames]; in memory the phones of a frame lie side by side, as :func:`monotonic_alignment` reads them.
    """
    with torch.autocast(latent.device.type, enabled=False):
        latent, mean, log_std = latent.float(), mean.float(), log_std.float()
        precision = (-2 * log_std).exp()
        weighted_mean = mean * precision
        constant = (-0.5 * mean * weighted_mean - log_std).sum(1, keepdim=True) - 0.5 * math.log(2 * math.pi) * mean.shape[1]
        frames = latent.transpose(1, 2)
        squares = torch.baddbmm(constant, frames.square(), precision, alpha=-0.5)
        # Into the same memory: filling it anew costs as much as the search.
        return squares.baddbmm_(frames, weighted_mean).transpose(1, 2)


def monotonic_alignment(log_likelihood: Tensor, text_lengths: Tensor, frame_lengths: Tensor) -> Tensor:
    """The likeliest alignment in which phones follow in order and each holds at least one frame.

    Of equally likely ones, that in which late phones begin earliest. On a CUDA device the search runs there, without waiting for it,
    and finds the same alignment bit for bit.

    Args:
        log_likelihood: [B, T_text, T_frames].
        text_lengths: [B] phones; at least one, and at most as many as frames.
        frame_lengths: [B].

    Returns:
        [B, T_text, T_frames] of zeros and ones, each valid frame under exactly one phone.

    Raises:
        SovitsError: a clip has no alignment. Not on CUDA, where looking would mean waiting: there its last phones get all of its frames.
    """
    if log_likelihood.is_cuda and (search := _cuda_search()) is not None:
        return search(log_likelihood.detach(), text_lengths, frame_lengths)
    # Nothing is copied if the phones of a frame lie side by side already.
    scores = log_likelihood.detach().float().cpu().transpose(1, 2).contiguous()
    phones, frames = text_lengths.cpu().numpy(), frame_lengths.cpu().numpy()
    _check_lengths(phones, frames, *log_likelihood.shape[1:])
    path = torch.zeros_like(scores)
    _search(scores.numpy(), path.numpy(), phones, frames)
    return path.transpose(1, 2).to(log_likelihood.device, log_likelihood.dtype)


def _check_lengths(phones: np.ndarray, frames: np.ndarray, most_phones: int, most_frames: int) -> None:
    wrong = (phones < 1) | (phones > most_phones) | (frames < phones) | (frames > most_frames)
    if wrong.any():
        clip = int(wrong.argmax())
        raise SovitsError(
            f"Clip {clip} of the batch has {phones[clip]} phones and {frames[clip]} frames in scores for {most_phones} phones and "
            f"{most_frames} frames, but alignment needs at least one phone and a frame for each; leave the clip out."
        )


@functools.cache
def _cuda_search() -> Callable[[Tensor, Tensor, Tensor], Tensor] | None:
    """The search on the device; None, with a warning once, where Triton cannot compile it."""
    remedy = "each step waits for a search on the CPU until then"
    # Triton compiles its launcher with this compiler.
    if not any(map(shutil.which, [os.environ["CC"]] if "CC" in os.environ else ["gcc", "clang"])):
        log.warning("Alignment cannot be searched on the GPU without a C compiler; install gcc or set CC (%s).", remedy)
        return None
    try:
        from sovits.modules.alignment_triton import search
    except ImportError as error:
        log.warning("Alignment cannot be searched on the GPU without Triton: %s; install triton (%s).", error, remedy)
        return None
    return search


# Not in parallel: numba's threads would wait actively beside torch's and slow all else, and the search is a thousandth of a step.
@numba.njit(cache=True, nogil=True)
def _search(
    scores: np.ndarray, path: np.ndarray, text_lengths: np.ndarray, frame_lengths: np.ndarray
) -> None:  # pragma: no cover - compiled
    """Scores [B, T_frames, T_text] -> ones in ``path``, of the same shape."""
    clips, frames, phones = scores.shape
    advanced = np.empty((frames, phones), np.bool_)
    # Totals of the frame before and of this one, each behind a phone that can never be.
    totals = np.empty((2, phones + 1), np.float32)
    for clip in range(clips):
        _forward(scores[clip], advanced, totals, text_lengths[clip], frame_lengths[clip])
        _backward(advanced, path[clip], text_lengths[clip], frame_lengths[clip])


@numba.njit(cache=True, nogil=True)
def _forward(scores: np.ndarray, advanced: np.ndarray, totals: np.ndarray, phones: int, frames: int) -> None:  # pragma: no cover - compiled
    """Writes to ``advanced[j, i]`` whether the best path with frame j under phone i had frame j - 1 under phone i - 1."""
    totals[:] = -np.inf
    totals[0, 1] = scores[0, 0]
    for frame in range(1, frames):
        # Phones beyond `frame` cannot have begun; phones before the lower bound could not leave frames for the rest.
        first, end = max(0, phones + frame - frames), min(phones, frame + 1)
        before, now = totals[(frame - 1) % 2], totals[frame % 2]
        # A frame's phones do not depend on one another, so this loop becomes vector instructions. It must stay this plain for that.
        advance, stay, best = before[first:end], before[first + 1 : end + 1], now[first + 1 : end + 1]
        score, choice = scores[frame, first:end], advanced[frame, first:end]
        for phone in range(len(best)):
            better = advance[phone] > stay[phone]
            choice[phone] = better
            best[phone] = score[phone] + (advance[phone] if better else stay[phone])


@numba.njit(cache=True, nogil=True)
def _backward(advanced: np.ndarray, path: np.ndarray, phones: int, frames: int) -> None:  # pragma: no cover - compiled
    phone = phones - 1
    for frame in range(frames - 1, -1, -1):
        path[frame, phone] = 1.0
        if phone > 0 and (phone == frame or advanced[frame, phone]):
            phone -= 1


def durations_to_path(durations: Tensor, n_frames: int) -> Tensor:
    """Whole durations [B, T_text] in frames -> alignment [B, T_text, n_frames] of zeros and ones."""
    ends = durations.cumsum(1)
    frames = torch.arange(n_frames, device=durations.device)
    return ((frames < ends.unsqueeze(-1)) & (frames >= (ends - durations).unsqueeze(-1))).float()
