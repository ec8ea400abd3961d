"""How many frames each phone lasts, as a distribution to draw from (VITS, Kim et al. 2021, section 2.2.2 and appendix B)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sovits.errors import SovitsError
from sovits.modules.layers.separable import SeparableStack
from sovits.modules.layers.spline import rational_quadratic_spline

N_LAYERS = 3
"""Separable layers in every stack (VITS, appendix B)."""
MIN_REMAINDER = 1e-5
"""Frames; the least of a duration minus its dequantisation noise, whose logarithm is taken."""


class SplineCoupling(nn.Module):
    """Moves the second channel of a pair by splines whose parameters come from the first channel and a condition."""

    def __init__(self, channels: int, kernel_size: int, n_bins: int, tail_bound: float) -> None:
        super().__init__()
        self.tail_bound = tail_bound
        self.n_bins = n_bins
        self.input = nn.Conv1d(1, channels, 1)
        self.body = SeparableStack(channels, kernel_size, N_LAYERS)
        self.spline = nn.Conv1d(channels, 3 * n_bins - 1, 1)
        # Zero parameters are the identity, a calm start for the likelihood.
        nn.init.zeros_(self.spline.weight)
        nn.init.zeros_(self.spline.bias)  # type: ignore[arg-type]
        # An update of an Adam step adds up over the channels; widths and heights go through a softmax and would jump from bin to bin.
        self.logit_scale = channels**-0.5

    def forward(self, pair: Tensor, mask: Tensor, condition: Tensor, inverse: bool = False) -> tuple[Tensor, Tensor]:
        """[B, 2, T_text], mask [B, 1, T_text], condition [B, C, T_text] -> pair, log-determinant of each phone [B, T_text]."""
        kept, moved = pair.chunk(2, dim=1)
        parameters = self.spline(self.body(self.input(kept) + condition, mask)).transpose(1, 2)
        boxes, slopes = parameters.split([2 * self.n_bins, self.n_bins - 1], dim=-1)
        parameters = torch.cat([boxes * self.logit_scale, slopes], dim=-1)
        moved, log_determinant = rational_quadratic_spline(moved.squeeze(1), parameters, self.tail_bound, inverse)
        return torch.cat([kept, moved.unsqueeze(1)], dim=1), log_determinant


class PairFlow(nn.Module):
    """An affine map, then couplings with the two channels exchanged after each."""

    def __init__(self, channels: int, kernel_size: int, n_flows: int, n_bins: int, tail_bound: float) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(2, 1))
        self.log_scale = nn.Parameter(torch.zeros(2, 1))
        self.couplings = nn.ModuleList(SplineCoupling(channels, kernel_size, n_bins, tail_bound) for _ in range(n_flows))

    def forward(self, pair: Tensor, mask: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """[B, 2, T_text] -> pair, log-determinant of each phone [B, T_text]."""
        pair = self.shift + pair * self.log_scale.exp()
        total = self.log_scale.sum()
        for coupling in self.couplings:
            pair, log_determinant = coupling(pair, mask, condition)
            pair, total = pair.flip(1), total + log_determinant
        return pair, total

    def first_of_inverse(self, pair: Tensor, mask: Tensor, condition: Tensor) -> Tensor:
        """The first channel [B, T_text] of the pair that :meth:`forward` mapped to ``pair``.

        Leaves out the inverse of the first coupling and of the second channel's affine map: they change the second channel alone.
        """
        for coupling in reversed(self.couplings[1:]):
            pair, _ = coupling(pair.flip(1), mask, condition, inverse=True)
        # The first coupling would be undone here; only its exchange of the channels matters.
        return (pair[:, 1] - self.shift[0]) * (-self.log_scale[0]).exp()


class StochasticDurationPredictor(nn.Module):
    """A distribution of whole durations, by variational dequantisation and variational data augmentation.

    A posterior flow draws, for every phone, a fraction ``u`` of a frame and an extra variable ``nu``; a second flow maps
    ``(log(duration - u), nu)`` to a standard normal pair. Both see the text and the speaker; the posterior also sees the durations.

    Args:
        hidden_channels: channels of the text encoder.
        filter_channels: channels inside the predictor.
        kernel_size: odd.
        dropout: in the two encoders; the flows have none.
        n_flows: couplings of each flow, at least 2: the first does not move the durations.
        n_bins: of each spline.
        tail_bound: the splines act on [-tail_bound, tail_bound], here natural logarithms of frames.
    """

    def __init__(
        self,
        hidden_channels: int,
        filter_channels: int,
        kernel_size: int,
        dropout: float,
        speaker_channels: int,
        n_flows: int = 4,
        n_bins: int = 10,
        tail_bound: float = 5.0,
    ) -> None:
        super().__init__()
        if n_flows < 2:
            raise SovitsError(f"n_flows={n_flows} leaves the durations without a spline, as the first coupling moves none; set 2 or more.")
        self.hidden_channels = hidden_channels
        self.speaker = nn.Linear(speaker_channels, filter_channels)
        self.text_input = nn.Conv1d(hidden_channels, filter_channels, 1)
        self.text_encoder = SeparableStack(filter_channels, kernel_size, N_LAYERS, dropout)
        self.text_output = nn.Conv1d(filter_channels, filter_channels, 1)
        self.duration_input = nn.Conv1d(1, filter_channels, 1)
        self.duration_encoder = SeparableStack(filter_channels, kernel_size, N_LAYERS, dropout)
        self.duration_output = nn.Conv1d(filter_channels, filter_channels, 1)
        self.flow = PairFlow(filter_channels, kernel_size, n_flows, n_bins, tail_bound)
        self.posterior_flow = PairFlow(filter_channels, kernel_size, n_flows, n_bins, tail_bound)

    noise_channels = 2
    """Of the noise that ``predict`` takes."""

    @property
    def speaker_channels(self) -> int:
        """Size ``E`` of the speaker embedding."""
        return self.speaker.in_features

    def forward(self, hidden: Tensor, mask: Tensor, speaker_embedding: Tensor, durations: Tensor) -> Tensor:
        """An upper bound, by one draw, on the negative log-likelihood of the durations.

        Args:
            hidden: [B, C, T_text].
            mask: [B, 1, T_text].
            speaker_embedding: [B, E].
            durations: [B, T_text] whole frames, at least 1 inside the mask and 0 outside it.

        Returns:
            [B] nats, summed over the phones of each text, in float32.
        """
        noise = torch.randn(durations.shape[0], 2, durations.shape[1], dtype=durations.dtype, device=durations.device)
        return self.bound(hidden, mask, speaker_embedding, durations, noise)

    def bound(self, hidden: Tensor, mask: Tensor, speaker_embedding: Tensor, durations: Tensor, noise: Tensor) -> Tensor:
        """:meth:`forward` for given standard normal ``noise`` [B, 2, T_text]: log q(u, nu | durations) - log p(durations - u, nu)."""
        text = self._text(hidden, mask, speaker_embedding)
        drawn, log_stretch = self.posterior_flow(noise, mask, self._with_durations(text, mask, durations))
        logits, extra = drawn.unbind(1)
        log_posterior = _log_normal(noise) - log_stretch - F.logsigmoid(logits) - F.logsigmoid(-logits)
        # u = sigmoid(logits); 1 - u is taken as sigmoid(-logits), which keeps its digits where u is close to 1.
        log_remainder = (durations - 1 + torch.sigmoid(-logits)).clamp_min(MIN_REMAINDER).log()
        mapped, log_stretch = self.flow(torch.stack([log_remainder, extra], dim=1), mask, text)
        log_likelihood = _log_normal(mapped) + log_stretch - log_remainder
        return ((log_posterior - log_likelihood) * mask.squeeze(1)).sum(1)

    def predict(self, hidden: Tensor, mask: Tensor, speaker_embedding: Tensor, noise: Tensor) -> Tensor:
        """Draws durations; the whole number of frames that was modelled is the draw rounded *up* (:meth:`whole`).

        The posterior flow and the duration encoder serve training alone, as does the first coupling of the flow.

        Args:
            hidden: [B, C, T_text].
            mask: [B, 1, T_text].
            speaker_embedding: [B, E].
            noise: [B, 2, T_text]; zeros give one fixed rhythm, standard normal noise the learned distribution.

        Returns:
            [B, T_text] natural logarithm of frames, zero outside the mask, in float32.
        """
        return self.flow.first_of_inverse(noise, mask, self._text(hidden, mask, speaker_embedding)) * mask.squeeze(1)

    @staticmethod
    def whole(frames: Tensor) -> Tensor:
        """Whole frames from drawn ones: training takes a fraction of a frame off each duration, so all of it is given back."""
        return frames.ceil()

    def _text(self, hidden: Tensor, mask: Tensor, speaker_embedding: Tensor) -> Tensor:
        condition = self.text_input(hidden) + self.speaker(speaker_embedding).unsqueeze(-1)
        return self.text_output(self.text_encoder(condition, mask))

    def _with_durations(self, text: Tensor, mask: Tensor, durations: Tensor) -> Tensor:
        # The logarithm keeps one long pause from drowning the differences between short phones.
        condition = self.duration_input(durations.clamp_min(1).log().unsqueeze(1))
        return text + self.duration_output(self.duration_encoder(condition, mask))


def _log_normal(pair: Tensor) -> Tensor:
    """Log density of a pair [B, 2, T_text] under two independent standard normals -> [B, T_text]."""
    return -0.5 * pair.square().sum(1) - math.log(2 * math.pi)
