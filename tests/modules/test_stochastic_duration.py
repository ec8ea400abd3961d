import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from sovits.errors import SovitsError
from sovits.modules.stochastic_duration import PairFlow, StochasticDurationPredictor


def tiny(kernel_size: int = 3, dropout: float = 0.0) -> StochasticDurationPredictor:
    torch.manual_seed(0)
    return StochasticDurationPredictor(6, 8, kernel_size, dropout, 5)


def moved(predictor: StochasticDurationPredictor, amount: float = 1.0) -> StochasticDurationPredictor:
    """A predictor whose flows do something (they start as the identity)."""
    for flow in (predictor.flow, predictor.posterior_flow):
        torch.nn.init.normal_(flow.shift, std=0.5 * amount)
        torch.nn.init.normal_(flow.log_scale, std=0.2 * amount)
        for coupling in flow.couplings:
            torch.nn.init.normal_(coupling.spline.weight, std=0.3 * amount)
    return predictor


def inputs(batch: int = 3, length: int = 7) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Hidden, mask, speaker embedding and durations of full-length texts; the first phone of each lasts one frame."""
    generator = torch.Generator().manual_seed(3)
    hidden, speaker = torch.randn(batch, 6, length, generator=generator), torch.randn(batch, 5, generator=generator)
    durations = torch.randint(1, 30, (batch, length), generator=generator).float()
    durations[:, 0] = 1
    return hidden, torch.ones(batch, 1, length), speaker, durations


def widened(predictor: StochasticDurationPredictor) -> StochasticDurationPredictor:
    """Spreads the posterior, which any estimate of p allows: one narrower than p gives importance weights of infinite variance."""
    torch.nn.init.zeros_(predictor.posterior_flow.shift)
    torch.nn.init.constant_(predictor.posterior_flow.log_scale, math.log(1.8))
    return predictor


def log_probability(predictor: StochasticDurationPredictor, duration: int, draws: int) -> tuple[float, float]:
    """Importance-weighted estimate of log p(duration) of a one-phone text, and the mean of the bound."""
    hidden, mask, speaker, _ = inputs(1, 1)
    with torch.no_grad():
        loss = predictor(
            hidden.expand(draws, -1, -1), mask.expand(draws, -1, -1), speaker.expand(draws, -1), torch.full((draws, 1), float(duration))
        )
    return float(torch.logsumexp(-loss, 0)) - math.log(draws), float(-loss.mean())


def integrated_probabilities(predictor: StochasticDurationPredictor, count: int) -> Tensor:
    """P(duration = 1 .. count) and P(duration > count) of one phone, from its flow alone: the joint density summed over a grid."""
    predictor = predictor.double()
    hidden, mask, speaker, _ = (value.double() for value in inputs(1, 1))
    extras = torch.linspace(-9, 9, 121, dtype=torch.float64)
    # Midpoints of 10 cells in each ]log(d - 1), log d]; the first begins where nothing is left.
    edges = torch.cat([torch.tensor([-12.0]), torch.arange(1, count + 1).float().log(), torch.tensor([12.0])]).double()
    cells = torch.tensor([150] + [10] * (count - 1) + [150])
    widths = edges.diff() / cells
    values = torch.cat([edges[i] + widths[i] * (torch.arange(int(n), dtype=torch.float64) + 0.5) for i, n in enumerate(cells)])
    pairs = torch.cartesian_prod(values, extras).unsqueeze(-1)
    with torch.no_grad():
        text = predictor._text(hidden, mask, speaker)
        density = []
        for part in pairs.split(20_000):
            mapped, log_stretch = predictor.flow(part, mask.expand(len(part), -1, -1), text.expand(len(part), -1, -1))
            density.append((-0.5 * mapped.square().sum(1) - math.log(2 * math.pi) + log_stretch).exp().squeeze(1))
    over_extra = torch.cat(density).view(len(values), len(extras)).sum(1) * (extras[1] - extras[0])
    predictor.float()
    return torch.stack([part.sum() for part in (over_extra * widths.repeat_interleave(cells)).split(cells.tolist())])


@pytest.mark.slow
def test_density_of_the_flow_integrates_to_one_and_gives_the_probability_of_every_duration() -> None:
    predictor = widened(moved(tiny(), 0.3)).eval()
    exact = integrated_probabilities(predictor, 6)
    assert float(exact.sum()) == pytest.approx(1, abs=0.02)
    assert exact[:5].min() > 0.005
    torch.manual_seed(1)
    for duration in (1, 2, 3, 4, 5):
        weighted, bound = log_probability(predictor, duration, 10_000)
        assert math.exp(weighted) == pytest.approx(float(exact[duration - 1]), rel=0.05)
        assert bound < weighted


def test_untrained_durations_are_log_normal() -> None:
    """The flows start as the identity, so P(d) is a difference of normal distribution functions."""
    predictor, normal = widened(tiny()).eval(), torch.distributions.Normal(0, 1)
    torch.manual_seed(1)
    estimates = [math.exp(log_probability(predictor, duration, 10_000 if duration < 7 else 200)[0]) for duration in range(1, 61)]
    edges = normal.cdf(torch.arange(0, 61).float().log())
    assert estimates[:6] == pytest.approx(edges.diff()[:6].tolist(), rel=0.06)
    assert sum(estimates) == pytest.approx(1, abs=0.02)


def test_flow_stretches_by_the_determinant_of_its_jacobian() -> None:
    torch.manual_seed(0)
    flow, mask, condition = PairFlow(8, 3, 4, 10, 5.0).double(), torch.ones(1, 1, 3).double(), torch.randn(1, 8, 3).double()
    torch.nn.init.normal_(flow.log_scale)
    for coupling in flow.couplings:
        torch.nn.init.normal_(coupling.spline.weight, std=0.5)
    pair = torch.randn(6).double()
    jacobian = torch.autograd.functional.jacobian(lambda values: flow(values.view(1, 2, 3), mask, condition)[0].flatten(), pair)
    stretched, log_stretch = (value.detach() for value in flow(pair.view(1, 2, 3), mask, condition))
    assert float(log_stretch.sum()) == pytest.approx(float(torch.linalg.slogdet(jacobian).logabsdet), abs=1e-9)
    assert abs(float(log_stretch.sum())) > 0.1
    # Prediction undoes what it needs of the flow, and no more.
    torch.testing.assert_close(flow.first_of_inverse(stretched, mask, condition), pair.view(1, 2, 3)[:, 0], rtol=0, atol=1e-10)


def test_a_padded_text_is_treated_as_if_alone() -> None:
    predictor = moved(tiny()).eval()
    hidden, mask, speaker, durations = inputs(1, 7)
    noise = torch.randn(1, 2, 11)
    # What lies outside the mask may be anything.
    padded = torch.cat([hidden, 9 * torch.randn(1, 6, 4)], dim=-1)
    padded_mask = F.pad(mask, (0, 4))
    alone = predictor.bound(hidden, mask, speaker, durations, noise[..., :7])
    together = predictor.bound(padded, padded_mask, speaker, F.pad(durations, (0, 4)), noise)
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-4)
    drawn = predictor.predict(padded, padded_mask, speaker, noise)
    torch.testing.assert_close(drawn[:, :7], predictor.predict(hidden, mask, speaker, noise[..., :7]), rtol=1e-5, atol=1e-5)
    assert not drawn[:, 7:].any()


@pytest.mark.slow
def test_bimodal_durations_are_learned() -> None:
    """Two phones: one lasts 3 or 12 frames with odds 1 to 2, the other always 6."""
    torch.manual_seed(0)
    predictor = StochasticDurationPredictor(2, 16, 3, 0.0, 5)
    hidden, mask, speaker = torch.eye(2).expand(64, 2, 2), torch.ones(64, 1, 2), torch.zeros(64, 5)
    optimiser = torch.optim.Adam(predictor.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-2, total_steps=150)
    for _ in range(150):
        first = torch.where(torch.rand(64) < 2 / 3, 12.0, 3.0)
        loss = predictor(hidden, mask, speaker, torch.stack([first, torch.full_like(first, 6)], dim=1)).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        frames = torch.cat([predictor.eval().predict(hidden, mask, speaker, torch.randn(64, 2, 2)).exp().ceil() for _ in range(32)])
    bimodal, constant = frames.unbind(1)
    assert float((bimodal == 12).float().mean()) == pytest.approx(2 / 3, abs=0.12)
    assert float((bimodal == 3).float().mean()) == pytest.approx(1 / 3, abs=0.12)
    assert float(bimodal.mean()) == pytest.approx(9, abs=0.9)
    assert float((constant == 6).float().mean()) > 0.9
    # No code of two choices is shorter than their entropy.
    assert 0.6365 - 0.1 < float(loss.detach()) < 1.2


def test_every_parameter_learns() -> None:
    predictor = moved(tiny(dropout=0.1))
    predictor(*inputs()).sum().backward()
    for name, parameter in predictor.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("length", [1, 7])
def test_likelihood_and_its_gradients_are_finite_in_either_precision(dtype: torch.dtype, length: int) -> None:
    predictor = moved(tiny())
    hidden, mask, speaker, durations = inputs(3, length)
    durations[:, -1] = 1
    durations[0, -1], mask[0, :, 1:] = 2000, 0
    with torch.autocast("cpu", dtype=dtype, enabled=dtype != torch.float32):
        loss = predictor(hidden, mask, speaker, durations * mask.squeeze(1))
        drawn = predictor.predict(hidden, mask, speaker, 0.8 * torch.randn(3, 2, length))
    loss.sum().backward()
    assert loss.shape == (3,)
    assert drawn.shape == (3, length)
    assert loss.dtype == drawn.dtype == torch.float32
    assert loss.isfinite().all()
    assert drawn.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in predictor.parameters() if parameter.grad is not None)


def test_one_frame_is_finite_when_the_fraction_takes_all_of_it() -> None:
    predictor = tiny()
    torch.nn.init.constant_(predictor.posterior_flow.shift, 60.0)
    loss = predictor(*inputs())
    loss.sum().backward()
    assert loss.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in predictor.parameters() if parameter.grad is not None)


def test_the_noise_alone_changes_the_rhythm() -> None:
    predictor = moved(tiny()).eval()
    hidden, mask, speaker, _ = inputs()
    one, other = torch.randn(2, len(mask), 2, mask.shape[2])
    before = torch.random.get_rng_state()
    assert torch.equal(predictor.predict(hidden, mask, speaker, one), predictor.predict(hidden, mask, speaker, one))
    assert not torch.equal(predictor.predict(hidden, mask, speaker, one), predictor.predict(hidden, mask, speaker, other))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_text_and_speaker_change_the_durations() -> None:
    predictor = moved(tiny()).eval()
    hidden, mask, speaker, _ = inputs()
    assert predictor.speaker_channels == 5
    silence = torch.zeros(len(mask), 2, mask.shape[2])
    plain = predictor.predict(hidden, mask, speaker, silence)
    assert not torch.allclose(predictor.predict(hidden + 1, mask, speaker, silence), plain, atol=1e-3)
    assert not torch.allclose(predictor.predict(hidden, mask, speaker + 1, silence), plain, atol=1e-3)


def test_a_flow_that_never_moves_durations_is_refused() -> None:
    with pytest.raises(SovitsError, match="n_flows=1"):
        StochasticDurationPredictor(6, 8, 3, 0.0, 5, n_flows=1)
