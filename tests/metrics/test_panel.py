"""A panel: every judge hears every reading, voices are embedded once, and mistakes in its make-up are named."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from sovits.errors import SovitsError
from sovits.metrics import Figure, Panel, Reading, SoundJudge, SpeakerSimilarity
from tests.readings import reading

RATE = 16000


class Direction:
    """The direction of a clip's first two samples; counts what it is asked."""

    sample_rate = RATE
    channels = 2

    def __init__(self) -> None:
        self.calls = 0

    @property
    def settings(self) -> dict[str, str]:
        return {"encoder": "direction"}

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        self.calls += 1
        return samples[:2] / max(float(np.linalg.norm(samples[:2])), 1e-9)


class Level(SoundJudge):
    figures = (Figure("level", "level", "mean absolute sample", True),)

    def __init__(self, speakers: list[str]) -> None:
        super().__init__(speakers)
        self.heard: list[float] = []

    def hear(self, samples: np.ndarray, reading: Reading) -> dict[str, float]:
        self.heard.append(float(np.abs(samples).mean()))
        return {"level": self.heard[-1]}


class Loudness(Level):
    """Another judge with a figure of the same name."""


def clip(level: float) -> np.ndarray:
    return np.full(RATE, level, dtype=np.float32)


def test_all_judges_hear_all_readings_and_clips_are_embedded_once() -> None:
    encoder = Direction()
    panel = Panel({"voice": SpeakerSimilarity, "level": Level, "left_out": None}, encoder).seat(["a", "b"])
    readings = [reading("a/1", "a", clip(0.1), clip(0.4), RATE), reading("b/1", "b", clip(0.2), clip(0.6), RATE)]
    panel.enrol(one.recording for one in readings)
    scores = [panel.score(one) for one in readings]
    assert scores[1]["level"] == pytest.approx(0.6)
    assert scores[1]["level_real"] == pytest.approx(0.2)
    assert encoder.calls == 4
    figures = panel.compute()
    assert figures["level"].item() == pytest.approx(0.5)
    assert figures["level_worst_speaker"].item() == pytest.approx(0.4)
    assert panel.compute() == {}, "it begins anew"
    assert panel.settings == {"voice": {"encoder": "direction"}, "level": {}}
    assert [figure.name for figure in panel.figures] == ["speaker_similarity", "level"]


def test_a_recording_is_judged_once_however_often_it_comes_back() -> None:
    panel = Panel({"level": Level}, None).seat(["a"])
    for synthetic in (0.3, 0.4):
        panel.score(reading("a/1", "a", clip(0.1), clip(synthetic), RATE))
    assert panel.judges["level"].heard == pytest.approx([0.1, 0.3, 0.4])


def test_mistakes_in_its_make_up_are_named() -> None:
    with pytest.raises(SovitsError, match="voice needs a speaker encoder; choose encoder=resemblyzer"):
        Panel({"voice": functools.partial(SpeakerSimilarity)}, None)
    with pytest.raises(SovitsError, match="the figure level is given by two judges"):
        Panel({"one": Level, "two": Loudness}, None).seat(["a"])
