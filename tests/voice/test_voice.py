"""A voice rebuilt from a file: the same speech from the same seed, and a new voice from one clip."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import lightning
import numpy as np
import pytest
import soundfile
import torch

from sovits.audio.spectrogram import log_compress
from sovits.errors import SovitsError
from sovits.text.batch import TextBatch
from sovits.voice import Passage, Request, SpeakerBank, Speech, Voice
from sovits.voice.checkpoint import Checkpoint
from tests.builders import EMBEDDING, HOP, SAMPLE_RATE, batches, tiny_training


@pytest.fixture
def voice(checkpoint) -> Voice:
    return Voice.load(checkpoint)


def tone(seconds: float, hertz: float = 220.0, level: float = 0.3) -> np.ndarray:
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (level * np.sign(np.sin(2 * np.pi * hertz * time)) * np.sin(2 * np.pi * 3 * time) ** 2).astype(np.float32)


def test_a_loaded_voice_is_ready(voice):
    assert voice.speakers == ["ana", "bo"]
    assert voice.sample_rate == SAMPLE_RATE
    assert voice.embedding_size == EMBEDDING
    assert not any(module.training for module in voice.engine.synthesizer.modules())


def test_speech_is_whole_frames_of_finite_audio(voice):
    speech = voice.speak("good morning", "ana")
    assert isinstance(speech, Speech)
    assert speech.samples.dtype == np.float32
    assert speech.samples.shape == (speech.durations.sum() * HOP,)
    assert speech.durations.shape == (len(speech.text.phones),)
    assert speech.durations.min() >= 1
    assert np.isfinite(speech.samples).all()
    assert np.abs(speech.samples).max() > 0
    assert speech.text.text == "good morning"
    assert speech.seconds == pytest.approx(len(speech.samples) / SAMPLE_RATE)


def test_speech_is_what_the_synthesizer_says(voice, content):
    speech = voice.speak("hello", "bo", seed=3, noise_scale=0.5, speed=0.8, language="en")
    direct = voice.engine.synthesizer.synthesize(
        TextBatch.collate([voice.front_end("hello", "en")]),
        content["sovits"]["speaker_bank"]["bo"].unsqueeze(0),
        noise_scale=0.5,
        length_scale=1.25,
        generators=[np.random.default_rng(3)],
    )
    np.testing.assert_allclose(speech.samples, direct.audio[0, 0].numpy(), atol=1e-5)


def test_both_languages_in_one_sentence(voice):
    speech = voice.speak("Hello，欢迎致电客服中心", "ana")
    assert len(set(speech.text.languages)) == 2
    with pytest.raises(SovitsError, match="has nothing to say"):
        voice.speak("……", "ana")


def test_a_request_depends_on_its_own_arguments_alone(voice):
    first = voice.speak("hello there", "ana", seed=1).samples
    torch.manual_seed(99)
    others = [voice.speak("hello there", speaker, seed=seed).samples for speaker, seed in (("ana", 2), ("bo", 1), ("ana", 1))]
    assert np.array_equal(first, others[2])
    assert not np.array_equal(first, others[0])
    assert not np.array_equal(first, others[1][: len(first)])
    state = torch.random.get_rng_state()
    voice.speak("hello there", "ana")
    assert torch.equal(state, torch.random.get_rng_state()), "the global generator is not touched"


def test_concurrent_requests_don_t_mix(voice):
    wanted = {(speaker, seed): voice.speak("one two three", speaker, seed=seed).samples for speaker in ("ana", "bo") for seed in range(4)}
    with ThreadPoolExecutor(4) as pool:
        spoken = list(pool.map(lambda request: voice.speak("one two three", request[0], seed=request[1]).samples, list(wanted) * 3))
    for request, samples in zip(list(wanted) * 3, spoken, strict=True):
        np.testing.assert_allclose(samples, wanted[request], atol=1e-6)


def test_requests_together_sound_as_they_do_alone(voice):
    requests = [
        Request("hello there", "ana", seed=1),
        Request("Hello，欢迎致电客服中心", voice.bank["bo"], seed=2, noise_scale=0.1, speed=0.5),
        Request("no", "bo", language="en", seed=1, speed=2.0),
    ]
    for request, spoken in zip(requests, voice.speak_all(requests), strict=True):
        (alone,) = voice.speak_all([request])
        assert spoken.text == alone.text
        assert np.array_equal(spoken.durations, alone.durations)
        np.testing.assert_allclose(spoken.samples, alone.samples, atol=1e-4)


LONG = "One two three. 你好，世界。Four?"


def test_a_long_text_is_read_sentence_by_sentence(voice):
    request = Request(LONG, "ana", seed=3)
    spoken = list(voice.read(request))
    assert [speech.text.text for speech in spoken] == ["One two three.", "你好,世界.", "Four?"]
    np.testing.assert_array_equal(spoken[1].samples, voice.speak("你好，世界。", "ana", seed=3).samples)
    with pytest.raises(SovitsError, match="script"):
        voice.read(Request("Good. Привет.", "ana"))


def test_a_stream_is_the_reading_piece_by_piece(voice):
    request = Request(LONG, "bo", seed=3, speed=0.25)
    passage = Passage(tuple(voice.read(request)), pause=0.1)
    pieces = list(voice.stream(request, pause=0.1))
    assert len(pieces) > 3 + 2, "some sentence comes in more than one piece"
    assert len(pieces[0]) <= 0.3 * SAMPLE_RATE
    np.testing.assert_allclose(np.concatenate(pieces), passage.samples, atol=1e-4)
    with pytest.raises(SovitsError, match="no speaker 'anna'"):
        voice.stream(Request(LONG, "anna"))


def test_words_of_real_texts_have_times(voice):
    speech = voice.speak("Hello，欢迎致电客服中心", "ana")
    assert [word.text for word in speech.words] == ["Hello", *"欢迎致电客服中心"]
    assert 0 < speech.words[0].start < speech.words[-1].end < speech.seconds


def test_speed_changes_the_length(voice):
    slow, fast = (voice.speak("a longer sentence to be said", "ana", speed=speed) for speed in (0.25, 4.0))
    assert slow.durations.sum() > 2 * fast.durations.sum()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"speaker": "anna"}, r"no speaker 'anna' \(did you mean ana\?\); choose one of ana, bo"),
        ({"speed": 0.0}, r"speed=0\.0 is outside 0\.25-4"),
        ({"speed": float("nan")}, "speed=nan"),
        ({"seed": "abc"}, r"seed=abc is not a whole number"),
        ({"seed": 2**63}, "has more than 63 bits"),
        ({"noise_scale": -1.0}, r"noise_scale=-1\.0 is outside 0-2"),
        ({"speaker": np.ones(7)}, rf"shape \[7\] does not fit the model, which wants \[{EMBEDDING}\]"),
    ],
)
def test_requests_out_of_range_are_refused(voice, arguments, message):
    with pytest.raises(SovitsError, match=message):
        voice.speak("hello", **{"speaker": "ana", **arguments})


def test_a_voice_from_one_clip_speaks_without_training(voice, tmp_path):
    soundfile.write(tmp_path / "clip.wav", tone(2.0), SAMPLE_RATE)
    embedding = voice.embed_clip(tmp_path / "clip.wav")
    assert embedding.shape == (EMBEDDING,)
    assert float(np.linalg.norm(embedding)) == pytest.approx(1, abs=1e-5)
    direct = voice.speak("hello", embedding).samples
    voice.add_speaker("clip", embedding)
    assert voice.speakers == ["ana", "bo", "clip"]
    np.testing.assert_allclose(voice.speak("hello", "clip").samples, direct, atol=1e-6)


def test_embeddings_are_those_of_training(voice):
    samples = tone(1.5)
    expected = voice.engine.synthesizer.embed_speaker(torch.from_numpy(samples).unsqueeze(0))[0].detach()
    np.testing.assert_allclose(voice.embed(samples), expected, atol=1e-6)


def test_rate_and_loudness_of_a_clip_hardly_matter(voice, tmp_path):
    time = np.arange(SAMPLE_RATE * 4) / (2 * SAMPLE_RATE)
    clip = sum(np.sin(2 * np.pi * 210 * k * time) / k for k in range(1, 12)) * np.sin(2 * np.pi * 3 * time) ** 2
    soundfile.write(tmp_path / "loud.wav", 0.4 * clip / np.abs(clip).max(), 2 * SAMPLE_RATE, subtype="FLOAT")
    soundfile.write(tmp_path / "quiet.wav", 0.004 * clip[::2] / np.abs(clip).max(), SAMPLE_RATE, subtype="FLOAT")
    loud, quiet = (voice.embed_clip(tmp_path / name) for name in ("loud.wav", "quiet.wav"))
    assert float(loud @ quiet) > 0.98


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (tone(0.5), r"clip\.wav: A reference of 0\.50 s is too short"),
        (np.zeros(2 * SAMPLE_RATE, np.float32), r"clip\.wav: The reference is silent"),
    ],
)
def test_useless_references_are_named(voice, tmp_path, samples, message):
    soundfile.write(tmp_path / "clip.wav", samples, SAMPLE_RATE)
    with pytest.raises(SovitsError, match=message):
        voice.embed_clip(tmp_path / "clip.wav")
    with pytest.raises(SovitsError, match=r"nowhere\.wav"):
        voice.embed_clip(tmp_path / "nowhere.wav")


def test_an_embedding_of_another_model_is_not_added(voice):
    with pytest.raises(SovitsError, match=rf"does not fit the model, which wants \[{EMBEDDING}\]"):
        voice.add_speaker("cy", np.ones(EMBEDDING + 1))
    with pytest.raises(SovitsError, match="cannot be a speaker's name"):
        voice.add_speaker("../cy", np.ones(EMBEDDING))
    assert voice.speakers == ["ana", "bo"]


def test_reconstruction_is_whole_frames_through_the_posterior(voice):
    samples = tone(1.0)[: 60 * HOP + 17]
    embedding = voice.embed(tone(1.0))
    audio = voice.reconstruct(samples, embedding)
    assert audio.shape == (60 * HOP,)
    assert audio.dtype == np.float32
    mels = log_compress(voice.engine.mel_spectrogram(torch.from_numpy(samples[: 60 * HOP]).unsqueeze(0)))
    direct = voice.engine.synthesizer.reconstruct(mels, torch.tensor([60]), torch.from_numpy(embedding).unsqueeze(0))
    np.testing.assert_allclose(audio, direct[0, 0].numpy(), atol=1e-5)
    with pytest.raises(SovitsError, match=f"shorter than one frame .audio.hop_length={HOP}"):
        voice.reconstruct(samples[: HOP - 1], embedding)


def test_a_bank_in_a_folder_replaces_the_carried_one(checkpoint, tmp_path):
    SpeakerBank.from_embeddings({"cy": np.ones(EMBEDDING)}).save(tmp_path / "bank")
    assert Voice.load(checkpoint, bank=tmp_path / "bank").speakers == ["cy"]
    SpeakerBank.from_embeddings({"cy": np.ones(EMBEDDING + 64)}).save(tmp_path / "other")
    with pytest.raises(SovitsError, match=rf"have {EMBEDDING + 64} numbers and the model wants {EMBEDDING} .*embedding_size"):
        Voice.load(checkpoint, bank=tmp_path / "other")


def test_a_device_that_is_not_there(checkpoint):
    with pytest.raises(SovitsError, match=r"device=cuda:99 cannot be used here .*device=cpu"):
        Voice.load(checkpoint, device="cuda:99")
    with pytest.raises(SovitsError, match=r"device=toaster cannot be used here"):
        Voice.load(checkpoint, device="toaster")


def test_what_a_real_run_saves_is_read(content, tmp_path):
    """Lightning's own file, with the state of its loops, optimisers and callbacks in it."""
    training = tiny_training(steps=2, carried_config=content["sovits"]["config"])
    training.speaker_bank = {"ana": torch.nn.functional.normalize(torch.ones(EMBEDDING), dim=0)}
    trainer = lightning.Trainer(
        accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False, max_epochs=1, default_root_dir=tmp_path
    )
    trainer.fit(training, batches(2))
    trainer.save_checkpoint(tmp_path / "real.ckpt")
    carried = Checkpoint.read(tmp_path / "real.ckpt")
    assert carried.speakers == ["ana", "bo"]
    assert carried.generator_step == 2
    for name, weight in training.synthesizer.state_dict().items():
        assert torch.equal(carried.weights[name], weight)
