"""Mel distances against a search through every warping path."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from sovits.metrics import MelDistance, mel_distance, warped_mel_distance
from tests.readings import reading


def every_path(rows: int, columns: int) -> list[list[tuple[int, int]]]:
    """All monotonic paths from corner to corner with steps (1, 0), (0, 1), (1, 1)."""
    if (rows, columns) == (1, 1):
        return [[(0, 0)]]
    paths = []
    for down, right in ((1, 0), (0, 1), (1, 1)):
        if (rows > down and columns > right) or (rows - down, columns - right) == (1, 1):
            paths += [
                [*path, (rows - 1, columns - 1)] for path in every_path(rows - down, columns - right) if rows > down and columns > right
            ]
    return paths


def by_brute_force(first: np.ndarray, second: np.ndarray) -> float:
    costs = np.abs(first[:, :, None] - second[:, None, :]).mean(0)
    best = min(every_path(first.shape[1], second.shape[1]), key=lambda path: sum(costs[cell] for cell in path))
    return sum(costs[cell] for cell in best) / len(best)


def test_there_are_as_many_paths_as_delannoy_counted() -> None:
    assert len(every_path(4, 4)) == 63
    assert len(every_path(3, 5)) == 41


@pytest.mark.parametrize(("frames", "others"), list(itertools.product((1, 2, 4, 5), (1, 3, 5))))
def test_the_warped_distance_is_that_of_the_cheapest_path(frames: int, others: int) -> None:
    random = np.random.default_rng(frames * 10 + others)
    first, second = random.normal(size=(6, frames)), random.normal(size=(6, others))
    assert warped_mel_distance(first, second) == pytest.approx(by_brute_force(first, second), abs=1e-9)
    assert warped_mel_distance(torch.tensor(first), second) == pytest.approx(warped_mel_distance(second, first), abs=1e-6)


def test_a_slower_reading_is_no_distance_away() -> None:
    mel = np.random.default_rng(0).normal(size=(80, 30))
    assert warped_mel_distance(mel, np.repeat(mel, 2, axis=1)) == pytest.approx(0.0, abs=1e-12)
    assert warped_mel_distance(mel, mel + 0.5) <= 0.5 + 1e-9


def test_the_aligned_distance_is_in_nats() -> None:
    mel = torch.randn(80, 40)
    assert mel_distance(mel, mel) == 0.0
    assert mel_distance(mel + 0.25, mel) == pytest.approx(0.25, abs=1e-6)
    # Twice the amplitude is four times the power: log 4 nats in every band.
    power = torch.rand(80, 40) + 0.1
    assert mel_distance((4 * power).log(), power.log()) == pytest.approx(np.log(4), abs=1e-5)


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"one shape, not \(80, 4\) and \(80, 5\)"):
        mel_distance(torch.zeros(80, 4), torch.zeros(80, 5))
    with pytest.raises(ValueError, match="same bands, not 80 and 40"):
        warped_mel_distance(torch.zeros(80, 4), torch.zeros(40, 4))
    with pytest.raises(ValueError, match="at least one frame"):
        mel_distance(torch.zeros(80, 0), torch.zeros(80, 0))


def test_speakers_weigh_the_same_and_a_reconstruction_is_compared_frame_by_frame() -> None:
    noise = np.random.default_rng(0)
    recordings = [0.02 * noise.standard_normal(9000).astype(np.float32) for _ in range(3)]
    judge = MelDistance(["a", "b", "absent"])
    for number, (recording, speaker) in enumerate(zip(recordings, "aab", strict=True)):
        louder = (number + 2) * recording
        judge.update([reading(str(number), speaker, recording, louder, 22050, reconstruction=louder)])
    figures = judge.compute()
    # An amplitude n times as large is a power n squared times as large, in every band and frame.
    expected = {"a": (2 * np.log(2) + 2 * np.log(3)) / 2, "b": 2 * np.log(4)}
    for speaker, value in expected.items():
        assert figures[f"mel_distance_reconstruction/{speaker}"].item() == pytest.approx(value, rel=1e-3)
        # Warping may find a cheaper path between the same two sounds, never a dearer one.
        assert figures[f"mel_distance/{speaker}"].item() <= value + 1e-3
    assert figures["mel_distance_reconstruction"].item() == pytest.approx(np.mean(list(expected.values())), rel=1e-3)
    assert not any("real" in name or "absent" in name for name in figures)


def test_a_clip_without_a_frame_has_no_distance() -> None:
    judge = MelDistance(["a"])
    judge.update([reading("0", "a", np.ones(9000), np.zeros(100), 22050)])
    assert judge.compute() == {}
