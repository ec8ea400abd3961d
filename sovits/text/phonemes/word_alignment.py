"""Which of the phones of a phrase belong to which of its words.

espeak reads a phrase as people do and runs words together (``of the`` -> ``ʌvðə``), so its words are not ours. Each of our words is
also read alone, and the cheapest way of covering the one reading by the other says where the borders are.
"""

from __future__ import annotations

import heapq
from functools import lru_cache
from itertools import pairwise

Reading = tuple[str, ...]

_VOWELS = frozenset("aeiouyɑɐɒæɔəɘɚɛɜɝɪɨᵻʊʌøœ")
# Sounds that change into each other at word borders count as one.
_CLASSES = {"ɾ": "t", "ʔ": "t", "d": "t", "θ": "ð", "z": "s", "v": "f", "ɹ": "r", "ŋ": "n"}
_MOST_JOINED = 4
_JOINING_COST = 0.1
_MISSING_COST = 3.0


def align_words(alone: list[Reading], together: list[Reading]) -> list[Reading]:
    """Cuts the phones of ``together`` into one reading for each word of ``alone``.

    Args:
        alone: Each word read by itself.
        together: espeak's words of the whole phrase, of which there may be fewer or more.

    Returns:
        One reading a word, empty where nothing is left for it; joined up they are ``together`` joined up.
    """
    if not together:
        return [() for _ in alone]
    steps = _cheapest_steps(alone, together)
    readings: list[Reading] = []
    word = group = 0
    for words, groups in steps:
        phones = tuple(phone for part in together[group : group + groups] for phone in part)
        if words == 0:
            readings[-1] = readings[-1] + phones
        else:
            readings += _cut(tuple(alone[word : word + words]), phones)
        word, group = word + words, group + groups
    return readings


def _cheapest_steps(alone: list[Reading], together: list[Reading]) -> list[tuple[int, int]]:
    """Dijkstra's search through (words done, groups done); a step takes several words and one group, or one word and several groups."""
    goal = (len(alone), len(together))
    queue: list[tuple[float, int, int, tuple[int, int] | None]] = [(0.0, 0, 0, None)]
    came_by: dict[tuple[int, int], tuple[int, int] | None] = {}
    while queue:
        # Negated positions: of two equal costs the one farther on goes first.
        cost, word, group, step = heapq.heappop(queue)
        word, group = -word, -group
        if (word, group) in came_by:
            continue
        came_by[word, group] = step
        if (word, group) == goal:
            break
        for words, groups in _STEPS:
            if (
                word + words > goal[0]
                or group + groups > goal[1]
                or (words == 0 and word == 0)
                or (word + words, group + groups) in came_by
            ):
                continue
            price = _price(tuple(alone[word : word + words]), tuple(together[group : group + groups]))
            heapq.heappush(queue, (cost + price, -word - words, -group - groups, (words, groups)))
    steps: list[tuple[int, int]] = []
    while (step := came_by[goal]) is not None:
        steps.append(step)
        goal = (goal[0] - step[0], goal[1] - step[1])
    return steps[::-1]


_STEPS = [(1, 1), *((words, 1) for words in range(2, _MOST_JOINED + 1)), (1, 2), (1, 3), (1, 0), (0, 1)]


@lru_cache(maxsize=65536)
def _price(words: tuple[Reading, ...], groups: tuple[Reading, ...]) -> float:
    if not words or not groups:
        return _MISSING_COST
    return _distance(_sounds(sum(words, ())), _sounds(sum(groups, ()))) + _JOINING_COST * (len(words) + len(groups) - 2)


@lru_cache(maxsize=16384)
def _cut(words: tuple[Reading, ...], phones: Reading) -> list[Reading]:
    """``phones`` cut into ``len(words)`` parts that are closest to the words read alone."""
    if len(words) == 1:
        return [phones]
    if len(phones) < len(words):
        return [phones[position : position + 1] for position in range(len(words))]
    # costs[end]: the least for the words so far to cover phones[:end], and where the last of them starts.
    costs: list[tuple[float, list[int]]] = [(0.0 if end == 0 else float("inf"), []) for end in range(len(phones) + 1)]
    for word in words:
        sounds = _sounds(word)
        costs = [
            min(
                ((cost + _distance(sounds, _sounds(phones[start:end])), [*cuts, start]) for start, (cost, cuts) in enumerate(costs[:end])),
                default=(float("inf"), []),
            )
            for end in range(len(phones) + 1)
        ]
    edges = [*costs[-1][1], len(phones)]
    return [phones[start:end] for start, end in pairwise(edges)]


def _sounds(phones: Reading) -> str:
    """One letter a sound: V for a vowel, consonants by class; stress and length left out."""
    sounds = []
    for phone in phones:
        bare = phone.lstrip("ˈˌ")
        if bare[:1] in _VOWELS:
            sounds.append("V" + ("r" if bare.endswith("ɹ") else "l" if bare.endswith("l") else ""))
        else:
            sounds.append("".join(_CLASSES.get(letter, letter) for letter in bare))
    return "".join(sounds)


@lru_cache(maxsize=65536)
def _distance(first: str, second: str) -> int:
    """Levenshtein's."""
    if first == second:
        return 0
    row = list(range(len(second) + 1))
    for i, a in enumerate(first, start=1):
        previous, row[0] = row[0], i
        for j, b in enumerate(second, start=1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (a != b))
    return row[-1]
