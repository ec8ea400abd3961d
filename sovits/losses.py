"""What the two players minimise: scalars in float32, averaged so that the size of batch and clips does not change their scale."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sovits.audio.spectrogram import MelSpectrogram, log_compress
from sovits.modules.decoder import Pitch
from sovits.modules.discriminators import Verdict
from sovits.modules.synthesizer import SynthesizerOutput
from sovits.ranks import mean_over_ranks


def discriminator_loss(real: list[Verdict], synthetic: list[Verdict]) -> Tensor:
    """Least-squares GAN (Mao et al. 2017), averaged over discriminators: real is 1, synthetic 0."""
    terms = [((1 - r.float()) ** 2).mean() + (s.float() ** 2).mean() for (r, _), (s, _) in zip(real, synthetic, strict=True)]
    return torch.stack(terms).mean()


def adversarial_loss(synthetic: list[Verdict]) -> Tensor:
    """Least-squares GAN seen by the generator: synthetic should look like 1."""
    return torch.stack([((1 - logits.float()) ** 2).mean() for logits, _ in synthetic]).mean()


def feature_matching_loss(real: list[Verdict], synthetic: list[Verdict]) -> Tensor:
    """Mean absolute difference of every discriminator layer (Larsen et al. 2016), relative to the size of the real features."""
    distances, sizes = [], []
    for (_, real_features), (_, synthetic_features) in zip(real, synthetic, strict=True):
        for expected, features in zip(real_features, synthetic_features, strict=True):
            expected = expected.detach().float()
            distances.append(F.l1_loss(features.float(), expected))
            sizes.append(expected.abs().mean())
    return (torch.stack(distances) / mean_over_ranks(torch.stack(sizes)).clamp_min(1e-6)).mean()


def kl_loss(output: SynthesizerOutput) -> Tensor:
    """Divergence of the posterior from the text's prior, one sample through the flow (VITS, equation 4), in nats a frame."""
    posterior_log_std, prior_log_std = output.posterior.log_std, output.prior_log_std
    squared = (output.prior_latent - output.prior_mean) ** 2 * (-2 * prior_log_std).exp()
    # The 0.5 is the expectation of the posterior's own quadratic term, which its sample would only make noisier.
    divergence = prior_log_std - posterior_log_std - 0.5 + 0.5 * squared
    return (divergence * output.frame_mask).sum() / mean_over_ranks(output.frame_mask.sum()).clamp_min(1)


def duration_loss(output: SynthesizerOutput) -> Tensor:
    """The duration predictor's penalty for each phone: nats of a stochastic one, deviance from the frames of the other."""
    counted = output.duration_penalty * output.text_mask.amax((1, 2))
    return counted.sum() / mean_over_ranks(output.text_mask.sum()).clamp_min(1)


def pitch_loss(predicted: Pitch, hertz: Tensor, mask: Tensor) -> Tensor:
    """How far a predicted pitch is from the recording's where that is voiced, octaves, and the cross-entropy of where it is, nats.

    Distances, not their squares: a tracker's octave errors weigh no more than they are.

    Args:
        hertz: [B, T_frames] of the recording, 0 where nothing is voiced.
        mask: [B, 1, T_frames].
    """
    inside, voiced = mask.squeeze(1), (hertz > 0).float()
    distance = (predicted.log_hertz - hertz.clamp_min(1.0).log2()).abs() * voiced * inside
    surprise = F.binary_cross_entropy_with_logits(predicted.voicing, voiced, reduction="none") * inside
    counts = mean_over_ranks(torch.stack([(voiced * inside).sum(), inside.sum()])).clamp_min(1)
    return distance.sum() / counts[0] + surprise.sum() / counts[1]


def speaker_consistency(synthetic: Tensor, real: Tensor) -> Tensor:
    """One minus the cosine of two voices [B, E] (YourTTS, Casanova et al. 2022, equation 1, shifted to be 0 at best)."""
    return (1 - F.cosine_similarity(synthetic.float(), real.float(), dim=-1)).mean()


def hint_loss(hint: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """What of a teacher's features a student's hint does not tell (FitNets, Romero et al. 2015), as a share of their variance.

    0 is the target itself, 1 no better than its mean: so the scale of a teacher's latents has no say.

    Args:
        hint: [B, C, T_frames], projected to the teacher's channels.
        target: [B, C, T_frames].
        mask: [B, 1, T_frames].
    """
    hint, target = hint.float(), target.detach().float()
    mean = (target * mask).sum((0, 2), keepdim=True) / mask.sum().clamp_min(1)
    error, spread = ((((values - target) ** 2) * mask).sum() for values in (hint, mean))
    # A teacher whose latents say nothing has next to no variance to explain.
    least = 1e-4 * target.shape[1] * mask.sum()
    return error / mean_over_ranks(torch.maximum(spread, least)).clamp_min(1e-6)


class MultiScaleMelLoss(nn.Module):
    """Mean absolute log-mel difference in nats, averaged over window lengths (Descript codec, Kumar et al. 2023).

    Long windows judge pitch, short ones the moment of an onset; one alone leaves the other blurred.

    Args:
        sample_rate: Hz.
        n_ffts: window lengths in samples, each with a quarter of it as hop.
        n_mels: bands for each of ``n_ffts``.
    """

    def __init__(self, sample_rate: int, n_ffts: Sequence[int], n_mels: Sequence[int]) -> None:
        super().__init__()
        self.scales = nn.ModuleList(
            MelSpectrogram(sample_rate, n_fft, n_fft // 4, bands) for n_fft, bands in zip(n_ffts, n_mels, strict=True)
        )

    def forward(self, synthetic: Tensor, real: Tensor) -> Tensor:
        """Two waveforms [B, 1, T_samples] -> scalar."""
        terms = [F.l1_loss(log_compress(scale(synthetic.squeeze(1))), log_compress(scale(real.squeeze(1)))) for scale in self.scales]
        return torch.stack(terms).mean()
