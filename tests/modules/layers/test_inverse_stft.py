"""The inverse STFT: two ways to one waveform, and a third by another library."""

from __future__ import annotations

import pytest
import torch

from sovits.modules.layers.inverse_stft import InverseStftHead, RealInverseStftHead, inverse_stft


@pytest.mark.parametrize(("n_fft", "hop_length"), [(16, 4), (24, 6), (32, 8)])
def test_without_complex_numbers_it_is_the_same(n_fft: int, hop_length: int) -> None:
    torch.manual_seed(0)
    head = InverseStftHead(6, n_fft, hop_length).eval()
    features, mask = torch.randn(2, 6, 11), torch.ones(2, 1, 11)
    mask[1, :, 7:] = 0
    for own in (mask, None):
        wanted = head(features, own)
        torch.testing.assert_close(RealInverseStftHead(head)(features, own), wanted, rtol=1e-5, atol=1e-6 * float(wanted.abs().max()))


def test_it_undoes_a_transform() -> None:
    samples, window = torch.randn(1, 640), torch.hann_window(32)
    padded = torch.nn.functional.pad(samples, (12, 12))
    spectrum = torch.stft(padded, 32, 8, window=window, center=False, return_complex=True)
    undone = inverse_stft(spectrum, None, window, 8)[0]
    torch.testing.assert_close(undone[:, 16:-16], samples[:, 16:-16], rtol=1e-4, atol=1e-5)
