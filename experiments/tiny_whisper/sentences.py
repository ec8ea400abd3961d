"""A closed vocabulary and a small grammar: commands of 3 to 12 words such as ``Put the red cup under a table, please.``

Every word and every sentence's first word is one token of Whisper, so a word's time is a token's time. ``the`` never follows ``in``,
``on``, ``from`` or ``with``: espeak-ng speaks those pairs as one word.
"""

from __future__ import annotations

from zlib import crc32

import numpy as np

VERBS = ("take", "bring", "show", "find", "put", "give", "open", "close", "paint", "move")
ARTICLES = ("the", "a", "my", "your")
SIZES = ("small", "big")
COLOURS = ("red", "blue", "green", "black", "white", "yellow")
NOUNS = ("cat", "dog", "bird", "horse", "fish", "door", "cup", "book", "chair", "table", "ball", "house", "hat", "tree")
NUMBERS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
PLACES = ("to", "under", "near")
PLACES_WITHOUT_THE = ("in", "on", "from", "with")
LAST = ("now", "today", "again", "please")
JOINS = ("and", "then")
WORDS = VERBS + ARTICLES + SIZES + COLOURS + NOUNS + NUMBERS + PLACES + PLACES_WITHOUT_THE + LAST + JOINS
FIRST_WORDS = (*(verb.capitalize() for verb in VERBS), "Please", "Now", "Then")
LEAST_WORDS, MOST_WORDS = 3, 12
_HELD_OUT_ONE_IN = 10


def draw_sentence(random: np.random.Generator, *, held_out: bool = False) -> str:
    """One sentence; those ``held_out`` are never drawn without it."""
    while True:
        words = _draw_words(random)
        text = " ".join(words) + "."
        text = text[0].upper() + text[1:]
        if LEAST_WORDS <= len(words) <= MOST_WORDS and (crc32(text.encode()) % _HELD_OUT_ONE_IN == 0) == held_out:
            return text


def _draw_words(random: np.random.Generator) -> list[str]:
    """Words, some with a comma; no word comes twice but an article and ``then``."""
    nouns = list(random.choice(NOUNS, 4, replace=False))
    colours = list(random.choice(COLOURS, 4, replace=False))
    verbs = list(random.choice(VERBS, 2, replace=False))
    numbers = list(random.choice(NUMBERS, 4, replace=False))
    sizes = list(random.permutation(SIZES))

    def thing(articles: tuple[str, ...]) -> list[str]:
        words = [str(random.choice(articles))]
        if sizes and random.random() < 0.2:
            words.append(str(sizes.pop()))
        if random.random() < 0.5:
            words.append(str(colours.pop()))
        words.append(str(nouns.pop()))
        if random.random() < 0.2:
            words.append(str(numbers.pop()))
        return words

    places = [str(place) for place in random.permutation(PLACES + PLACES_WITHOUT_THE)]

    def clause() -> list[str]:
        words = [str(verbs.pop()), *thing(ARTICLES)]
        if random.random() < 0.6:
            place = places.pop()
            words += [place, *thing(ARTICLES if place in PLACES else ARTICLES[1:])]
        return words

    words = clause()
    first = random.random()
    if first < 0.15:
        words = [("please", "now,", "then")[int(first / 0.05)], *words]
    if random.random() < 0.35:
        join = str(random.choice(JOINS))
        if random.random() < 0.5:
            words[-1] += ","
        words += [join, *clause()]
    if random.random() < 0.35:
        last = str(random.choice([word for word in LAST if word not in (words[0].strip(","),)]))
        if random.random() < 0.5:
            words[-1] += ","
        words.append(last)
    return words
