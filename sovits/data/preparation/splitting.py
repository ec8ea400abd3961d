"""Which utterances train, which validate, which test."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from sovits.data.manifest import Utterance

LEAST_UTTERANCES = 3
"""A speaker with fewer has them all in train."""


def split_by_content(utterances: Iterable[Utterance], validation_share: float, test_share: float, seed: int) -> list[Utterance]:
    """The utterances with their splits, sorted by id.

    Each speaker's are ranked by a hash of the seed and their content: validation takes the lowest ranks and test the highest, each its
    share and at least one; what has no text trains. The order and names of files do not matter, and a clip that joins the set moves at
    most one other a split.
    """
    ranked: dict[str, list[Utterance]] = defaultdict(list)
    every = list(utterances)
    for utterance in every:
        if utterance.told:
            ranked[utterance.speaker].append(utterance)
    splits: dict[str, str] = {}
    for own in ranked.values():
        own.sort(key=lambda utterance: (hashlib.sha256(f"{seed}:{utterance.content_hash}".encode()).digest(), utterance.id))
        enough = len(own) >= LEAST_UTTERANCES
        validation, test = (max(round(share * len(own)), 1) * enough for share in (validation_share, test_share))
        splits |= {u.id: "val" for u in own[:validation]} | {u.id: "test" for u in own[len(own) - test :]}
    return sorted((replace(u, split=splits.get(u.id, "train")) for u in every), key=lambda utterance: utterance.id)
