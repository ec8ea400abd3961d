import pytest
import torch
from torch.distributions import Normal, kl_divergence

from sovits import losses
from sovits.modules.posterior_encoder import Posterior
from sovits.modules.synthesizer import SynthesizerOutput


def output_of(latent, posterior, prior_mean, prior_log_std, frames=None, duration_penalty=None, text_mask=None) -> SynthesizerOutput:
    mask = frames if frames is not None else torch.ones_like(latent[:, :1])
    return SynthesizerOutput(
        audio=torch.zeros(1), slice_starts=torch.zeros(1), posterior=posterior, prior_latent=latent, prior_mean=prior_mean,
        prior_log_std=prior_log_std, alignment=None, duration_penalty=duration_penalty, text_mask=text_mask, frame_mask=mask,
        pitch=None, recorded_pitch=None,
    )  # fmt: skip


def test_kl_is_the_divergence_of_torch_distributions_in_expectation() -> None:
    mean, log_std, prior_mean, prior_log_std = (0.5 * torch.randn(1, 4, 6).repeat(4000, 1, 1) for _ in range(4))
    latent = mean + torch.randn_like(mean) * log_std.exp()
    loss = losses.kl_loss(output_of(latent, Posterior(mean, log_std), prior_mean, prior_log_std))
    expected = kl_divergence(Normal(mean[0], log_std[0].exp()), Normal(prior_mean[0], prior_log_std[0].exp())).sum(0).mean()
    assert loss.item() == pytest.approx(expected.item(), rel=0.02)


def test_kl_of_a_given_sample_is_the_difference_of_its_log_densities() -> None:
    mean, log_std, prior_mean, prior_log_std, noise = torch.randn(5, 2, 4, 6).unbind()
    latent = mean + noise * log_std.exp()
    loss = losses.kl_loss(output_of(latent, Posterior(mean, log_std), prior_mean, prior_log_std))
    difference = Normal(mean, log_std.exp()).log_prob(latent) - Normal(prior_mean, prior_log_std.exp()).log_prob(latent)
    # The posterior's own quadratic term stands as its expectation, 0.5.
    expected = (difference + 0.5 * (noise**2 - 1)).sum(1).mean()
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-5)


def test_kl_ignores_padded_frames() -> None:
    values = [torch.randn(1, 4, 6) for _ in range(4)]
    mask = torch.tensor([[[1.0, 1, 1, 0, 0, 0]]])
    long = losses.kl_loss(output_of(values[0], Posterior(values[1], values[1]), values[2], values[3], mask))
    cut = [value[..., :3] for value in values]
    short = losses.kl_loss(output_of(cut[0], Posterior(cut[1], cut[1]), cut[2], cut[3]))
    torch.testing.assert_close(long, short)


def test_duration_loss_is_the_penalty_of_a_phone() -> None:
    mask = torch.tensor([[[1.0, 1, 0]], [[1, 1, 1]]])
    values = torch.zeros(2, 1, 6)
    output = output_of(values, None, values, values, None, torch.tensor([6.0, 4.0]), mask)
    assert losses.duration_loss(output).item() == pytest.approx(10 / 5)


def test_consistency_is_zero_for_one_voice_and_one_for_a_right_angle() -> None:
    voices = torch.eye(3)
    assert losses.speaker_consistency(voices, 5 * voices).item() == pytest.approx(0.0, abs=1e-6)
    assert losses.speaker_consistency(voices, voices.roll(1, 0)).item() == pytest.approx(1.0)
    assert losses.speaker_consistency(voices, -voices).item() == pytest.approx(2.0)


def verdict(value: float, feature: float) -> losses.Verdict:
    return torch.full((2, 5), value), [torch.full((2, 3, 4), feature)]


def test_adversarial_losses_by_hand() -> None:
    real, synthetic = [verdict(0.75, 2.0)] * 2, [verdict(0.5, 3.0)] * 2
    assert losses.discriminator_loss(real, synthetic).item() == pytest.approx(0.25**2 + 0.5**2)
    assert losses.adversarial_loss(synthetic).item() == pytest.approx(0.25)
    assert losses.feature_matching_loss(real, synthetic).item() == pytest.approx(0.5)


def test_losses_of_several_discriminators_are_means_of_unlike_terms() -> None:
    real = [verdict(0.75, 2.0), (torch.zeros(2, 9), [torch.full((2, 3, 4), -4.0), torch.full((2, 1, 7), 0.5)])]
    synthetic = [verdict(0.5, 3.0), (torch.full((2, 9), 2.0), [torch.full((2, 3, 4), -1.0), torch.full((2, 1, 7), 0.25)])]
    assert losses.discriminator_loss(real, synthetic).item() == pytest.approx(((0.25**2 + 0.5**2) + (1 + 4)) / 2)
    assert losses.adversarial_loss(synthetic).item() == pytest.approx((0.25 + 1) / 2)
    # Each of the three layers by the size of its real features.
    assert losses.feature_matching_loss(real, synthetic).item() == pytest.approx((1 / 2 + 3 / 4 + 0.25 / 0.5) / 3)


def test_mel_loss_is_zero_for_equal_audio_and_doubles_as_decibels() -> None:
    loss = losses.MultiScaleMelLoss(22050, [512, 256], [40, 20])
    audio = torch.randn(2, 1, 4096)
    assert loss(audio, audio).item() == 0
    # Half the amplitude is a quarter of the power: ln 4 in every band that is above the floor.
    assert loss(0.5 * audio, audio).item() == pytest.approx(1.3863, abs=0.01)
