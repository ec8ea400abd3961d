import pytest
import torch

from sovits.errors import SovitsError
from sovits.modules import Discriminators


def small(use_spectral_norm: bool = False) -> Discriminators:
    return Discriminators((2, 3), (4, 8), (512, 256), 4, use_spectral_norm=use_spectral_norm)


@pytest.mark.parametrize("use_spectral_norm", [False, True])
def test_verdicts_have_logits_and_feature_maps(use_spectral_norm: bool) -> None:
    verdicts = small(use_spectral_norm)(torch.randn(3, 1, 2049))
    assert len(verdicts) == 4
    for logits, features in verdicts:
        assert (logits.dim(), len(logits)) == (2, 3)
        assert len(features) >= 3
        assert all(len(feature) == 3 for feature in features)


def test_spectral_norm_bounds_the_largest_singular_value() -> None:
    discriminators = small(True)
    for _ in range(50):
        discriminators(torch.randn(1, 1, 512))
    weight = discriminators.judges[0].convolutions[1].weight.flatten(1)
    assert torch.linalg.matrix_norm(weight, 2).item() == pytest.approx(1.0, abs=0.05)
    assert torch.linalg.matrix_norm(small(False).judges[0].convolutions[1].weight.flatten(1), 2).item() != pytest.approx(1.0, abs=0.05)


def test_one_batched_pass_equals_two() -> None:
    discriminators, real, synthetic = small().eval(), torch.randn(2, 1, 1024), torch.randn(2, 1, 1024)
    batched = discriminators.compare(real, synthetic)
    for verdicts, audio in zip(batched, (real, synthetic), strict=True):
        for (logits, features), (expected, expected_features) in zip(verdicts, discriminators(audio), strict=True):
            torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(features[-1], expected_features[-1], rtol=1e-4, atol=1e-5)


def test_a_window_too_short_for_its_bands_is_named() -> None:
    with pytest.raises(SovitsError, match=r"n_ffts=128 leaves 6 bins"):
        Discriminators((2,), (4, 8), (512, 128), 4)


def test_every_band_is_finite_in_bfloat16() -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        verdicts = small()(torch.randn(2, 1, 1024))
    assert all(part.isfinite().all() for logits, features in verdicts for part in (logits, *features))


def test_silence_is_judged_without_dividing_by_zero() -> None:
    assert all(logits.isfinite().all() for logits, _ in small()(torch.zeros(1, 1, 600)))
