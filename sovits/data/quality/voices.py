"""Which clips of a speaker sound like somebody else: distances between voice vectors (see ``sovits.metrics.voice_encoders``)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from sovits.errors import SovitsError

_MOST_ROUNDS = 50
_STILL = 1e-6
_SPREADS = 4.0
"""A clip is another's when it lies so many spreads (deviations of a normal distribution) farther out than the middle one."""
_LEAST_SPREAD = 0.01
"""Of the distances, so that a speaker of near-identical clips does not lose half of them."""


def mean_voice(embeddings: np.ndarray, robust: bool = True) -> np.ndarray:
    """The voice of clips [N, E], each of any length but zero; all-zero rows (silent clips) do not count.

    Args:
        embeddings: [N, E].
        robust: whether a minority of another person's clips is left out: the mean of the clips near the geometric median
            (Weiszfeld 1937), which half of the clips can hold in place against all the others. ``False``: the mean of all.

    Returns:
        float32 [E] of length 1.

    Raises:
        SovitsError: no clip has a voice, a number is not finite, or the clips cancel out.
    """
    units, heard = _units(embeddings)
    if not heard.any():
        raise SovitsError(f"None of {len(units)} clips has a voice in it (their embeddings are zero); record the speaker again.")
    units = units[heard]
    kept = _inliers(units) if robust else np.ones(len(units), dtype=bool)
    return _direction(units[kept].sum(axis=0)).astype(np.float32)


def voice_distances(embeddings: Mapping[str, np.ndarray], speakers: Mapping[str, str]) -> dict[str, float | None]:
    """How far each clip is from the voice of its speaker's other clips.

    The others' voice is their robust mean, see ``mean_voice``; which of them belong is decided once for each speaker, so that
    the work grows with the number of clips and not with its square.

    Args:
        embeddings: clip id -> [E].
        speakers: clip id -> speaker.

    Returns:
        Clip id -> 1 - cosine, 0-2; ``None`` for a speaker's only clip and for a silent one (all zeros).

    Raises:
        SovitsError: a clip without a speaker, a number that is not finite, or embeddings of different sizes.
    """
    groups: dict[str, list[str]] = defaultdict(list)
    for clip in embeddings:
        if clip not in speakers:
            raise SovitsError(f"The clip {clip!r} has a voice but no speaker; name its speaker.")
        groups[speakers[clip]].append(clip)
    distances: dict[str, float | None] = {}
    for speaker, clips in groups.items():
        sizes = {np.shape(embeddings[clip]) for clip in clips}
        if len(sizes) > 1:
            raise SovitsError(f"Speaker {speaker!r} has embeddings of shapes {sorted(sizes)}; make all with the same voice encoder.")
        distances.update(zip(clips, _distances_to_others(np.stack([embeddings[clip] for clip in clips])), strict=True))
    return {clip: distances[clip] for clip in embeddings}


def _distances_to_others(embeddings: np.ndarray) -> Sequence[float | None]:
    """One speaker's clips [N, E]."""
    units, heard = _units(embeddings)
    if heard.sum() < 2:
        return [None] * len(units)
    kept = np.zeros(len(units), dtype=bool)
    kept[heard] = _inliers(units[heard])
    others = units[kept].sum(axis=0) - units * kept[:, None]
    lengths = np.linalg.norm(others, axis=1)
    # Without itself a lone inlier leaves nobody: then all others count.
    alone = lengths < _STILL
    others[alone] = (units.sum(axis=0) - units)[alone]
    lengths[alone] = np.linalg.norm(others[alone], axis=1)
    cosines = (units * others).sum(axis=1) / np.maximum(lengths, _STILL)
    known = heard & (lengths >= _STILL)
    return [round(1.0 - float(cosine), 6) if there else None for cosine, there in zip(cosines, known, strict=True)]


def _units(embeddings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """float64 [N, E] of length 1 or 0, and which are not 0."""
    rows = np.asarray(embeddings, dtype=np.float64)
    if rows.ndim != 2 or not len(rows) or not np.isfinite(rows).all():
        raise SovitsError(f"Voices must be finite numbers [clips, channels], one clip at least, not {rows.shape}; embed the clips again.")
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.maximum(lengths, 1e-12), lengths[:, 0] > 1e-12


def _inliers(units: np.ndarray) -> np.ndarray:
    """Which of [N, E] are near the voice of the majority, at least half of them."""
    centre = _geometric_median(units)
    kept = np.ones(len(units), dtype=bool)
    for _ in range(_MOST_ROUNDS):
        distances = 1.0 - units @ _direction(centre)
        middle = np.median(distances)
        # 1.4826 makes the median deviation the standard deviation of a normal distribution.
        spread = max(1.4826 * float(np.median(np.abs(distances - middle))), _LEAST_SPREAD)
        near = distances <= middle + _SPREADS * spread
        if (near == kept).all():
            break
        kept = near
        centre = units[kept].sum(axis=0)
    return kept


def _geometric_median(units: np.ndarray) -> np.ndarray:
    """The point [E] with the least sum of distances to [N, E], by Weiszfeld's iteration."""
    point = units.mean(axis=0)
    for _ in range(_MOST_ROUNDS):
        weights = 1.0 / np.maximum(np.linalg.norm(units - point, axis=1), 1e-9)
        moved = weights @ units / weights.sum()
        if np.linalg.norm(moved - point) < _STILL:
            break
        point = moved
    return point


def _direction(vector: np.ndarray) -> np.ndarray:
    length = float(np.linalg.norm(vector))
    if length < 1e-12:
        raise SovitsError("The clips' voices cancel one another out; check that they are of one speaker.")
    return vector / length
