import math

import librosa
import numpy as np
import pytest
import torch

from sovits.errors import SovitsError
from sovits.modules import FrameRateDecoder, HarmonicDecoder, UpsamplingDecoder
from sovits.modules.layers.fourier import inverse_stft
from sovits.modules.layers.normalization import fold_weight_norm

DECODERS = {
    "iSTFT over the remaining 8": lambda: UpsamplingDecoder(6, 512, [4, 4, 2, 2], 32, [3, 7], [[1, 3], [1, 3]], 12),
    "odd rates": lambda: UpsamplingDecoder(6, 60, [3, 5], 16, [3], [[1]], 12),
    "HiFi-GAN, rates multiply to the hop": lambda: UpsamplingDecoder(6, 64, [8, 8], 16, [3], [[1, 3]], 12),
    "frame rate doubled": lambda: FrameRateDecoder(6, 512, [2], 16, 32, 2, 12),
    "frame rate": lambda: FrameRateDecoder(6, 512, [], 16, 32, 2, 12),
    "harmonic": lambda: HarmonicDecoder(6, 512, 22050, [2], 16, 32, 6, 8, 12),
}


@pytest.mark.parametrize("name", DECODERS)
def test_a_frame_becomes_hop_length_samples_and_padding_changes_nothing(name: str) -> None:
    decoder, speaker = DECODERS[name]().eval(), torch.randn(1, 12)
    latent = torch.randn(1, 6, 11)
    alone = decoder(latent, torch.ones(1, 1, 11), speaker)
    assert alone.shape == (1, 1, 11 * decoder.hop_length)
    assert alone.std() > 0
    mask = torch.nn.functional.pad(torch.ones(1, 1, 11), (0, 5))
    padded = decoder(torch.cat([latent, torch.randn(1, 6, 5)], -1), mask, speaker)
    torch.testing.assert_close(padded[..., : alone.shape[-1]], alone, rtol=1e-4, atol=1e-6)
    assert not padded[..., alone.shape[-1] :].any()


@pytest.mark.parametrize("name", DECODERS)
def test_one_frame_in_bfloat16_is_finite(name: str) -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        audio = DECODERS[name]()(torch.randn(2, 6, 1), torch.ones(2, 1, 1), torch.randn(2, 12))
    assert audio.dtype == torch.float32
    assert audio.isfinite().all()


def test_rates_that_do_not_divide_the_hop_are_named() -> None:
    with pytest.raises(SovitsError, match=r"4 \* 4 \* 3 = 48.*hop_length=512"):
        UpsamplingDecoder(6, 512, [4, 4, 3], 32, [3], [[1]], 12)


def test_folding_weight_norm_changes_nothing() -> None:
    decoder, speaker = DECODERS["odd rates"]().eval(), torch.randn(1, 12)
    latent, mask = torch.randn(1, 6, 11), torch.ones(1, 1, 11)
    before = decoder(latent, mask, speaker)
    fold_weight_norm(decoder)
    assert not any("parametrizations" in name for name, _ in decoder.named_parameters())
    assert (decoder(latent, mask, speaker) - before).abs().max() < 1e-6


def test_inverse_stft_equals_librosa_away_from_the_edges() -> None:
    n_fft, hop = 64, 16
    spectrum = torch.randn(1, n_fft // 2 + 1, 20, dtype=torch.complex64)
    ours = inverse_stft(spectrum, torch.ones(1, 1, 20), torch.hann_window(n_fft), hop)[0, 0].numpy()
    centred = librosa.istft(spectrum[0].numpy(), hop_length=hop, n_fft=n_fft, window="hann", length=20 * hop)
    # librosa trims n_fft / 2 samples at the start, we trim (n_fft - hop) / 2: hop / 2 less.
    np.testing.assert_allclose(ours[n_fft:-n_fft], centred[n_fft - hop // 2 : -n_fft - hop // 2], atol=1e-5)


def test_inverse_stft_gives_back_the_signal() -> None:
    n_fft, hop, frames = 64, 16, 30
    signal = torch.randn(1, frames * hop)
    window = torch.hann_window(n_fft)
    padded = torch.nn.functional.pad(signal, ((n_fft - hop) // 2,) * 2)
    spectrum = torch.stft(padded, n_fft, hop, window=window, center=False, return_complex=True)
    assert spectrum.shape[-1] == frames
    assert math.isclose(float((inverse_stft(spectrum, torch.ones(1, 1, frames), window, hop)[:, 0] - signal).abs().max()), 0, abs_tol=1e-5)
