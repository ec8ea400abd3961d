import math

import pytest
import torch

from sovits.errors import SovitsError
from sovits.modules import DurationPredictor, TextEncoder
from sovits.text.batch import TextBatch
from sovits.text.encoding import EncodedText


def small(semantic_channels: int = 0) -> TextEncoder:
    return TextEncoder(50, 6, 3, 8, 16, 32, 2, 2, 3, 0.1, semantic_channels)


def encoded(*phones: int) -> EncodedText:
    ids = list(phones)
    return EncodedText("x", [str(phone) for phone in ids], ids, [1] * len(ids), [2] * len(ids), [7], [0] * len(ids))


def test_a_padded_text_is_read_as_if_alone() -> None:
    encoder, short = small(5).eval(), encoded(3, 4, 5)
    together, alone = TextBatch.collate([encoded(*range(1, 12)), short]), TextBatch.collate([short])
    semantic = torch.randn(2, 11, 5)
    batched, single = encoder(together, semantic), encoder(alone, semantic[1:, :3])
    for name in ("hidden", "mean", "log_std"):
        torch.testing.assert_close(getattr(batched, name)[1:, :, :3], getattr(single, name), rtol=1e-4, atol=1e-5)
        assert not getattr(batched, name)[1, :, 3:].any()
    predictor = DurationPredictor(16, 16, 3, 0.1, 12).eval()
    speaker = torch.randn(2, 12)
    durations = predictor.predict(batched.hidden, batched.mask, speaker)
    torch.testing.assert_close(durations[1:, :3], predictor.predict(single.hidden, single.mask, speaker[1:]), rtol=1e-4, atol=1e-5)
    assert not durations[1, 3:].any()


def test_the_penalty_is_zero_for_the_predicted_durations_and_counts_real_phones_only() -> None:
    predictor = DurationPredictor(16, 16, 3, 0.1, 12).eval()
    hidden, mask, speaker = torch.randn(1, 16, 5), torch.tensor([[[1.0, 1, 1, 1, 0]]]), torch.randn(1, 12)
    predicted = predictor.predict(hidden, mask, speaker).exp()
    assert predictor(hidden, mask, speaker, predicted).item() == pytest.approx(0.0, abs=1e-9)
    twice = torch.tensor([[2.0, 1, 1, 1, 9]])
    assert predictor(hidden, mask, speaker, predicted * twice).item() == pytest.approx(2 * (2 - 1 - math.log(2)), abs=1e-3)


def test_what_it_learns_is_the_mean_duration() -> None:
    """Of a pause that is one frame three times out of four, and 21 the fourth."""
    predictor = DurationPredictor(16, 16, 3, 0.0, 12)
    hidden, mask, speaker = torch.ones(4, 16, 1), torch.ones(4, 1, 1), torch.ones(4, 12)
    optimizer = torch.optim.Adam(predictor.parameters(), lr=0.01)
    for _ in range(300):
        optimizer.zero_grad()
        predictor(hidden, mask, speaker, torch.tensor([[1.0], [1.0], [1.0], [21.0]])).mean().backward()
        optimizer.step()
    assert predictor.predict(hidden, mask, speaker)[0].exp().item() == pytest.approx(6.0, rel=0.02)


@pytest.mark.parametrize("layers", [[0], [2], [0, 1, 2]])
def test_semantics_enter_where_they_are_told_to(layers: list[int]) -> None:
    encoder = TextEncoder(50, 6, 3, 8, 16, 32, 2, 2, 3, 0.0, 5, layers).eval()
    batch, semantic = TextBatch.collate([encoded(3, 4, 5)]), torch.randn(1, 3, 5, requires_grad=True)
    seen = {}
    for number, layer in enumerate(encoder.layers):
        layer.register_forward_pre_hook(lambda _, inputs, number=number: seen.update({number: inputs[0].requires_grad}))
    for table in (encoder.phones, encoder.tones, encoder.languages):
        table.requires_grad_(False)
    encoder.layers.requires_grad_(False)
    encoder.semantic.requires_grad_(False)
    encoder(batch, semantic).mean.sum().backward()
    assert seen == {number: number >= min(layers) for number in range(2)}
    assert semantic.grad.abs().sum() > 0
    assert sorted(map(int, encoder.semantic)) == layers


def test_a_layer_that_is_not_there_is_named() -> None:
    with pytest.raises(SovitsError, match=r"semantic_layers=\[3\] with n_layers=2: name one or more of 0-2"):
        TextEncoder(50, 6, 3, 8, 16, 32, 2, 2, 3, 0.0, 5, [3])


@pytest.mark.parametrize("field", ["phones", "tones", "languages"])
def test_every_id_matters(field: str) -> None:
    encoder, batch = small().eval(), TextBatch.collate([encoded(3, 4, 5)])
    before = encoder(batch, None).mean
    getattr(batch, field)[0, 1] = 0
    assert not torch.allclose(encoder(batch, None).mean, before, atol=1e-4)


def test_order_matters() -> None:
    encoder = small().eval()
    forwards, backwards = (encoder(TextBatch.collate([encoded(*ids)]), None).mean for ids in ([3, 4, 5, 6], [6, 5, 4, 3]))
    assert not torch.allclose(forwards, backwards.flip(-1), atol=1e-3)


def test_semantics_reach_the_prior_and_must_match_the_configuration() -> None:
    encoder, batch = small(5).eval(), TextBatch.collate([encoded(3, 4, 5)])
    assert not torch.allclose(encoder(batch, torch.zeros(1, 3, 5)).mean, encoder(batch, torch.ones(1, 3, 5)).mean, atol=1e-3)
    with pytest.raises(SovitsError, match="semantic_channels"):
        encoder(batch, None)
    with pytest.raises(SovitsError, match="semantic_channels"):
        small()(batch, torch.zeros(1, 3, 5))


def test_an_id_outside_the_vocabulary_is_named() -> None:
    with pytest.raises(SovitsError, match="Token id 77 is outside the vocabulary of 50"):
        small()(TextBatch.from_phones(torch.tensor([[3, 77]])), None)


def test_heads_that_do_not_fit_are_named() -> None:
    with pytest.raises(SovitsError, match=r"hidden_channels=18 must be a multiple of 2 \* n_heads=4"):
        TextEncoder(50, 6, 3, 8, 18, 32, 2, 1, 3, 0.0)
