"""English normalisation: everything that is not a word becomes the words a reader would say (US usage).

Rules run in order, each a pattern and what it is read as; an earlier rule leaves nothing for a later one to misread.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from sovits.text.normalization import english_numbers as numbers
from sovits.text.normalization.english_abbreviations import expand_abbreviations, read_addresses, read_initials, read_roman_numerals
from sovits.text.normalization.units import AREAS, CURRENCIES, CURRENCY, UNIT, UNITS, split_power

Rule = tuple[re.Pattern[str], Callable[[re.Match[str]], str]]

MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"]
_MONTH = "(?P<month>" + "|".join(MONTHS) + ")"
_DAY = r"(?P<day>[12]\d|3[01]|0?[1-9])"
_NUMBER = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)*"
# Where a number begins: a search that starts inside one would be wrong, and quadratic in its length.
_START = r"(?<!\d)(?<!\d[.,])"
_SIGN = r"(?P<sign>(?<![\w)])-\s?)?"
_SIGNED = rf"(?:(?<![\w)])-\s?)?{_START}{_NUMBER}"
_YEAR = r"(?:1[1-9]\d\d|20\d\d)"
_MAGNITUDES = {"k": "thousand", "K": "thousand", "m": "million", "M": "million", "B": "billion", "bn": "billion", "T": "trillion"}
_SYMBOLS = {
    "&": "and", "@": "at", "+": "plus", "=": "equals", "<": "is less than", ">": "is greater than", "≤": "is at most", "≥": "is at least",
    "×": "times", "÷": "divided by", "±": "plus or minus", "≈": "is about", "~": "about", "#": "number", "%": "percent", "°": "degrees",
    "‰": "per mille", "^": "to the power of", "$": "dollars", "€": "euros", "£": "pounds", "¥": "yen",
}  # fmt: skip


def _date_words(month: int, day: str, year: str | None) -> str:
    words = f"{MONTHS[month - 1]} {numbers.ordinal(day)}"
    return f"{words}, {numbers.year(year)}" if year else words


def _iso_date(match: re.Match[str]) -> str:
    return _date_words(int(match["m"]), match["d"], match["y"])


def _slash_date(match: re.Match[str]) -> str:
    first, second = match["a"], match["b"]
    if int(first) > 12 >= int(second):  # the day first, as most of the world writes it
        first, second = second, first
    if not (1 <= int(first) <= 12 and 1 <= int(second) <= 31):
        return match[0]
    year = match["y"] if len(match["y"]) == 4 else "20" + match["y"]
    return _date_words(int(first), second, year)


def _written_date(match: re.Match[str]) -> str:
    return _date_words(MONTHS.index(match["month"]) + 1, match["day"], match["year"])


def _day_first(match: re.Match[str]) -> str:
    year = f" {numbers.year(match['year'])}" if match["year"] else ""
    return f"the {numbers.ordinal(match['day'])} of {match['month']}{year}"


def _time(match: re.Match[str]) -> str:
    hour, minute, second, half = match["h"], match["m"], match["s"], match["half"]
    if int(hour) > 24 or int(minute or 0) > 59:
        return match[0]
    words = numbers.cardinal(str(int(hour)))
    if minute is not None:
        if int(minute):
            words += (" oh " if minute[0] == "0" else " ") + numbers.cardinal(str(int(minute)))
        elif not half:
            words += " o'clock" if 1 <= int(hour) <= 12 else " hundred"
    if second is not None:
        words += f" and {_counted(str(int(second)), 'second', 'seconds')}"
    return words + (f" {half[0].upper()} M" if half else "")


def _phone(match: re.Match[str]) -> str:
    groups = re.findall(r"\d+", match[0])
    return ("plus " if match[0].startswith("+") else "") + ", ".join(map(numbers.digit_by_digit, groups)) + " "


def _counted(number: str, one: str, many: str) -> str:
    return f"{numbers.decimal(number)} {one if numbers.is_one(number) else many}"


def _price(match: re.Match[str]) -> str:
    symbol, amount = match["before"] or match["after"], match["amount"].replace(",", "")
    money = CURRENCIES[symbol.strip()]
    sign = "minus " if match["sign"] else ""
    magnitude = (match["magnitude"] or "").strip()
    if magnitude:
        return f"{sign}{numbers.decimal(amount)} {_MAGNITUDES.get(magnitude, magnitude)} {money.many}"
    whole, _, part = amount.partition(".")
    if len(part) != 2 or not money.cent:
        return sign + _counted(amount, money.one, money.many)
    cents = _counted(str(int(part)), money.cent, money.cents) if int(part) else ""
    if not int(whole) and cents:
        return sign + cents
    return sign + _counted(whole, money.one, money.many) + (f" and {cents}" if cents else "")


def _measure(match: re.Match[str]) -> str:
    name, power = split_power(match["unit"])
    unit = UNITS[name]
    prefix = {"2": "square ", "3": "cubic "}[power] if power and name in AREAS else ""
    return f" {_signed(match['number'])} {prefix}{unit.one if numbers.is_one(match['number']) else unit.many} "


def _signed(number: str) -> str:
    bare = number.lstrip("- ")
    return ("minus " if bare != number else "") + numbers.decimal(bare)


def _decade(match: re.Match[str]) -> str:
    words = numbers.year(match["century"] + "0") if len(match["century"]) == 3 else numbers.cardinal(match["century"] + "0")
    return (words[:-1] + "ies" if words.endswith("y") else words + "s") + " "


def _mixed_fraction(match: re.Match[str]) -> str:
    words = numbers.fraction(match["top"], match["bottom"])
    if not match["whole"]:
        return words
    return f"{numbers.cardinal(match['whole'])} and " + ("a" + words[3:] if match["top"] == "1" else words)


def _attached(match: re.Match[str]) -> str:
    digits = match[0]
    return f" {numbers.digit_by_digit(digits) if len(digits) > 2 else numbers.cardinal(digits)} "


_RULES: list[Rule] = [
    (re.compile(r"\d{16,}"), lambda match: f" {numbers.digit_by_digit(match[0])} "),
    # Dates.
    (re.compile(rf"(?<!\d)(?P<y>{_YEAR})([-/.])(?P<m>1[0-2]|0?[1-9])\2(?P<d>3[01]|[12]\d|0?[1-9])(?!\d)"), _iso_date),
    (re.compile(r"(?<![\d/])(?P<a>\d{1,2})/(?P<b>\d{1,2})/(?P<y>\d{4}|\d{2})(?![\d/])"), _slash_date),
    (re.compile(rf"\b{_MONTH}\s{_DAY}(?:st|nd|rd|th)?\b(?!:)(?:,?\s(?P<year>{_YEAR})\b)?"), _written_date),
    (re.compile(rf"\b(?:the\s)?{_DAY}(?:st|nd|rd|th)?\s(?:of\s)?{_MONTH}\b(?:,?\s(?P<year>{_YEAR})\b)?"), _day_first),
    (re.compile(rf"(?<=\b(?i:in|by|of) )(?P<y>{_YEAR})\b(?![,.:/%-]\d|\s?%)"), lambda match: numbers.year(match["y"])),
    (re.compile(rf"\b(?P<word>(?i:since|from|until|till|year|before|after|during|{'|'.join(MONTHS)}),? )(?P<y>{_YEAR})\b(?![,.:/%]\d)"),
     lambda match: match["word"] + numbers.year(match["y"])),
    (re.compile(rf"(?<![\d.,-])(?P<a>{_YEAR})\s?-\s?(?P<b>{_YEAR})(?![\d.,-]\d|\d)"),
     lambda match: f"{numbers.year(match['a'])} to {numbers.year(match['b'])}"),
    (re.compile(r"(?<![\d.,])(?P<century>\d{1,3})0'?s\b"), _decade),
    # Times.
    (re.compile(r"(?<![\d:.])(?P<h>\d{1,2}):(?P<m>\d\d)(?::(?P<s>\d\d))?"
                r"(?:\s?(?P<half>(?i:[ap]\.m\.|[ap]m)(?![A-Za-z])))?(?![\d:])"), _time),
    (re.compile(r"(?<![\d:.])(?P<h>\d{1,2})(?P<m>)(?P<s>)?\s?(?P<half>(?i:[ap]\.m\.|[ap]m)(?![A-Za-z]))"),
     lambda match: f"{numbers.cardinal(match['h'])} {match['half'][0].upper()} M"),
    # Telephone numbers.
    (re.compile(r"(?<![\d.])\+\d{1,3}(?:[ -]?\(?\d{2,5}\)?){2,5}(?!\d)"), _phone),
    (re.compile(r"(?<![\d.,-])(?:1[ -])?\(?\d{3}\)?[ -]\d{3}[ -]\d{4}(?![\d-])"), _phone),
    (re.compile(r"(?<![\d.,-])\d{3}-\d{4}(?![\d-])"), _phone),
    (re.compile(r"(?<![\d.,])\d{10,11}(?<!000)(?![.,]\d|\d)"), _phone),
    (re.compile(r"(?<=\b(?i:call|dial) )\d{3}\b(?![.,]\d)"), _phone),
    # Prices.
    (re.compile(rf"(?P<before>{CURRENCY})(?P<low>{_NUMBER})\s?[-~]\s?(?:{CURRENCY})?(?P<high>{_NUMBER})"),
     lambda match: f"{numbers.decimal(match['low'])} to {numbers.decimal(match['high'])} {CURRENCIES[match['before']].many}"),
    (re.compile(rf"{_SIGN}(?P<before>{CURRENCY})\s?(?P<amount>{_NUMBER})(?P<after>)"
                r"(?P<magnitude>(?:[kKmMBT]|bn)\b|\s(?:thousand|million|billion|trillion)\b)?"), _price),
    (re.compile(rf"{_SIGN}{_START}(?P<amount>{_NUMBER})(?P<before>)(?P<magnitude>)\s?(?P<after>{CURRENCY})(?![\w])"), _price),
    # Numbers with something behind them.
    (re.compile(r"(?<=[\d%])\s?[-~]\s?(?=\d)(?!\d+(?:\.\d+)?\s?=)"), lambda _: " to "),
    (re.compile(r"(?<![\d/.,])(?:24/7|9/11)(?![\d/])"), lambda match: " ".join(map(numbers.cardinal, match[0].split("/")))),
    (re.compile(r"(?<![\d/.,])(?P<top>\d\d+)/(?P<bottom>\d0+)(?![\d/])"),
     lambda match: f"{numbers.cardinal(match['top'])} out of {numbers.cardinal(match['bottom'])}"),
    (re.compile(r"(?<![\d/.,])(?:(?P<whole>\d{1,3})\s)?(?P<top>\d{1,3})/(?P<bottom>\d{1,3})(?![\d/])"), _mixed_fraction),
    (re.compile(rf"(?P<number>{_SIGNED})(?P<unit>{UNIT})"), _measure),
    (re.compile(r"(?<![\d.])(?P<n>\d{1,3}(?:,\d{3})+|\d+)(?:st|nd|rd|th)\b"), lambda match: numbers.ordinal(match["n"])),
    # Plain numbers.
    (re.compile(r"(?<!\d)(?P<feet>\d)'\s?(?P<inches>\d{1,2})(?:\"|'')"),
     lambda match: f"{numbers.cardinal(match['feet'])} foot {numbers.cardinal(match['inches'])}"),
    (re.compile(r"(?<=\d)x(?=\d)"), lambda _: " by "),
    (re.compile(r"(?<=[A-Za-z])\d+(?![\d.,]*\.?\d)|(?<![\d.,])\d+(?=[A-Za-z])"), _attached),
    (re.compile(r"(?<=\d)\s?\*\s?(?=\d)|(?<=\d)\sx\s(?=\d)"), lambda _: " times "),
    (re.compile(r"(?<=\d)\s?-\s?(?=\d)"), lambda _: " minus "),
    (re.compile(r"(?<=\d)\s?/\s?(?=\d)"), lambda _: " over "),
    (re.compile(r"(?<=\d):(?=\d)"), lambda _: " to "),
    (re.compile(rf"(?<![\w)])-\s?(?={_NUMBER})"), lambda _: "minus "),
    (re.compile(rf"(?:(?<!\w)\.)?{_NUMBER}"), lambda match: f" {numbers.decimal(match[0])} "),
]  # fmt: skip
_SYMBOL = re.compile("[" + re.escape("".join(_SYMBOLS)) + "]")


def normalize_english(text: str) -> str:
    """``text`` (clean) with numbers, dates, times, prices, units, abbreviations, addresses and symbols as words."""
    text = read_addresses(text)
    text = expand_abbreviations(text)
    text = read_roman_numerals(text)
    text = read_initials(text)
    if any(character.isdigit() for character in text):
        for pattern, reading in _RULES:
            text = pattern.sub(reading, text)
    text = _SYMBOL.sub(lambda match: f" {_SYMBOLS[match[0]]} ", text)
    return re.sub(r"[/\\_|*]", " ", text)
