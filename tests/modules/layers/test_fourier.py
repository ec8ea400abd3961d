"""Short-time Fourier transforms: two ways to the same spectra and waveforms, and a third by another library."""

from __future__ import annotations

import pytest
import torch

from sovits.modules.layers.fourier import ConvolvedFourierFrames, FourierFrames

SIZES = [(16, 4), (24, 6), (32, 8)]


@pytest.mark.parametrize(("n_fft", "hop_length"), SIZES)
def test_without_complex_numbers_it_is_the_same(n_fft: int, hop_length: int) -> None:
    frames = FourierFrames(n_fft, hop_length)
    convolved = ConvolvedFourierFrames(frames)
    samples, mask = torch.randn(2, 1, 11 * hop_length), torch.ones(2, 1, 11)
    mask[1, :, 7:] = 0
    parts = frames.analyse(samples)
    for own, wanted in zip(convolved.analyse(samples), parts, strict=True):
        assert own.shape == (2, n_fft // 2 + 1, 11)
        torch.testing.assert_close(own, wanted, rtol=1e-5, atol=1e-5)
    for own in (mask, None):
        wanted = frames.synthesise(*parts, own)
        torch.testing.assert_close(convolved.synthesise(*parts, own), wanted, rtol=1e-5, atol=1e-6 * float(wanted.abs().max()))


@pytest.mark.parametrize(("n_fft", "hop_length"), SIZES)
def test_spectra_are_torchs_and_give_the_samples_back(n_fft: int, hop_length: int) -> None:
    frames, samples = FourierFrames(n_fft, hop_length), torch.randn(1, 1, 30 * hop_length)
    real, imaginary = frames.analyse(samples)
    padded = torch.nn.functional.pad(samples[:, 0], ((n_fft - hop_length) // 2,) * 2)
    wanted = torch.stft(padded, n_fft, hop_length, window=torch.hann_window(n_fft), center=False, return_complex=True)
    torch.testing.assert_close(torch.complex(real, imaginary), wanted, rtol=1e-4, atol=1e-5)
    # The squared windows divide what they overlap to: a window twice on the way is taken back.
    torch.testing.assert_close(frames.synthesise(real, imaginary, None), samples, rtol=1e-4, atol=1e-4)
