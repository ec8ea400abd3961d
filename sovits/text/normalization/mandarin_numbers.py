"""Mandarin number words: the reading of one number, given its digits as written."""

from __future__ import annotations

import re

DIGITS = "零一二三四五六七八九"
_PLACES = ((10**8, "亿"), (10**4, "万"), (1000, "千"), (100, "百"), (10, "十"))
LONGEST_CARDINAL = 16
"""Digits; longer ones are read digit by digit."""

# Words that count, before which 2 is 两 (两个, 两天, 两公里). 二月, 二号, 二楼, 二十, 第二 stay.
MEASURES = frozenset(
    "个位名只条张件块片次天年周岁间家本台部辆架艘头匹棵朵颗粒把支枝根杯瓶碗盒箱包袋双对副套座栋幢层扇面幅首篇章段句封份种类样"
    "款项批组队群排届场回趟遍顿番声下步亩斤吨克升米秒分小公毫厘千万亿英摄倍成刻元角美欧日港人户口笔则道门节堂级代股串团滴滩所"
    "处站"
)
# Followed by these, a measure's first character means something else: 日 in 2日, 年 in 2年级.
_NOT_MEASURES = re.compile("日(?!元)|年级|级|人称|层(?!楼)|部曲")


def digit_by_digit(digits: str, one: str = "一") -> str:
    """``"2026"`` -> ``二零二六``; ``one`` is ``幺`` where numbers are dictated."""
    return "".join(one if digit == "1" else DIGITS[int(digit)] for digit in digits if digit.isdigit())


def cardinal(digits: str) -> str:
    """``"10200"`` -> ``一万零二百``; a leading zero or more than 16 digits: digit by digit."""
    if len(digits) > LONGEST_CARDINAL or (len(digits) > 1 and digits[0] == "0"):
        return digit_by_digit(digits)
    words = _cardinal(int(digits))
    return words[1:] if words.startswith("一十") else words


def _cardinal(number: int) -> str:
    for value, name in _PLACES:
        if number >= value:
            high, low = divmod(number, value)
            # A place left out between two that speak is said as one zero.
            gap = DIGITS[0] if 0 < low < value // 10 else ""
            return _cardinal(high) + name + (gap + _cardinal(low) if low else "")
    return DIGITS[number]


def counted(digits: str, following: str = "") -> str:
    """The cardinal before ``following``: 2 becomes 两 before a measure word, and 200, 2000, 20000 begin with it where usual."""
    words = cardinal(digits)
    if words == "二" and _is_measure(following):
        return "两"
    if words[0] == "二" and words[1:2] and words[1] in "千万亿":
        return "两" + words[1:]
    return words


def _is_measure(following: str) -> bool:
    return following[:1] in MEASURES and not _NOT_MEASURES.match(following)


def decimal(number: str, following: str = "") -> str:
    """``"3.14"`` -> ``三点一四``; ``1.2.3`` is a version: point by point; ``-`` in front is 负."""
    sign = "负" if number.startswith("-") else ""
    whole, *fractions = number.lstrip("-").replace(",", "").split(".")
    if not fractions:
        return sign + counted(whole, following)
    if len(fractions) == 1:
        return sign + cardinal(whole or "0") + "点" + digit_by_digit(fractions[0])
    return sign + "点".join(cardinal(part) for part in [whole, *fractions] if part)
