"""The voice that the package brings along: small, whole, honest about itself, and understood in voices that it never heard."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sovits.audio.waveform import resample
from sovits.data.demo import SPEAKERS
from sovits.data.espeak import open_espeak
from sovits.hearing import EnglishRecognizer
from sovits.metrics import Intelligibility, Reading, Recording, ResemblyzerEncoder
from sovits.voice import Voice
from sovits.voice.base import FOLDER
from sovits.voice.checkpoint import Checkpoint

SENTENCES = ["Thank you for calling, how may I help you today?", "Both parcels left the warehouse before noon."]
"""Of the demo speakers: none of them is in what the base was trained on."""


@pytest.fixture(scope="module")
def voice() -> Voice:
    return Voice.load("base")


@pytest.fixture(scope="module")
def strangers() -> dict[str, np.ndarray]:
    """A clip of each demo speaker, at 22050 Hz."""
    pytest.importorskip("espeakng_loader")
    clips = {}
    with open_espeak() as espeak:
        for speaker in SPEAKERS:
            speech = espeak.speak(
                speaker.sentences[2], speaker.voice, rate=speaker.rate, pitch=speaker.pitch, pitch_range=speaker.pitch_range
            )
            clips[speaker.name] = resample(speech.samples, espeak.sample_rate, 22050)
    return clips


def test_it_is_small_and_in_parts() -> None:
    sizes = {path.name: path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()}
    assert sum(sizes.values()) < 40e6
    assert max(sizes.values()) <= 16e6
    assert not [name for name in sizes if name.endswith((".ckpt", ".pt", ".pkl"))]


def test_it_tells_of_no_machine_and_of_nobody_s_data() -> None:
    config = (FOLDER / "config.json").read_text(encoding="utf-8") + (FOLDER / "export.json").read_text(encoding="utf-8")
    assert '"/' not in config
    assert set(json.loads((FOLDER / "config.json").read_text(encoding="utf-8"))) >= {"audio", "text", "model", "discriminators"}
    # Its own voices are of machines; a person's would need that person's word.
    assert all(name.startswith(("english", "mandarin")) for name in Checkpoint.read("base").speakers)


def test_the_card_gives_whom_it_learned_from_and_under_which_licence() -> None:
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    for wanted in ("LibriSpeech", "VCTK", "AISHELL-1", "AISHELL-3", "CC BY 4.0", "Apache-2.0", "espeak-ng", "agreed", "cannot"):
        assert wanted in card


def test_words_can_be_made_out_in_voices_that_it_never_heard(voice: Voice, strangers: dict[str, np.ndarray]) -> None:
    judge = Intelligibility(["x"], distractors=4, recognizer=EnglishRecognizer())
    margins = []
    for clip in (strangers["alice"], strangers["bruno"]):
        stranger = voice.embed(clip)
        for seed, text in enumerate(SENTENCES):
            said = voice.speak(text, stranger, language="en", seed=seed).samples
            judge.update([Reading(Recording("a", "x", said, voice.sample_rate), text, "en", said)])
            margins.append(judge.latest["intelligibility"])
    # 0 is speech of which no word can be made out; recordings have 5 to 6.
    assert np.mean(margins) > 2.5


@pytest.mark.parametrize("text", ["你好，请问有什么可以帮您？", "Hello，欢迎致电客服中心。", "The price is 25 dollars."])
def test_each_language_lasts_as_long_as_people_take(text: str, voice: Voice, strangers: dict[str, np.ndarray]) -> None:
    speech = voice.speak(text, voice.embed(strangers["mei"]), seed=1)
    assert 1.0 < speech.seconds < 6.0
    assert np.abs(speech.samples).max() > 0.05
    assert np.isfinite(speech.samples).all()


def test_different_strangers_sound_different(voice: Voice, strangers: dict[str, np.ndarray]) -> None:
    hear = ResemblyzerEncoder()

    def heard(samples: np.ndarray) -> np.ndarray:
        return hear(resample(samples, voice.sample_rate, hear.sample_rate))

    pair = ("alice", "bruno")
    meant = {name: heard(strangers[name]) for name in pair}
    # The woman's and the man's voice are told apart, by what several sentences have in common: one of two seconds tells little.
    for one, other in (pair, pair[::-1]):
        said = [heard(voice.speak(text, voice.embed(strangers[one]), seed=seed).samples) for text in SENTENCES for seed in (3, 4)]
        assert np.mean(said, axis=0) @ meant[one] > np.mean(said, axis=0) @ meant[other] + 0.02
