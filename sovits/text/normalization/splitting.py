"""Which stretch of a text is read in which language; numbers and symbols take the language around them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sovits.text.language import ENGLISH, ENGLISH_WORD, HAN, LATIN, MANDARIN
from sovits.text.normalization.units import CURRENCY, UNIT

_URL = r"(?:https?://|www\.)[\w\-.~/?#&=%:+@]*[\w/]"
_EMAIL = r"\b[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+"
_DOMAIN = r"\b(?:[A-Za-z0-9-]{1,63}\.){1,8}(?:com|org|net|edu|gov|io|ai|cn|co|uk|de|dev|app|info)\b(?:/[\w\-./]*\w)?"
ADDRESS = f"(?a:{_URL}|{_EMAIL}|{_DOMAIN})"
"""A web or mail address, in ASCII."""
_NUMBER = (
    rf"(?:\bNo\.\s?(?=\d))?[+\-±~≈<>≤≥#]{{0,3}}(?:{CURRENCY}\s?(?=\d))?"
    r"\d(?:[\d.,:/\-~×÷+=*^]*\d)?"
    rf"(?:(?i:st|nd|rd|th|s)(?![{LATIN}\d])|\s?(?i:[ap]\.m\.|[ap]m(?![{LATIN}\d]))|{UNIT}|\s?{CURRENCY}(?!\s?[{LATIN}\d]))?"
)
_TOKEN = re.compile(
    rf"(?P<address>{ADDRESS})|(?P<number>{_NUMBER})|(?P<han>[{HAN}]+)|(?P<latin>{ENGLISH_WORD})"
    r"|(?P<gap>[\s\-'\"()]+)|(?P<stop>[,.!?;:…—])|(?P<symbol>.)",
    re.DOTALL,
)
_NEUTRAL = ("number", "symbol")


@dataclass(frozen=True)
class Stretch:
    """Part of a text that is read in one language."""

    language: str
    text: str


@dataclass
class _Token:
    kind: str
    text: str
    language: str | None = None


def split_for_reading(text: str, language: str | None = None) -> list[Stretch]:
    """Cuts ``text`` (clean, not yet normalised) into stretches that follow each other without a gap.

    Args:
        language: ``en`` or ``zh`` decides numbers that have no word of either language in the whole text.
    """
    tokens = [_Token(match.lastgroup or "symbol", match[0]) for match in _TOKEN.finditer(text)]
    for token in tokens:
        token.language = {"han": MANDARIN, "latin": ENGLISH, "address": ENGLISH}.get(token.kind)
    _decide_numbers(tokens, language if language in (ENGLISH, MANDARIN) else None)
    stretches: list[Stretch] = []
    current = next((token.language for token in tokens if token.language), ENGLISH)
    pieces: list[str] = []
    for token in tokens:
        if token.language not in (None, current):
            stretches.append(Stretch(current, "".join(pieces)))
            current, pieces = token.language or current, []
        pieces.append(token.text)
    stretches.append(Stretch(current, "".join(pieces)))
    return [stretch for stretch in stretches if stretch.text]


def _decide_numbers(tokens: list[_Token], fallback: str | None) -> None:
    """Gives every number and symbol a language, and takes along the letters attached to it (``C919``, ``B2B``)."""
    default = next((token.language for token in tokens if token.language), None) or fallback or ENGLISH
    start = 0
    while start < len(tokens):
        if tokens[start].kind not in _NEUTRAL:
            if tokens[start].language:
                default = tokens[start].language or default
            start += 1
            continue
        end = start
        while end < len(tokens) and tokens[end].kind in (*_NEUTRAL, "gap"):
            end += 1
        while tokens[end - 1].kind == "gap":
            end -= 1
        first, last = _with_attached_letters(tokens, start, end)
        by_itself = fallback or ENGLISH if tokens[first].kind == "latin" else default
        decided = _language_around(tokens, first, last) or by_itself
        for token in tokens[first:last]:
            token.language = decided
        start = end


def _with_attached_letters(tokens: list[_Token], start: int, end: int) -> tuple[int, int]:
    """Widens [start, end) by the short Latin words that touch a number on either side."""
    if start and tokens[start].kind == "number" and tokens[start - 1].kind == "latin":
        start -= 1
    if end < len(tokens) and tokens[end - 1].kind == "number" and tokens[end].kind == "latin" and len(tokens[end].text) <= 2:
        end += 1
    return start, end


def _language_around(tokens: list[_Token], first: int, last: int) -> str | None:
    """Chinese that touches the number wins, then the word after it, then the word before it, all within its clause."""
    after, before = (tokens[last] if last < len(tokens) else None), (tokens[first - 1] if first else None)
    if (after is not None and after.kind == "han") or (before is not None and before.kind == "han"):
        return MANDARIN
    for token in (after, _beyond_gap(tokens, last, +1), before, _beyond_gap(tokens, first - 1, -1)):
        if token is not None and token.language:
            return token.language
    return None


def _beyond_gap(tokens: list[_Token], position: int, step: int) -> _Token | None:
    if 0 <= position < len(tokens) and tokens[position].kind == "gap":
        position += step
    return tokens[position] if 0 <= position < len(tokens) else None
