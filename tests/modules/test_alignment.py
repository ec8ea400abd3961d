import itertools
import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.distributions import Independent, Normal

from sovits.errors import SovitsError
from sovits.modules import alignment
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
    """The paper's recursion Q(i, j) = max(Q(i - 1, j - 1), Q(i, j - 1)) + score(i, j), cell by cell in the precision of ``scores``."""
    phones, frames = scores.shape
    total = np.full((phones, frames), -np.inf, scores.dtype)
    total[0, 0] = scores[0, 0]
    for frame in range(1, frames):
        for phone in range(min(phones, frame + 1)):
            advance = total[phone - 1, frame - 1] if phone else -np.inf
            total[phone, frame] = scores[phone, frame] + max(total[phone, frame - 1], advance)
    path = np.zeros_like(scores)
    phone = phones - 1
    for frame in reversed(range(frames)):
        path[phone, frame] = 1
        if frame and phone and (frame == phone or total[phone - 1, frame - 1] > total[phone, frame - 1]):
            phone -= 1
    return path


@pytest.mark.parametrize(("phones", "frames"), [(1, 40), (40, 40), (190, 566), (300, 1200)])
@pytest.mark.parametrize("levels", [2, 1_000_000])
@pytest.mark.parametrize("phones_side_by_side", [True, False])
def test_equals_the_papers_recursion_bit_for_bit(phones: int, frames: int, levels: int, phones_side_by_side: bool) -> None:
    scores = torch.randint(levels, (1, phones, frames)) / levels * -300.0  # two levels: mostly ties
    if phones_side_by_side:
        scores = scores.transpose(1, 2).contiguous().transpose(1, 2)
    path = monotonic_alignment(scores, torch.tensor([phones]), torch.tensor([frames]))
    assert np.array_equal(path[0].numpy(), reference_search(scores[0].numpy()))


def test_of_equal_alignments_the_last_phone_holds_most_frames() -> None:
    path = monotonic_alignment(torch.zeros(1, 3, 6), torch.tensor([3]), torch.tensor([6]))
    assert path[0].sum(1).tolist() == [1, 1, 4]


@pytest.mark.parametrize(("phones", "frames"), [(5, 4), (0, 4), (6, 9), (5, 10)])
def test_a_clip_without_an_alignment_is_named(phones: int, frames: int) -> None:
    with pytest.raises(SovitsError, match=f"Clip 1 of the batch has {phones} phones and {frames} frames in scores for 5"):
        monotonic_alignment(torch.zeros(2, 5, 9), torch.tensor([5, phones]), torch.tensor([9, frames]))


def test_the_scores_are_left_as_they_were_and_the_path_has_their_type() -> None:
    scores = torch.randn(2, 4, 9, dtype=torch.bfloat16)
    before = scores.clone()
    path = monotonic_alignment(scores, torch.tensor([4, 2]), torch.tensor([9, 5]))
    assert torch.equal(scores, before)
    assert path.dtype == torch.bfloat16
    assert path.sum((1, 2)).tolist() == [9, 5]


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


def random_batches(device: str):
    """Scores, phones and frames of small batches of unequal clips: in both memory orders, with ties, and of the smallest sizes."""
    random = torch.Generator().manual_seed(3)
    for phones, frames in [(1, 1), (1, 7), (6, 6), (5, 9), (40, 64)]:
        for levels in (1, 3, 1_000_000):
            scores = torch.randint(levels, (3, phones, frames), generator=random) / levels
            texts = torch.tensor([phones, (phones + 1) // 2, 1])
            lengths = torch.tensor([frames, max((phones + 1) // 2, frames - 3), (frames + 1) // 2])
            for batch in (scores, scores.transpose(1, 2).contiguous().transpose(1, 2)):
                yield batch.to(device), texts.to(device), lengths.to(device)


def interpreted_search_equals_the_one_on_the_cpu() -> None:
    """For a process of its own with TRITON_INTERPRET=1, which Triton reads as it is imported."""
    from sovits.modules.alignment_triton import search

    for batch in random_batches("cpu"):
        assert torch.equal(search(*batch), monotonic_alignment(*batch)), [tensor.shape for tensor in batch]


@pytest.mark.slow
def test_the_gpus_kernel_interpreted_equals_the_search_on_the_cpu_bit_for_bit() -> None:
    pytest.importorskip("triton", reason="the GPU's search needs Triton, which torch brings along on Linux only")
    code = f"import runpy; runpy.run_path({__file__!r})['interpreted_search_equals_the_one_on_the_cpu']()"
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "TRITON_INTERPRET": "1"}, cwd=root, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda_the_path_is_that_of_the_cpu_bit_for_bit() -> None:
    pytest.importorskip("triton")
    large = torch.randn(8, 1000, 2500, device="cuda"), torch.arange(125, 1001, 125), torch.arange(1100, 2501, 200)
    for scores, phones, frames in [*random_batches("cuda"), large]:
        path = monotonic_alignment(scores, phones, frames)
        assert path.is_cuda
        assert torch.equal(path.cpu(), monotonic_alignment(scores.cpu(), phones.cpu(), frames.cpu()))


def test_without_a_compiler_or_triton_the_user_is_told_once(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    alignment._cuda_search.cache_clear()
    monkeypatch.setattr(alignment.shutil, "which", lambda _: None)
    with caplog.at_level(logging.WARNING):
        assert [alignment._cuda_search() for _ in range(2)] == [None, None]
        alignment._cuda_search.cache_clear()
        monkeypatch.setattr(alignment.shutil, "which", lambda _: "/usr/bin/cc")
        monkeypatch.setitem(sys.modules, "sovits.modules.alignment_triton", None)
        assert alignment._cuda_search() is None
    alignment._cuda_search.cache_clear()
    assert [record.message.rsplit("; ", 1)[-1].split(" (")[0] for record in caplog.records] == ["install gcc or set CC", "install triton"]
