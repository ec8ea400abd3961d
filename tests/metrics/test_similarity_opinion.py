"""The proxy of opinions on similarity, against cosines summed by hand."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from sovits.audio.waveform import read_waveform
from sovits.metrics import Recording, ResemblyzerEncoder, SimilarityOpinion
from sovits.metrics.similarity_opinion import OpinionScale
from tests.metrics.test_speaker_confusion import FirstSamples, clip, heard
from tests.readings import reading

RATE = 16000


def test_opinions_lie_on_a_line_that_is_cut_off() -> None:
    scale = OpinionScale(other=0.4, own=0.8)
    assert [scale(cosine) for cosine in (0.4, 0.6, 0.8)] == pytest.approx([1, 3, 5])
    assert [scale(cosine) for cosine in (-1.0, 0.3, 0.9, 1.0)] == [1, 1, 5, 5]


def test_the_ends_are_means_over_pairs_of_recordings() -> None:
    random = np.random.default_rng(0)
    directions = {"a": clip(1, 0.2, 0), "b": clip(0.2, 1, 0.3), "c": clip(0, 0.3, 1)}
    recordings = {
        f"{name}/{number}": (direction + 0.2 * random.uniform(-1, 1, direction.shape)).astype(np.float32) / 2
        for name, direction in directions.items()
        for number in range(4 if name == "a" else 3)
    }
    recordings["c/silent"] = np.zeros(20, np.float32)
    judge = SimilarityOpinion(["a", "b", "c"], FirstSamples())
    judge.enrol(Recording(name, name[0], samples, RATE) for name, samples in recordings.items())
    units = {name: FirstSamples()(samples) for name, samples in recordings.items() if samples.any()}
    own = [units[name] for name in units if name[0] == "a"]
    within = np.mean([first @ second for first, second in itertools.combinations(own, 2)])
    between = np.mean([np.mean([one @ units[name] for one in own for name in units if name[0] == other]) for other in "bc"])
    scale = judge.scale("a")
    assert scale is not None
    assert scale.own == pytest.approx(within, abs=1e-6)
    assert scale.other == pytest.approx(between, abs=1e-6)
    told = judge.score(heard("a/0", recordings["a/0"], clip(0.6, 0.5, 0.4)))
    others = [units[name] for name in units if name[0] == "a" and name != "a/0"]
    assert told["similarity_opinion"] == pytest.approx(
        scale(np.mean([FirstSamples()(clip(0.6, 0.5, 0.4)) @ one for one in others])), abs=1e-5
    )
    assert 1 < told["similarity_opinion"] < 5
    assert judge.score(heard("a/0", recordings["a/0"], np.zeros(20, np.float32)))["similarity_opinion"] == 1.0


@pytest.mark.parametrize("enrolled", [["a/1", "b/1"], ["a/1", "a/2"], ["b/1", "b/2"]])
def test_nothing_is_said_without_both_ends(enrolled: list[str]) -> None:
    judge = SimilarityOpinion(["a", "b"], FirstSamples())
    judge.enrol(Recording(name, name[0], clip(1, 0, 0), RATE) for name in enrolled)
    assert judge.score(heard("a/1", clip(1, 0, 0), clip(1, 0, 0))) == {}


def test_a_new_recording_moves_the_ends() -> None:
    judge = SimilarityOpinion(["a", "b"], FirstSamples())
    judge.enrol([Recording("a/1", "a", clip(1, 0, 0), RATE), Recording("b/1", "b", clip(0, 1, 0), RATE)])
    assert judge.scale("a") is None
    judge.enrol([Recording("a/2", "a", clip(0.8, 0.6, 0), RATE)])
    assert judge.scale("a") == OpinionScale(pytest.approx(0.3), pytest.approx(0.8))


def test_real_voices(real_speech: Path) -> None:
    judge = SimilarityOpinion(["p225", "p226"], ResemblyzerEncoder())
    clips = {
        (speaker, number): read_waveform(real_speech / f"vctk_{speaker}" / f"{speaker}_{number:03}.flac", RATE, end=3.0)
        for speaker in ("p225", "p226")
        for number in (3, 11, 16)
    }
    judge.enrol(Recording(f"{speaker}/{number}", speaker, samples, RATE) for (speaker, number), samples in clips.items())
    told = judge.score(reading("p225/3", "p225", clips["p225", 3], clips["p226", 3], RATE))
    assert told["similarity_opinion"] < 2
    assert told["similarity_opinion_real"] > 4
