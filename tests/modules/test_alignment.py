import itertools

import numpy as np
import pytest
import torch
from torch.distributions import Independent, Normal

from sovits.modules.alignment import durations_to_path, gaussian_log_likelihood, monotonic_alignment


def every_alignment(phones: int, frames: int):
    """All ways to cut ``frames`` into ``phones`` runs of at least one frame."""
    for cuts in itertools.combinations(range(1, frames), phones - 1):
        yield np.diff([0, *cuts, frames])


@pytest.mark.parametrize(("phones", "frames"), [(1, 1), (1, 5), (4, 4), (3, 8), (5, 9)])
def test_is_the_best_of_all_alignments(phones: int, frames: int) -> None:
    scores = torch.randn(6, phones, frames)
    path = monotonic_alignment(scores, torch.full((6,), phones), torch.full((6,), frames))
    for clip in range(6):
        best = max(
            sum(float(scores[clip, phone, start:end].sum()) for phone, (start, end) in enumerate(itertools.pairwise([0, *np.cumsum(cut)])))
            for cut in every_alignment(phones, frames)
        )
        assert float((path[clip] * scores[clip]).sum()) == pytest.approx(best, abs=1e-4)


def reference_search(scores: np.ndarray) -> np.ndarray:
    """The textbook dynamic programme, phone by phone over whole rows of doubles."""
    phones, frames = scores.shape
    total = np.full((phones, frames), -np.inf)
    total[0] = np.cumsum(scores[0])
    for phone in range(1, phones):
        for frame in range(phone, frames):
            total[phone, frame] = scores[phone, frame] + max(total[phone, frame - 1], total[phone - 1, frame - 1])
    path = np.zeros_like(scores)
    phone = phones - 1
    for frame in reversed(range(frames)):
        path[phone, frame] = 1
        if frame and phone and (frame == phone or total[phone - 1, frame - 1] > total[phone, frame - 1]):
            phone -= 1
    return path


def test_equals_the_reference_programme_on_long_clips() -> None:
    scores = torch.randn(3, 120, 700)
    path = monotonic_alignment(scores, torch.full((3,), 120), torch.full((3,), 700))
    for clip in range(3):
        assert np.array_equal(path[clip].numpy(), reference_search(scores[clip].double().numpy()))


def test_each_clip_of_a_padded_batch_is_aligned_as_if_alone() -> None:
    scores = torch.randn(2, 7, 20)
    together = monotonic_alignment(scores, torch.tensor([7, 4]), torch.tensor([20, 11]))
    alone = monotonic_alignment(scores[1:, :4, :11], torch.tensor([4]), torch.tensor([11]))
    assert torch.equal(together[1, :4, :11], alone[0])
    assert together[1].sum() == 11


def test_likelihood_equals_torch_distributions() -> None:
    latent, mean, log_std = torch.randn(2, 5, 9), torch.randn(2, 5, 3), torch.randn(2, 5, 3) * 0.3
    likelihood = gaussian_log_likelihood(latent, mean, log_std)
    for phone in range(3):
        density = Independent(Normal(mean[:, :, phone], log_std[:, :, phone].exp()), 1)
        for frame in range(9):
            torch.testing.assert_close(likelihood[:, phone, frame], density.log_prob(latent[:, :, frame]), rtol=1e-4, atol=1e-4)


def test_durations_become_the_path_they_were_counted_from() -> None:
    path = monotonic_alignment(torch.randn(2, 6, 30), torch.tensor([6, 6]), torch.tensor([30, 30]))
    assert torch.equal(durations_to_path(path.sum(-1), 30), path)
