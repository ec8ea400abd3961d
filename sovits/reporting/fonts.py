"""Chinese in pictures, where the machine may have no font for it."""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager

from matplotlib import font_manager, rc_context

CHINESE_FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "Source Han Sans CN",
    "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei",
    "PingFang SC",
    "Hiragino Sans GB",
    "Microsoft YaHei",
    "SimHei",
    "Arial Unicode MS",
    "Droid Sans Fallback",
)
_PUNCTUATION = {"、": ",", "。": ".", "《": '"', "》": '"', "「": '"', "」": '"'}
BASE_FONT = "DejaVu Sans"
"""Comes with matplotlib; has Latin, the phonetic alphabet and pinyin with tone marks."""


@functools.cache
def chinese_font() -> str | None:
    """The first installed font of :data:`CHINESE_FONTS`, or None."""
    installed = {entry.name for entry in font_manager.fontManager.ttflist}
    return next((name for name in CHINESE_FONTS if name in installed), None)


@contextmanager
def fonts() -> Iterator[None]:
    """Within it new text uses the base font and, for what that lacks, the Chinese one where there is one."""
    family = [BASE_FONT, *filter(None, [chinese_font()])]
    with rc_context({"font.family": family, "axes.unicode_minus": False}):
        yield


def drawable(text: str) -> str:
    """``text`` as these fonts can draw it.

    With a Chinese font installed that is the text itself. Without one Chinese is written in pinyin with tone marks (欢迎 -> huān yíng)
    and full-width punctuation in its ASCII form; a character that no font here has becomes ``?``, rather than an empty box and a warning.
    """
    if chinese_font() is None:
        text = _romanized(text)
    known = _base_characters()
    return "".join(c if ord(c) in known or c.isspace() or (chinese_font() and _is_chinese(c)) else "?" for c in text)


def _romanized(text: str) -> str:
    from pypinyin import Style, pinyin

    pieces: list[str] = []
    for run in pinyin(text, style=Style.TONE, errors=_narrow):
        piece = run[0]
        between = pieces and pieces[-1][-1:].isalnum() and piece[:1].isalnum()
        pieces.append(f" {piece}" if between else piece)
    return "".join(pieces).strip()


def _narrow(characters: str) -> str:
    """Full-width characters in their ASCII form, punctuation with the space that its width stood for; all others as they are."""
    narrowed = []
    for character in characters:
        ascii_form = _PUNCTUATION.get(character) or unicodedata.normalize("NFKC", character)
        wide = _is_chinese(character) and ascii_form.isascii()
        narrowed.append(f"{ascii_form} " if wide and not ascii_form.isalnum() else ascii_form if wide else character)
    return "".join(narrowed)


def _is_chinese(character: str) -> bool:
    return unicodedata.east_asian_width(character) in "WF"


@functools.cache
def _base_characters() -> frozenset[int]:
    from matplotlib.ft2font import FT2Font

    return frozenset(FT2Font(font_manager.findfont(BASE_FONT)).get_charmap())
