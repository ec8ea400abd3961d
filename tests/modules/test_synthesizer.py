import numpy as np
import pytest
import torch
import torchaudio

from sovits.audio.spectrogram import MelSpectrogram
from sovits.errors import SovitsError
from sovits.modules import (
    DurationPredictor,
    EcapaSpeakerEncoder,
    Flow,
    FrameRateDecoder,
    HarmonicDecoder,
    PosteriorEncoder,
    SpeakerEncoder,
    StochasticDurationPredictor,
    Synthesizer,
    SynthesizerTrn,
    TextEncoder,
    TrainedSpeakerEncoder,
    UpsamplingDecoder,
)
from sovits.modules.decoder import Decoder
from sovits.modules.layers.normalization import fold_weight_norm
from sovits.text.batch import TextBatch
from sovits.text.encoding import EncodedText
from tests.builders import EMBEDDING, tiny_synthesizer

HOP = 64


def decoder_of(kind: str) -> Decoder:
    """Four heads over eight latent channels."""
    if kind == "harmonic":
        return HarmonicDecoder(8, HOP, 8000, [2], 16, 32, 2, 8, 192)
    if kind == "frame rate":
        return FrameRateDecoder(8, HOP, [2], 16, 32, 2, 192)
    rates = [8, 4, 2] if kind == "hifigan" else [4, 2]
    return UpsamplingDecoder(8, HOP, rates, 16, [3, 5], [[1, 3], [1, 3]], 192, inverse_stft_hop=1 if kind == "hifigan" else None)


@pytest.fixture(params=["frame rate", "harmonic", "upsampling", "hifigan", "stochastic durations"])
def synthesizer(request: pytest.FixtureRequest) -> Synthesizer:
    stochastic = request.param == "stochastic durations"
    flow = Flow(8, 16, 5, 2, 2, 192)
    for step in flow.steps:
        torch.nn.init.normal_(step.shift.weight, std=0.1)
    return Synthesizer(
        text_encoder=TextEncoder(50, 6, 3, 8, 16, 32, 2, 2, 3, 0.1),
        posterior_encoder=PosteriorEncoder(20, 8, 16, 5, 3, 192),
        flow=flow,
        duration_predictor=(StochasticDurationPredictor if stochastic else DurationPredictor)(16, 16, 3, 0.1, 192),
        decoder=decoder_of("frame rate" if stochastic else request.param),
        segment_frames=6,
        speaker_encoder=TrainedSpeakerEncoder(
            MelSpectrogram(8000, 256, HOP, 20), EcapaSpeakerEncoder(20, 192, channels=(16, 16, 16, 16, 48), attention_channels=8)
        ),
    )


def text_of(*lengths: int) -> TextBatch:
    return TextBatch.collate(
        [EncodedText("x", ["a"] * n, torch.randint(1, 50, (n,)).tolist(), [1] * n, [1] * n, [1], [0] * n) for n in lengths]
    )


def test_forward_gives_every_loss_its_tensors(synthesizer: Synthesizer) -> None:
    output = synthesizer(text_of(5, 3), torch.randn(2, 20, 14), torch.tensor([14, 9]), torch.randn(2, 192))
    assert output.audio.shape == (2, 1, 6 * HOP)
    assert output.alignment.shape == (2, 5, 14)
    assert output.alignment.sum((1, 2)).tolist() == [14, 9]
    assert (output.alignment.sum(-1)[1, :3] >= 1).all()
    for name in ("prior_latent", "prior_mean", "prior_log_std"):
        assert getattr(output, name).shape == (2, 8, 14)
    assert (output.slice_starts + 6 <= torch.tensor([14, 9])).all()


@pytest.mark.parametrize(("phones", "frames"), [(1, 1), (1, 30), (12, 12)])
def test_extreme_lengths_are_finite_in_both_precisions(synthesizer: Synthesizer, phones: int, frames: int) -> None:
    for dtype in (torch.float32, torch.bfloat16):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
            output = synthesizer(text_of(phones), torch.randn(1, 20, frames), torch.tensor([frames]), torch.randn(1, 192))
        assert output.audio.isfinite().all()
        assert output.prior_latent.isfinite().all()


def test_a_padded_batch_speaks_like_single_texts(synthesizer: Synthesizer) -> None:
    synthesizer.eval()
    both, voices = text_of(9, 4), torch.nn.functional.normalize(torch.randn(2, 192), dim=1)
    second = TextBatch(*(value[1:, :4] if value.dim() == 2 and value.shape[1] == 9 else value[1:] for value in vars(both).values()))
    still = {"noise_scale": 0.0, "duration_noise_scale": 0.0}
    together = synthesizer.synthesize(both, voices, **still)
    alone = synthesizer.synthesize(second, voices[1:], **still)
    length = int(alone.sample_lengths[0])
    assert together.sample_lengths[1] == length == int(alone.durations.sum()) * HOP
    torch.testing.assert_close(together.audio[1, :, :length], alone.audio[0], rtol=1e-4, atol=1e-5)
    assert not together.audio[1, :, length:].any()


def test_reconstruction_ignores_padding(synthesizer: Synthesizer) -> None:
    synthesizer.eval()
    mels, voice = torch.randn(1, 20, 10), torch.randn(1, 192)
    alone = synthesizer.reconstruct(mels, torch.tensor([10]), voice)
    padded = synthesizer.reconstruct(torch.nn.functional.pad(mels, (0, 4)), torch.tensor([10]), voice)
    torch.testing.assert_close(padded[..., : 10 * HOP], alone, rtol=1e-4, atol=1e-5)


def test_a_seed_belongs_to_its_request_and_length_scale_slows(synthesizer: Synthesizer) -> None:
    synthesizer.eval()
    text, voice = text_of(8), torch.randn(1, 192)

    def speak(seed: int, length_scale: float = 1.0):
        return synthesizer.synthesize(text, voice, length_scale=length_scale, generators=torch.Generator().manual_seed(seed))

    assert torch.equal(speak(1).audio, speak(1).audio)
    assert not torch.equal(speak(1).audio, speak(2).audio)
    assert speak(1, 3.0).sample_lengths > speak(1).sample_lengths


def test_a_request_sounds_the_same_alone_and_among_others(synthesizer: Synthesizer) -> None:
    synthesizer.eval()
    together, voices = text_of(9, 4, 6), torch.nn.functional.normalize(torch.randn(3, 192), dim=1)
    scales = {
        "noise_scale": torch.tensor([0.6, 0.9, 0.0]),
        "duration_noise_scale": torch.tensor([0.8, 0.3, 1.0]),
        "length_scale": torch.tensor([1.0, 2.0, 0.5]),
    }
    spoken = synthesizer.synthesize(together, voices, generators=[np.random.default_rng(seed) for seed in range(3)], **scales)
    for number, phones in enumerate(together.lengths.tolist()):
        one = slice(number, number + 1)
        text = TextBatch(*(value[one, :phones] if value.shape[1:] == (9,) else value[one] for value in vars(together).values()))
        own = {name: float(scale[number]) for name, scale in scales.items()}
        alone = synthesizer.synthesize(text, voices[one], generators=[np.random.default_rng(number)], **own)
        samples = int(alone.sample_lengths[0])
        assert spoken.sample_lengths[number] == samples
        assert torch.equal(spoken.durations[number, :phones], alone.durations[0])
        torch.testing.assert_close(spoken.audio[number, :, :samples], alone.audio[0], rtol=1e-4, atol=1e-5)
        assert not spoken.audio[number, :, samples:].any()


def test_the_public_snippet_runs_as_written() -> None:
    wav, text_tokens = torch.randn(1, 22050) * 0.1, [5, 17, 300, 14999]
    speaker_encoder = SpeakerEncoder(n_mels=80, n_speakers=10000, out_channels=256)
    synthesizer = SynthesizerTrn(
        n_vocab=15000, spec_channels=80, segment_size=32, inter_channels=192, hidden_channels=192,
        upsample_rates=[4, 4, 2, 2], upsample_initial_channel=512, resblock_kernel_sizes=[3, 7, 11],
        use_spectral_norm=False,
    )  # fmt: skip
    mel = torchaudio.transforms.MelSpectrogram(sample_rate=22050, n_fft=2048, hop_length=512, n_mels=80)(wav)
    spk_emb = speaker_encoder(mel.unsqueeze(0))
    assert spk_emb.shape == (1, 256)
    audio = synthesizer.infer(torch.tensor([text_tokens]), spk_emb=spk_emb)
    assert audio.shape[:2] == (1, 1)
    assert audio.shape[-1] % 512 == 0
    assert audio.shape[-1] >= 512 * len(text_tokens)
    assert audio.isfinite().all()


def test_infer_refuses_what_it_cannot_say(synthesizer: Synthesizer) -> None:
    with pytest.raises(SovitsError, match="at least one token"):
        synthesizer.infer(torch.zeros(1, 0, dtype=torch.long), spk_emb=torch.randn(1, 192))
    with pytest.raises(SovitsError, match=r"\[2, 192\], not spk_emb \[1, 192\]"):
        synthesizer.infer(torch.ones(2, 3, dtype=torch.long), spk_emb=torch.randn(1, 192))


def test_without_a_speaker_encoder_says_so(synthesizer: Synthesizer) -> None:
    synthesizer.speaker_encoder = None
    with pytest.raises(SovitsError, match="speaker_encoder is null"):
        synthesizer.embed_speaker(torch.rand(1, 3000))


def test_parts_that_do_not_fit_name_both_numbers_and_keys() -> None:
    with pytest.raises(SovitsError, match=r"model.flow.channels=10 and model.text_encoder.inter_channels=8 must be equal"):
        tiny_synthesizer(flow=Flow(10, 16, 5, 2, 2, EMBEDDING))
    with pytest.raises(SovitsError, match=r"model.decoder.speaker_channels=200 and the speaker encoder's embedding_size=192"):
        tiny_synthesizer(decoder=FrameRateDecoder(8, HOP, [2], 16, 32, 2, 200))
    with pytest.raises(SovitsError, match=r"semantic_channels=8 and the semantic encoder's hidden size=0"):
        tiny_synthesizer(semantic_encoder=None)
    with pytest.raises(SovitsError, match=r"duration_predictor.hidden_channels=12 and model.text_encoder.hidden_channels=16"):
        tiny_synthesizer(duration_predictor=DurationPredictor(12, 16, 3, 0.1, EMBEDDING))
    with pytest.raises(SovitsError, match="segment_frames=0"):
        tiny_synthesizer(segment_frames=0)


def test_folding_the_weight_norm_changes_nothing(synthesizer: Synthesizer) -> None:
    synthesizer.eval()
    text, voice = text_of(9), torch.randn(1, 192)

    def speak() -> torch.Tensor:
        return synthesizer.synthesize(text, voice, generators=torch.Generator().manual_seed(1)).audio

    before = speak()
    fold_weight_norm(synthesizer)
    assert not any("parametrizations" in name for name in synthesizer.state_dict())
    torch.testing.assert_close(speak(), before, rtol=1e-6, atol=1e-6 * float(before.abs().max()))
