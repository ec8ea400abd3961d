import pytest
import torch

from sovits.errors import SovitsError
from sovits.modules import DurationPredictor, TextEncoder
from sovits.text.encoding import EncodedText, TextBatch


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
    durations = predictor(batched.hidden, batched.mask, speaker)
    torch.testing.assert_close(durations[1:, :3], predictor(single.hidden, single.mask, speaker[1:]), rtol=1e-4, atol=1e-5)


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
