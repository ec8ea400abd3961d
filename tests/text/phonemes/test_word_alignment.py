"""Borders between words in a phrase espeak ran together."""

from __future__ import annotations

import random
from itertools import combinations, pairwise

import pytest

from sovits.text.phonemes.word_alignment import _cut, _distance, _sounds, align_words


def readings(text: str) -> list[tuple[str, ...]]:
    return [tuple(word.split("_")) for word in text.split()]


@pytest.mark.parametrize(
    ("alone", "together", "aligned"),
    [
        ("ʌ_v ð_ə", "ʌ_v_ð_ə", "ʌ_v ð_ə"),
        ("ˈeɪ l_ˈɑː_t", "ɐ l_ˈɑː_t", "ɐ l_ˈɑː_t"),
        ("w_ʌ_z ˈeɪ l_ˈɑː_t ʌ_v ð_ə", "w_ʌ_z_ɐ l_ˈɑː_t ʌ_v_ð_ə", "w_ʌ_z ɐ l_ˈɑː_t ʌ_v ð_ə"),
        ("ˈaɪ h_ˈæ_v b_ˌɪ_n t_uː", "aɪ h_ɐ_v_b_ɪ_n t_ə", "aɪ h_ɐ_v b_ɪ_n t_ə"),
        ("n_ˌɑː_t ˈeɪ", "n_ˌɑː_ɾ_ə", "n_ˌɑː_ɾ ə"),
        ("f_ɔːɹ ˌʌ_s", "f_ɔː_ɹ ˌʌ_s", "f_ɔː_ɹ ˌʌ_s"),
        ("m_ˌaɪ_ɛ_s_k_j_uː_ˈɛ_l ɪ_z", "m_ˌaɪ ɛ_s_k_j_uː_ˈɛ_l ɪ_z", "m_ˌaɪ_ɛ_s_k_j_uː_ˈɛ_l ɪ_z"),
    ],
)
def test_known_phrases(alone: str, together: str, aligned: str) -> None:
    assert align_words(readings(alone), readings(together)) == readings(aligned)


def test_nothing_is_lost_or_doubled_whatever_comes() -> None:
    draw = random.Random(0)

    def nonsense(words: int) -> list[tuple[str, ...]]:
        return [tuple(draw.choice("ptkaɪəʃnɹ") for _ in range(draw.randint(1, 6))) for _ in range(words)]

    for _ in range(150):
        alone, together = nonsense(draw.randint(1, 12)), nonsense(draw.randint(0, 12))
        aligned = align_words(alone, together)
        assert len(aligned) == len(alone)
        assert sum(aligned, ()) == sum(together, ())


def test_borders_are_the_cheapest_against_brute_force() -> None:
    """All words as one group: every way of cutting is tried."""
    draw = random.Random(1)
    for _ in range(60):
        alone = [tuple(draw.choice("ptkaɪəs") for _ in range(draw.randint(1, 4))) for _ in range(draw.randint(2, 4))]
        together = [tuple(draw.choice([*word, "t"]) for word in alone for _ in word)]
        if len(together[0]) < len(alone):
            continue

        def cost(parts: list[tuple[str, ...]], alone: list[tuple[str, ...]] = alone) -> int:
            return sum(_distance(_sounds(word), _sounds(part)) for word, part in zip(alone, parts, strict=True))

        edges = [(0, *borders, len(together[0])) for borders in combinations(range(1, len(together[0])), len(alone) - 1)]
        best = min(cost([together[0][start:end] for start, end in pairwise(edge)]) for edge in edges)
        assert cost(_cut(tuple(alone), together[0])) <= best


@pytest.mark.parametrize(("first", "second", "distance"), [("", "", 0), ("abc", "abc", 0), ("", "ab", 2), ("kitten", "sitting", 3)])
def test_levenshtein(first: str, second: str, distance: int) -> None:
    assert _distance(first, second) == _distance(second, first) == distance
