"""What a decoder learns that is told the pitch: to read it in latents, those of recordings and those drawn for a text."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from sovits import losses
from sovits.data.batch import Batch
from sovits.modules.layers.masking import length_mask
from sovits.modules.synthesizer import Synthesizer, SynthesizerOutput

PITCH_WEIGHT = 15.0
"""Of the losses ``pitch`` and ``melody`` where nobody says another."""
PITCH_LOSSES = ("pitch", "melody")
"""Those of a decoder that is told the pitch: of latents of the recordings, and of latents drawn for their texts."""


def resolved_weights(weights: Mapping[str, float | None], synthesizer: Synthesizer) -> dict[str, float]:
    """``weights`` with numbers for ``PITCH_LOSSES``."""
    usual = PITCH_WEIGHT if synthesizer.decoder.hears_pitch else 0.0
    return {name: usual if name in PITCH_LOSSES and weight is None else weight for name, weight in weights.items()}  # type: ignore[misc]


def pitch_losses(
    synthesizer: Synthesizer, weights: Mapping[str, float], batch: Batch, output: SynthesizerOutput, voices: Tensor
) -> dict[str, Tensor]:
    """Those of ``PITCH_LOSSES`` that have a weight; none where the pitch of the recordings is not known.

    Melodies are learned in voices that nobody in the batch has, so that they hold for strangers, whose drawn latents are unlike those of
    any voice that was trained; they are validated in the clips' own.
    """
    terms: dict[str, Tensor] = {}
    if (hertz := output.recorded_pitch) is None:
        return terms
    if weights["pitch"] and output.pitch is not None:
        # Heard by all frames of the clips, also by those that nobody says the words of.
        mask = length_mask(batch.frame_lengths, output.pitch.voicing.shape[-1])
        terms["pitch"] = losses.pitch_loss(output.pitch, hertz, mask)
    if weights["melody"]:
        told = voices = voices.detach()
        if synthesizer.training:
            told, hertz = between_voices(voices, hertz)
        if (read := synthesizer.melody(output, voices, told)) is not None:
            terms["melody"] = losses.pitch_loss(read, hertz, output.frame_mask)
    return terms


def between_voices(voices: Tensor, hertz: Tensor) -> tuple[Tensor, Tensor]:
    """Each voice mixed with one of the batch by a random share (mixup, Zhang et al. 2018), and each melody moved to where that speaks.

    A melody keeps its intervals. The height of a mixed voice lies between those of the two, by the same share, in octaves.

    Args:
        voices: [B, E] of norm 1.
        hertz: [B, T_frames] of the recordings, 0 where nothing is voiced.

    Returns:
        voices [B, E] of norm 1, hertz [B, T_frames].
    """
    others = torch.randperm(len(voices), device=voices.device)
    shares = torch.rand(len(voices), device=voices.device)
    voiced = hertz > 0
    heights = (hertz.clamp_min(1.0).log2() * voiced).sum(1) / voiced.sum(1).clamp_min(1)
    known = voiced.any(1)
    # Nobody knows the height of a clip without a voice: whoever would be mixed with it stays as they are.
    shares = shares * (known & known[others])
    mixed = F.normalize(torch.lerp(voices, voices[others], shares[:, None].to(voices)), dim=1)
    octaves = shares * (heights[others] - heights)
    return mixed, hertz * octaves[:, None].exp2()
