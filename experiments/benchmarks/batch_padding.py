"""How much of an epoch is padding: clips by chance, the usual buckets of like length, and the data module's batches."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np

from sovits.data.packing import padding
from sovits.data.sampler import FrameBudgetBatchSampler, SpeakerBalancedSampler

SAMPLE_RATE, HOP_LENGTH = 22050, 512
BATCH = 32
BUCKET_FRAMES = 50
"""Width of a bucket. VITS has 100 frames of 256 samples, which is as long."""
HEADROOM = 1.3
"""Frame budget over that of 32 clips of mean length, so that it is not the long clips alone that decide how many make a batch."""
EPOCHS = 5

Batches = list[np.ndarray]


def audiobook_lengths(clips: int) -> np.ndarray:
    """Seconds [clips] as in LJSpeech: 1.1 to 10.1, 6.5 on average, most of them long."""
    return np.clip(10.1 - np.random.default_rng(0).gamma(2.2, 1.65, clips), 1.1, 10.1)


def frames_of(seconds: np.ndarray) -> np.ndarray:
    """Whole spectrogram frames [clips]."""
    return (seconds * SAMPLE_RATE / HOP_LENGTH).astype(np.int64)


def by_chance(frames: np.ndarray, epoch: int) -> Batches:
    """32 clips a batch, whatever their lengths."""
    order = np.random.default_rng(epoch).permutation(len(frames))
    return np.split(order, range(BATCH, len(order), BATCH))


def by_buckets(frames: np.ndarray, epoch: int) -> Batches:
    """32 clips a batch from one bucket of like lengths (as VITS, but without repeating clips to fill the last batch)."""
    random = np.random.default_rng(epoch)
    batches: Batches = []
    for bucket in np.unique(frames // BUCKET_FRAMES):
        order = random.permutation(np.flatnonzero(frames // BUCKET_FRAMES == bucket))
        batches += np.split(order, range(BATCH, len(order), BATCH))
    return batches


def ours(frames: np.ndarray) -> Callable[[np.ndarray, int], Batches]:
    """The data module's batches of at most 32 clips, every clip once an epoch."""
    budget = max(int(HEADROOM * BATCH * frames.mean()), int(frames.max()))
    sampler = FrameBudgetBatchSampler(
        SpeakerBalancedSampler([0] * len(frames), balance=1.0, seed=0), frames.tolist(), frame_budget=budget, max_clips=BATCH
    )
    # Epochs that the sampler has not looked at when it chose how to pack.
    return lambda _, epoch: [np.array([draw.clip for draw in batch]) for batch in sampler.plan(100 + epoch)]


def padding_rows(name: str, seconds: np.ndarray) -> list[dict[str, str]]:
    """A row for each way: padded share (mean and worst epoch), clips a batch, and neighbours that meet again in the next epoch."""
    frames = frames_of(seconds)
    rows = []
    for way, make in (("random", by_chance), ("buckets", by_buckets), ("ours", ours(frames))):
        epochs = [make(frames, epoch) for epoch in range(EPOCHS)]
        shares = [100 * padding([frames[batch] for batch in batches]) for batches in epochs]
        again = [met_again(one, other) for one, other in itertools.pairwise(epochs)]
        rows.append(
            {
                "lengths": f"{name}: {len(frames)} clips, {seconds.min():.1f}-{seconds.max():.1f} s",
                "batches": way,
                "padded frames, %": f"{np.mean(shares):.2f} (worst epoch {max(shares):.2f})",
                "clips a batch": f"{len(frames) / np.mean([len(batches) for batches in epochs]):.1f}",
                "neighbours met again, %": f"{100 * np.mean(again):.0f}",
            }
        )
    return rows


def met_again(one: Sequence[np.ndarray], other: Sequence[np.ndarray]) -> float:
    """The share of pairs of clips in a batch of ``one`` that share a batch of ``other`` too."""
    place = np.empty(sum(map(len, other)), dtype=int)
    for number, batch in enumerate(other):
        place[batch] = number
    pairs = kept = 0
    for batch in one:
        same = place[batch][:, np.newaxis] == place[batch][np.newaxis, :]
        pairs += len(batch) * (len(batch) - 1)
        kept += int(same.sum()) - len(batch)
    return kept / max(pairs, 1)
