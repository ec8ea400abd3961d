"""A batch that is decoded a few sentences at a time says what it says at once, and what each says alone."""

from __future__ import annotations

import numpy as np
import pytest

from sovits.errors import SovitsError
from sovits.serving.grouped_engine import GroupedEngine
from sovits.voice import Request, Voice

TEXTS = ("good morning to you and to everyone", "hello", "Hello，欢迎", "yes", "the letter was seen")


def requests() -> list[Request]:
    return [Request(text, ("ana", "bo")[number % 2], seed=number, speed=1 + number / 4) for number, text in enumerate(TEXTS)]


@pytest.mark.parametrize("frames", [1, 60, 10**6])
def test_it_says_what_each_says_alone(voice: Voice, frames: int) -> None:
    together = Voice(GroupedEngine(voice.engine, frames), voice.front_end, voice.bank).speak_all(requests())
    for request, said in zip(requests(), together, strict=True):
        alone = voice.speak_all([request])[0]
        np.testing.assert_allclose(said.samples, alone.samples, atol=1e-4)
        assert np.array_equal(said.durations, alone.durations)


class Counting(GroupedEngine):
    """Keeps the lengths of each group, and how long it is with its padding."""

    def say(self, drawn: np.ndarray, lengths: np.ndarray, voices: np.ndarray) -> np.ndarray:
        self.groups = [*getattr(self, "groups", []), (lengths.tolist(), drawn.shape[-1])]
        return super().say(drawn, lengths, voices)


def test_groups_are_of_like_length_and_within_their_frames(voice: Voice) -> None:
    lengths = [int(voice.speak_all([request])[0].durations.sum()) for request in requests()]
    most = 2 * sorted(lengths)[-2]
    engine = Counting(voice.engine, most)
    Voice(engine, voice.front_end, voice.bank).speak_all(requests())
    assert [length for group, _ in engine.groups for length in group] == sorted(lengths)
    assert 1 < len(engine.groups) < len(lengths)
    for group, longest in engine.groups:
        assert longest == max(group)
        assert len(group) == 1 or len(group) * longest <= most
    # Each group is as large as it may be.
    for (group, _), (following, _) in zip(engine.groups, engine.groups[1:], strict=False):
        assert (len(group) + 1) * following[0] > most


def test_one_alone_is_said_by_the_engine_itself(voice: Voice) -> None:
    engine = Counting(voice.engine, 1)
    (said,) = Voice(engine, voice.front_end, voice.bank).speak_all(requests()[:1])
    assert not hasattr(engine, "groups")
    assert np.array_equal(said.samples, voice.speak_all(requests()[:1])[0].samples)


def test_all_else_is_the_engine_s(voice: Voice) -> None:
    grouped = Voice(GroupedEngine(voice.engine, 60), voice.front_end, voice.bank)
    request = requests()[0]
    assert np.array_equal(np.concatenate(list(grouped.stream_sentence(request))), np.concatenate(list(voice.stream_sentence(request))))
    noise = np.random.default_rng(0).standard_normal(2 * voice.sample_rate).astype(np.float32) / 10
    assert np.array_equal(grouped.embed(noise), voice.embed(noise))
    assert np.array_equal(grouped.reconstruct(noise, voice.bank["ana"]), voice.reconstruct(noise, voice.bank["ana"]))
    assert (grouped.sample_rate, grouped.embedding_size, grouped.engine.device) == (voice.sample_rate, voice.embedding_size, "cpu")


def test_no_frames(voice: Voice) -> None:
    with pytest.raises(SovitsError, match="frames_at_a_time=0"):
        GroupedEngine(voice.engine, 0)
