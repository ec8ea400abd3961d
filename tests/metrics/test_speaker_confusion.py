"""Whose voice a clip is taken for, with embeddings that were put in."""

from __future__ import annotations

import numpy as np
import pytest

from sovits.metrics import NearestSpeaker, Reading, Recording
from tests.readings import reading

RATE = 16000


class FirstSamples:
    """The direction of a clip's first three samples."""

    sample_rate = RATE
    channels = 3
    settings: dict[str, object] = {}  # noqa: RUF012

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        length = np.linalg.norm(samples[:3])
        return samples[:3] / length if length else np.zeros(3, dtype=np.float32)


def clip(*direction: float) -> np.ndarray:
    return np.array([*direction, *[0.0] * 20], dtype=np.float32)


def heard(name: str, recording: np.ndarray, synthesis: np.ndarray) -> Reading:
    return reading(name, name[0], recording, synthesis, RATE)


ENROLLED = [("a/1", clip(1, 0, 0)), ("a/2", clip(0.9, 0.1, 0)), ("b/1", clip(0, 1, 0)), ("b/2", clip(0, 0.9, 0.2)), ("c/1", clip(0, 0, 1))]
READINGS = [
    heard("a/1", ENROLLED[0][1], clip(0.9, 0, 0.1)),
    heard("a/2", ENROLLED[1][1], clip(0.1, 0.9, 0)),
    heard("b/1", clip(0.1, 0, 0.9), clip(0, 0.8, 0.3)),
    heard("b/2", ENROLLED[3][1], clip(0, 0, 0)),
]


def judge() -> NearestSpeaker:
    made = NearestSpeaker(["a", "b", "c"], FirstSamples())
    made.enrol(Recording(name, name[0], samples, RATE) for name, samples in ENROLLED)
    return made


def test_clips_are_counted_for_whom_they_are_taken() -> None:
    one = judge()
    one.update(READINGS)
    told = one.compute()
    assert told["nearest_speaker/a"] == 0.5
    assert told["nearest_speaker/b"] == 0.5
    assert told["nearest_speaker_real/a"] == 1.0
    assert told["nearest_speaker_real"] == 0.75
    assert told["nearest_speaker_worst_speaker"] == 0.5
    assert one.computed is not None
    assert one.computed.speakers == ("a", "b", "c")
    # The silent one is nobody's.
    assert one.computed.synthesis.tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert one.computed.recordings.tolist() == [[2, 0, 0], [0, 1, 1], [0, 0, 0]]
    one.reset()
    assert one.computed.synthesis.sum() == 3
    one.update(READINGS[:1])
    one.compute()
    assert one.computed.synthesis.tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 0]]


def test_two_ranks_count_the_same_matrix() -> None:
    together, left, right = judge(), judge(), judge()
    together.update(READINGS)
    left.update(READINGS[:1])
    right.update(READINGS[1:])
    left.merge_state(right)
    assert {name: value.item() for name, value in left.compute().items()} == {
        name: value.item() for name, value in together.compute().items()
    }
    assert left.computed is not None
    assert together.computed is not None
    assert np.array_equal(left.computed.synthesis, together.computed.synthesis)
    assert np.array_equal(left.computed.recordings, together.computed.recordings)


def test_a_recording_is_not_compared_with_itself() -> None:
    made = NearestSpeaker(["a", "b"], FirstSamples())
    outlier = clip(0, 1, 0)
    made.enrol(
        [Recording("a/1", "a", outlier, RATE), Recording("a/2", "a", clip(1, 0, 0), RATE), Recording("b/1", "b", clip(0, 1, 0.1), RATE)]
    )
    assert made.score(heard("a/1", outlier, outlier)) == {"nearest_speaker": 0.0, "nearest_speaker_real": 0.0}


@pytest.mark.parametrize("enrolled", [[], ["a/1", "b/1"], ["a/1", "a/2"]])
def test_nothing_is_said_where_there_is_nothing_to_tell_apart(enrolled: list[str]) -> None:
    made = NearestSpeaker(["a", "b"], FirstSamples())
    made.enrol(Recording(name, name[0], clip(1, 0, 0), RATE) for name in enrolled)
    made.update([heard("a/1", clip(1, 0, 0), clip(1, 0, 0))])
    assert made.compute() == {}
    assert made.computed is not None
    assert made.computed.synthesis.sum() == 0
