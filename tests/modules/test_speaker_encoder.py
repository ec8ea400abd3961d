import pytest
import torch

from sovits.audio.spectrogram import MelSpectrogram
from sovits.errors import SovitsError
from sovits.modules.speaker_classifier import SpeakerClassifier
from sovits.modules.speaker_encoder import EcapaSpeakerEncoder, SpeakerEncoder, TrainedSpeakerEncoder


def small(embedding_size: int = 192) -> EcapaSpeakerEncoder:
    return EcapaSpeakerEncoder(20, embedding_size, channels=(16, 16, 16, 16, 48), attention_channels=8)


def reading_waveforms() -> TrainedSpeakerEncoder:
    return TrainedSpeakerEncoder(MelSpectrogram(8000, n_fft=256, hop_length=64, n_mels=20), small())


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


@pytest.mark.parametrize("shape", [(2, 21, 40), (2, 20, 0), (2, 2, 20, 40)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(SovitsError, match=rf"takes mels .* not \[{', '.join(map(str, shape))}\]"):
        small()(torch.rand(shape))


def test_with_the_classifier_it_learns_to_tell_speakers_apart() -> None:
    encoder, classifier = small(), SpeakerClassifier(192, 4)
    depths = 2 * torch.rand(4, 20, 1)  # the mean over time is taken out, so voices differ in how bands move
    speakers = torch.arange(4).repeat(4)
    optimizer = torch.optim.Adam([*encoder.parameters(), *classifier.parameters()], 1e-2)
    losses = []
    for _ in range(40):
        mels = (depths[speakers] * torch.randn(16, 20, 30)).exp()
        loss = classifier(encoder(mels), speakers)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]


@pytest.mark.parametrize("shape", [(1, 80, 30), (1, 1, 80, 30)])
def test_the_public_name_takes_out_channels_and_owns_a_classifier(shape: tuple[int, ...]) -> None:
    encoder = SpeakerEncoder(n_mels=80, n_speakers=10, out_channels=200).eval()
    embeddings = encoder(torch.rand(shape))
    assert embeddings.shape == (1, 200)
    assert encoder.classifier.weight.shape == (10, 200)
    assert encoder.classifier(embeddings, torch.tensor([3])).shape == ()


def test_a_waveform_is_read_through_its_mel() -> None:
    conditioning = reading_waveforms().eval()
    clips = 0.1 * torch.randn(2, 4000)
    voices = conditioning(clips)
    assert conditioning.zero_shot
    assert conditioning.embedding_size == 192
    assert voices.shape == (2, 192)
    assert torch.equal(voices, conditioning.encoder(conditioning.spectrogram(clips)))
    assert torch.equal(voices, conditioning(clips, torch.tensor([5, 6])))


def test_the_gradient_reaches_the_waveform_and_the_weights() -> None:
    conditioning = reading_waveforms().train()
    clips = (0.1 * torch.randn(2, 4000)).requires_grad_()
    (conditioning(clips) * torch.randn(2, 192)).sum().backward()
    assert clips.grad is not None
    assert clips.grad.isfinite().all()
    assert (clips.grad != 0).any(dim=1).all()
    assert all(weight.grad is not None for weight in conditioning.encoder.parameters())


@pytest.mark.parametrize("samples", [1, 63, 64, 1000])
@pytest.mark.parametrize("training", [True, False])
def test_very_short_waveforms_have_a_voice(samples: int, training: bool) -> None:
    voices = reading_waveforms().train(training)(0.1 * torch.randn(1, samples))
    torch.testing.assert_close(voices.norm(dim=1), torch.ones(1))


def test_clips_that_are_none_or_shaped_otherwise_are_refused() -> None:
    conditioning = reading_waveforms()
    with pytest.raises(SovitsError, match="but got none"):
        conditioning(None, torch.tensor([0]))
    with pytest.raises(SovitsError, match=r"\[2, 1, 400\]"):
        conditioning(torch.rand(2, 1, 400))
    with pytest.raises(SovitsError, match=r"\[2, 0\]"):
        conditioning(torch.rand(2, 0))


def test_a_spectrogram_of_other_bands_is_refused() -> None:
    with pytest.raises(SovitsError, match="reads 20 mel bands, but its spectrogram makes 24"):
        TrainedSpeakerEncoder(MelSpectrogram(8000, n_fft=256, hop_length=64, n_mels=24), small())
