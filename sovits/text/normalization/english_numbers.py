"""English number words: the reading of one number, given its digits as written."""

from __future__ import annotations

from functools import lru_cache

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
LONGEST_CARDINAL = 15
"""Digits; longer ones are read digit by digit."""


@lru_cache(maxsize=4096)
def _words(number: int, form: str) -> str:
    from num2words import num2words

    return " ".join(num2words(number, to=form).replace(",", "").replace("-", " ").replace(" and ", " ").split())


def digit_by_digit(digits: str) -> str:
    """``"505"`` -> ``five zero five``."""
    return " ".join(DIGITS[int(digit)] for digit in digits if digit.isdigit())


def cardinal(digits: str) -> str:
    """``"1,234"`` -> ``one thousand two hundred thirty four``; a leading zero or more than 15 digits: digit by digit."""
    digits = digits.replace(",", "")
    if len(digits) > LONGEST_CARDINAL or (len(digits) > 1 and digits[0] == "0"):
        return digit_by_digit(digits)
    return _words(int(digits), "cardinal")


def ordinal(digits: str) -> str:
    """``"22"`` -> ``twenty second``."""
    digits = digits.replace(",", "")
    return _words(int(digits), "ordinal") if len(digits) <= LONGEST_CARDINAL else digit_by_digit(digits)


def decimal(number: str) -> str:
    """``"1,000.05"`` -> ``one thousand point zero five``; ``.5`` gets its zero; ``1.2.3`` is a version: point by point."""
    whole, *fractions = number.split(".")
    if len(fractions) > 1:
        return " point ".join(cardinal(part) for part in [whole, *fractions] if part)
    words = cardinal(whole) if whole else DIGITS[0]
    return f"{words} point {digit_by_digit(fractions[0])}" if fractions else words


def year(digits: str) -> str:
    """``"1999"`` -> ``nineteen ninety nine``, ``"2005"`` -> ``two thousand five``."""
    return _words(int(digits), "year") if len(digits) == 4 and digits[0] != "0" else cardinal(digits)


def fraction(numerator: str, denominator: str) -> str:
    """``("3", "4")`` -> ``three quarters``; denominators above 100, zero and one: ``over``."""
    top, bottom = int(numerator), int(denominator)
    if not 2 <= bottom <= 100:
        return f"{cardinal(numerator)} over {cardinal(denominator)}"
    name = {2: "half", 4: "quarter"}.get(bottom, ordinal(denominator))
    if top == 1:
        return f"one {name}"
    return f"{cardinal(numerator)} " + ("halves" if bottom == 2 else f"{name}s")


def is_one(number: str) -> bool:
    """Whether the unit after ``number`` is singular."""
    return number == "1"
