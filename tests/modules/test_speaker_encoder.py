import pytest
import torch

from sovits.errors import SovitsError
from sovits.modules import EcapaSpeakerEncoder, SpeakerEncoder


def small(embedding_size: int = 192, n_speakers: int = 4) -> EcapaSpeakerEncoder:
    return EcapaSpeakerEncoder(20, n_speakers, embedding_size, channels=(16, 16, 16, 16, 48), attention_channels=8)


@pytest.mark.parametrize("embedding_size", [192, 256, 384, 512])
def test_embeddings_have_the_asked_size_and_norm_one(embedding_size: int) -> None:
    embeddings = small(embedding_size)(torch.rand(3, 20, 40))
    assert embeddings.shape == (3, embedding_size)
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(3))


def test_a_channel_dimension_is_accepted() -> None:
    encoder, mels = small().eval(), torch.rand(2, 20, 40)
    assert torch.equal(encoder(mels), encoder(mels.unsqueeze(1)))


def test_loudness_does_not_change_the_voice() -> None:
    encoder, mels = small().eval(), torch.rand(1, 20, 40) + 0.1
    torch.testing.assert_close(encoder(mels), encoder(mels * 100), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("frames", [1, 5, 17])
def test_short_and_lone_clips_embed_in_training_too(frames: int) -> None:
    assert small().train()(torch.rand(1, 20, frames)).isfinite().all()


@pytest.mark.parametrize("embedding_size", [128, 191, 513])
def test_sizes_outside_the_range_are_refused(embedding_size: int) -> None:
    with pytest.raises(SovitsError, match=f"embedding_size={embedding_size} is outside 192-512"):
        small(embedding_size)


def test_other_shapes_are_refused() -> None:
    with pytest.raises(SovitsError, match=r"\[2, 21, 40\]"):
        small()(torch.rand(2, 21, 40))


def test_the_margin_head_learns_to_tell_speakers_apart() -> None:
    encoder = small()
    depths = 2 * torch.rand(4, 20, 1)  # the mean over time is taken out, so voices differ in how bands move
    speakers = torch.arange(4).repeat(4)
    optimizer = torch.optim.Adam(encoder.parameters(), 1e-2)
    losses = []
    for _ in range(40):
        mels = (depths[speakers] * torch.randn(16, 20, 30)).exp()
        loss = encoder.classification_loss(encoder(mels), speakers)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]


def test_the_public_name_takes_out_channels() -> None:
    assert SpeakerEncoder(n_mels=80, n_speakers=10, out_channels=200).eval()(torch.rand(1, 1, 80, 30)).shape == (1, 200)
