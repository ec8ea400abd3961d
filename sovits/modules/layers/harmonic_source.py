"""Voice and breath before the mouth shapes them: harmonics of a pitch, and noise."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sovits.modules.layers.masking import masked, upsampled

NOISE_FRAMES = 256
"""After which the noise comes again: 6 s at the default hop."""
SILENT_FRAMES = 3
"""Without a voice, before one that sets in has a phase of its own: a frame or two may be a mistake."""


STEPS = 192
"""Of the pitch in an octave, 6 cents each."""


class Start(NamedTuple):
    """Where a part of a clip begins, so that it goes on as the whole clip would."""

    position: Tensor
    """[B] frames of the clip before the part."""
    anchor: Tensor
    """[B] the frame of the part where ``phase`` is known; what lies before it is as if no voice set in there."""
    phase: Tensor
    """[B] cycles at its beginning."""


class HarmonicSource(nn.Module):
    """Equally strong harmonics up to half the sample rate, as in NSF (Wang et al. 2019) without its noise, and white noise beside them.

    Both have unit variance. The phase is a sum over the frames before, so it belongs to a whole clip: :meth:`timeline` makes it, and any
    slice of the timeline sounds as it does in the whole.

    Args:
        sample_rate: Hz.
        hop_length: samples a frame.
        middle: Hz, from which octaves are counted.
    """

    noise: Tensor
    channels = 4
    """Of a timeline: octaves above the middle where each frame begins, the cycles that it gains by its end, its phase, its number."""

    def __init__(self, sample_rate: int, hop_length: int, middle: float) -> None:
        super().__init__()
        self.hop_length = hop_length
        self.middle = middle * hop_length / sample_rate
        """Cycles a frame."""
        noise = torch.randn(NOISE_FRAMES, hop_length, generator=torch.Generator().manual_seed(0))
        self.register_buffer("noise", noise, persistent=False)

    @torch.no_grad()
    def timeline(self, octaves: Tensor, voiced: Tensor, mask: Tensor | None, start: Start | None = None) -> Tensor:
        """What every frame is to sound like.

        A clip must sound the same alone and in a batch, where sums are added up in another order. What that leaves of single precision
        would grow in the phase, and the harmonics multiply it. So the pitch is rounded to small steps, between which it glides; sums are
        of double precision; and the phase begins anew, unheard, where a voice sets in after some frames without one.

        Args:
            octaves: above the middle, at the beginning of each frame [B, 1, T_frames].
            voiced: [B, 1, T_frames] of bool.
            mask: [B, 1, T_frames].
            start: None: the clip begins here.

        Returns:
            [B, channels, T_frames].
        """
        octaves = (octaves * STEPS).round() / STEPS
        cycles = self.middle * octaves.double().exp2()
        follows = F.pad(torch.ones_like(cycles)[..., 1:] if mask is None else mask.double()[..., 1:], (0, 1))
        glide = (F.pad(cycles[..., 1:], (0, 1)) - cycles) * follows
        steps = cycles + glide / 2
        total = steps.cumsum(-1) - steps
        position = torch.arange(cycles.shape[-1], device=cycles.device).expand_as(cycles)
        onsets, before = _sets_in(voiced), torch.zeros_like(total)
        if start is not None:
            anchor = start.anchor[:, None, None]
            onsets &= position > anchor
            before = total.gather(-1, anchor) - start.phase.double()[:, None, None]
            position = position + start.position[:, None, None]
        # The sum at the last onset; before the first, what the clip begins with.
        count = onsets.long().cumsum(-1)
        at_onsets = torch.zeros_like(total).scatter_add(-1, count * onsets, total * onsets)
        phase = total - at_onsets.gather(-1, count).where(count > 0, before)
        phase = phase - phase.floor()
        return torch.cat([octaves, glide.float(), phase.float(), position.float()], dim=1)

    @torch.no_grad()
    def forward(self, timeline: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """[B, channels, T_frames] -> harmonics and noise, [B, 1, T_samples] each."""
        octaves, glide, phase, position = timeline.float().unsqueeze(-1).unbind(1)
        cycles = (self.middle * octaves.double().exp2()).float()
        within = torch.arange(self.hop_length, device=timeline.device) / self.hop_length
        # The pitch changes evenly within a frame.
        turns = phase + within * (cycles + within * glide / 2)
        count = (self.hop_length / 2 / torch.maximum(cycles, cycles + glide)).floor().clamp_min(1)
        harmonics = (2 / count).sqrt() * _cosines(turns - turns.round(), count)
        noise = F.embedding(position.squeeze(-1).remainder(NOISE_FRAMES).long(), self.noise)
        audible = upsampled(mask, self.hop_length)
        sources = (masked(source.flatten(1).unsqueeze(1), audible) for source in (harmonics, noise))
        return next(sources), next(sources)


def _sets_in(voiced: Tensor) -> Tensor:
    """[B, 1, T] of bool: where a voice begins after ``SILENT_FRAMES`` without one, not counting those before the first."""
    padded = F.pad(voiced.float(), (SILENT_FRAMES, 0), value=1.0)
    # Not a pooling: exporters take its length for a constant.
    before = sum(padded[..., shift : shift - SILENT_FRAMES] for shift in range(SILENT_FRAMES))
    return voiced & (before == 0)


def _cosines(turns: Tensor, count: Tensor) -> Tensor:
    """The sum of cos(2 pi k ``turns``) for k from 1 to ``count``, by Dirichlet's kernel; ``turns`` from -1/2 to 1/2."""
    ends = turns.abs() < 1e-6
    turns = turns.where(~ends, torch.full_like(turns, 0.25))
    kernel = ((2 * count + 1) * math.pi * turns).sin() / (math.pi * turns).sin()
    return (kernel.where(~ends, (2 * count + 1).expand_as(kernel)) - 1) / 2
