"""Word errors against counts by hand, and through a Whisper that hears a given sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sovits.data.preparation.transcript_matching import disagreement
from sovits.data.preparation.transcription import Transcript, WhisperTranscriber
from sovits.errors import SovitsError
from sovits.metrics import WordErrors
from sovits.metrics.word_errors import word_error_rate
from tests.readings import reading
from tests.rehearsed_whisper import rehearsed
from tests.sounds import noise

RATE = 16000


@pytest.mark.parametrize(
    ("text", "heard", "language", "errors"),
    [
        ("The old bridge was mended.", "the old bridge was mended", "en", 0),
        ("The old bridge was mended.", "the cold bridge was", "en", 2 / 5),
        ("The old bridge.", "so the very old bridge is", "en", 1.0),
        ("The old bridge.", "", "en", 1.0),
        ("It costs 42 pounds, doesn't it?", "It costs forty-two pounds doesnt it", "en", 0),
        ("今天天气很好。", "今天天汽很好", "zh", 1 / 6),
        ("我有42本书。", "我有四十二本书", "zh", 0),
        ("请打开Wi-Fi。", "请打开", "mixed", 2 / 5),
        ("...", "hello", "en", None),
    ],
)
def test_words_are_counted_as_they_are_said(text: str, heard: str, language: str, errors: float | None) -> None:
    assert word_error_rate(text, heard, language) == pytest.approx(errors)
    if errors is not None:
        # What the preparation of recordings counts.
        assert disagreement(text, heard, language) == pytest.approx(errors)


def test_a_clip_is_judged_by_what_whisper_hears(tmp_path: Path) -> None:
    judge = WordErrors(["a"], rehearsed(tmp_path, ("the old bridge", 0.0, 0.9)))
    sound, silence = noise(1.0, RATE), np.zeros(RATE, np.float32)
    told = judge.score(reading("a/1", "a", sound, sound, RATE, text="The cold bridge.", reconstruction=silence))
    assert told == pytest.approx({"word_errors": 1 / 3, "word_errors_real": 1 / 3, "word_errors_reconstruction": 1.0})
    assert "checkpoint" in judge.settings["transcriber"]


class Parrot:
    """Hears as many words as the sound has whole seconds."""

    settings: dict[str, object] = {}  # noqa: RUF012

    def load(self) -> None:
        """Nothing to load."""

    def transcribe(self, samples: np.ndarray) -> Transcript:
        """See the protocol."""
        return Transcript(" ".join(["one", "two", "three"][: len(samples) // RATE]), "en", ())


def test_two_ranks_say_what_one_says() -> None:
    sounds = [noise(seconds, RATE) for seconds in (1.0, 2.0, 3.0)]
    every = [
        reading(f"{speaker}/{number}", speaker, sounds[2], sounds[number], RATE, text="One, two, three!")
        for number, speaker in enumerate("aab")
    ]
    together, left, right = (WordErrors(["a", "b"], Parrot()) for _ in range(3))
    together.update(every)
    left.update(every[:1])
    right.update(every[1:])
    left.merge_state(right)
    told = {name: value.item() for name, value in together.compute().items()}
    assert told["word_errors/a"] == pytest.approx(0.5)
    assert told["word_errors"] == pytest.approx(0.25)
    assert told["word_errors_worst_speaker"] == pytest.approx(0.5)
    assert told["word_errors_real"] == 0.0
    assert {name: value.item() for name, value in left.compute().items()} == pytest.approx(told)


def test_a_model_that_is_not_there_is_told_of_at_once(tmp_path: Path) -> None:
    with pytest.raises(SovitsError, match="neither a file nor one of"):
        WordErrors(["a"], WhisperTranscriber(str(tmp_path / "absent.pt")))
