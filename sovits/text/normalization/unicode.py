"""Unicode clean-up: one way to write each character, before any rule looks at the text."""

from __future__ import annotations

import re
import unicodedata

from sovits.text.language import check_script

# What compatibility normalization would spoil or not reach, written the way the rules expect.
_BEFORE_NFKC = str.maketrans(
    {
        **dict.fromkeys("‘’‚‛′ʼʹ`´＇", "'"),
        **dict.fromkeys("“”„‟″«»「」『』《》〈〉‹›〝〞", '"'),
        **dict.fromkeys("‐‑‒−﹣－⁃", "-"),
        **dict.fromkeys("–―⸺⸻─", "—"),
        **dict.fromkeys("、､﹑", ","),
        **dict.fromkeys("。｡．", "."),
        **dict.fromkeys("[{【〔〖［｛", "("),
        **dict.fromkeys("]}】〕〗］｝", ")"),
        **dict.fromkeys("·・‧•", " "),
        **dict.fromkeys("™®©℠\xad\u200b\u200c\u200d\u2060\ufeff"),
        "…": "...",
        "⋯": "...",
        "¡": " ",
        "¿": " ",
        "²": "^2",
        "³": "^3",
        "㎡": "m^2",
        "㎥": "m^3",
        "㎢": "km^2",
        "№": "No. ",
        "～": "~",
        "〜": "~",
        "￥": "¥",
    }
)
_AFTER_NFKC = str.maketrans({"⁄": "/", "∕": "/", "⋅": " ", "µ": "μ", "∶": ":"})
# "2½" would become "21⁄2".
_VULGAR_FRACTION = re.compile(r"(?<=\d)(?=[¼-¾⅐-⅞])")
_ROMAN_NUMERAL = re.compile(r"[Ⅰ-ↂↅ-ↈ]")
# A full-width comma between two digits ends a clause, an ASCII one may group thousands.
_FULL_WIDTH_STOP = re.compile(r"(?<=[0-9０-９])[，、。；](?=[0-9０-９])")
_MICRO_UNIT = re.compile(r"μ(?=[mgslL](?![a-z]))")
_REPEATED_DOTS = re.compile(r"\.(?:\s?\.)+")
_DASHES = re.compile(r"(?:(?<!\d)\s-+\s|-{2,}|—)(?:[\s—-]*[—-])?")
_YEARS_OR_PAGES = re.compile(r"(?<=\d)\s?–\s?(?=\d)")
# Symbols that the language rules read aloud; every other symbol, emoji and control character is dropped.
_READ_ALOUD = set("%‰&@#+=<>×÷±≈≤≥~°*/^$€£¥₩₹_|\\-'\"().,!?;:…—")


def clean(text: str) -> str:
    """``text`` in one canonical writing: ASCII punctuation, single spaces, no emoji, no control characters.

    Raises:
        SovitsError: a letter or digit of a script other than Latin and Han.
    """
    text = _FULL_WIDTH_STOP.sub(lambda match: match[0] + " ", text)
    text = _YEARS_OR_PAGES.sub("-", text)
    text = _VULGAR_FRACTION.sub(" ", text)
    text = _ROMAN_NUMERAL.sub(lambda match: f" {unicodedata.numeric(match[0]):.0f} ", text)
    text = unicodedata.normalize("NFKC", text.translate(_BEFORE_NFKC)).translate(_BEFORE_NFKC).translate(_AFTER_NFKC)
    text = "".join(map(_kept, text))
    check_script(_MICRO_UNIT.sub("u", text))
    text = "".join(character for character in text if not unicodedata.category(character).startswith("M"))
    text = _REPEATED_DOTS.sub("…", text)
    text = _DASHES.sub(" — ", text)
    return " ".join(text.split())


def _kept(character: str) -> str:
    category = unicodedata.category(character)
    if character in _READ_ALOUD or category[0] in "LMN":
        return character
    return " "
