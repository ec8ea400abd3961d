"""English words that are not written as they are said: abbreviations, Roman numerals, web addresses, capitals."""

from __future__ import annotations

import re

from sovits.text.normalization import english_numbers as numbers
from sovits.text.normalization.splitting import ADDRESS

# Said in full wherever they stand; the dot belongs to the abbreviation.
_TITLES = {
    "Mr": "Mister", "Mrs": "Missus", "Ms": "Miz", "Messrs": "Messieurs", "Prof": "Professor", "Gen": "General", "Col": "Colonel",
    "Capt": "Captain", "Lt": "Lieutenant", "Sgt": "Sergeant", "Rev": "Reverend", "Hon": "Honorable", "Gov": "Governor", "Sen": "Senator",
    "Rep": "Representative", "Mt": "Mount", "Ft": "Fort", "Maj": "Major", "Cmdr": "Commander",
}  # fmt: skip
_WORDS = {
    "Jr": "Junior", "Sr": "Senior", "vs": "versus", "etc": "et cetera", "approx": "approximately", "Ave": "Avenue", "Rd": "Road",
    "Blvd": "Boulevard", "Inc": "Incorporated", "Ltd": "Limited", "Co": "Company", "Corp": "Corporation", "dept": "department",
    "Dept": "Department", "est": "established", "Univ": "University", "govt": "government", "Bros": "Brothers", "misc": "miscellaneous",
    "Jan": "January", "Feb": "February", "Mar": "March", "Apr": "April", "Jun": "June", "Jul": "July", "Aug": "August", "Sep": "September",
    "Sept": "September", "Oct": "October", "Nov": "November", "Dec": "December", "Mon": "Monday", "Tue": "Tuesday", "Tues": "Tuesday",
    "Wed": "Wednesday", "Thu": "Thursday", "Thurs": "Thursday", "Fri": "Friday", "Sat": "Saturday",
}  # fmt: skip
_BEFORE_NUMBERS = {
    "No": "Number", "no": "number", "Nos": "Numbers", "nos": "numbers", "p": "page", "pp": "pages", "vol": "volume", "Vol": "Volume",
    "ch": "chapter", "Ch": "Chapter", "fig": "figure", "Fig": "Figure", "ca": "circa", "Art": "Article",
}  # fmt: skip

_TITLE = re.compile(rf"\b({'|'.join(_TITLES)})\.(?=\s?[A-Z])|\b(Mr|Mrs|Ms|Messrs|Prof)\b(?:\.|(?=\s[A-Z]))")
_WORD = re.compile(rf"\b({'|'.join(_WORDS)})\.(?P<end>\s*$)?")
_MONTH_WITHOUT_DOT = re.compile(r"\b(Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)(?=\s\d{1,2}(?:st|nd|rd|th)?\b)")
_NUMBERED = re.compile(rf"\b({'|'.join(_BEFORE_NUMBERS)})\.\s?(?=\d)")
# After a capital word and before none, St. and Dr. are parts of an address; after a number too, even without the dot.
_STREET = re.compile(r"(?P<name>\b[A-Z][a-z]+\s)(?P<kind>St|Dr)\.(?!\s?[A-Z][a-z])(?P<end>\s*$)?")
_NUMBERED_STREET = re.compile(r"(?P<name>(?<=\d\s)(?:[A-Z][a-z]+\s){1,3})(?P<kind>St|Dr)\b\.?(?P<end>\s*$)?")
_STREETS = {"St": "Street", "Dr": "Drive"}
_DOCTOR = re.compile(r"\bDr(?:\.|(?=\s[A-Z]))")
_SAINT = re.compile(r"\bSt(?:\.|(?=\s[A-Z]))")
_DOTTED = re.compile(r"\b(?:[A-Za-z]\.){2,}(?P<end>\s*$)?")
_DOTTED_WORDS = {"e.g.": "for example", "i.e.": "that is"}
_INITIALS = re.compile(r"\b([A-Z]{1,2})&([A-Z]{1,2})\b")
_PHD = re.compile(r"\bPh\.?D\b\.?")

_ROMAN = re.compile(r"\b(?=[XVI]{2,}\b|(?<=[a-z] )[VX]\b)(?P<tens>X{0,3})(?P<ones>IX|IV|V?I{0,3})\b(?!\.\w|')")
_ROMAN_CUE = re.compile(
    r"(?:\b(?:chapter|part|book|volume|war|act|scene|section|type|phase|class|title|appendix|article|bowl|"
    r"henry|louis|elizabeth|george|charles|edward|william|james|richard|philip|pius|john|paul|benedict|alexander|napoleon|leo)\s)$",
    re.IGNORECASE,
)
_RULER = re.compile(
    r"(?:henry|louis|elizabeth|george|charles|edward|william|james|richard|philip|pius|paul|benedict|alexander|leo)\s$", re.IGNORECASE
)

_ADDRESS = re.compile(ADDRESS)
_ADDRESS_PIECE = re.compile(r"[A-Za-z]+|\d+|.", re.DOTALL)
_ADDRESS_SYMBOLS = {
    ".": "dot", "/": "slash", "@": "at", "-": "dash", "_": "underscore", ":": "colon", "?": "question mark", "=": "equals", "&": "and",
    "#": "hash", "%": "percent", "+": "plus", "~": "tilde",
}  # fmt: skip


def read_addresses(text: str) -> str:
    """Web and mail addresses as they are dictated: ``x@a.com`` -> ``x at a dot com``."""
    return _ADDRESS.sub(lambda match: f" {_dictated(match[0])} ", text)


def _dictated(address: str) -> str:
    words = []
    for piece in _ADDRESS_PIECE.findall(re.sub(r"^https?://", "", address)):
        if piece.isdigit():
            words.append(numbers.cardinal(piece) if len(piece) <= 2 else numbers.digit_by_digit(piece))
        elif piece.isalpha():
            spelt = len(piece) <= 2 or not re.search("[aeiouy]", piece, re.IGNORECASE)
            words.append(" ".join(piece.upper()) if spelt else piece)
        else:
            words.append(_ADDRESS_SYMBOLS.get(piece, ""))
    return " ".join(word for word in words if word)


def expand_abbreviations(text: str) -> str:
    """Abbreviations in full: ``Dr.``, ``St.`` (saint or street), ``No. 5``, ``e.g.``, ``U.S.`` (``U S``), ``Mar 3``."""
    text = _PHD.sub("P H D", text)
    if "." in text:
        text = _DOTTED.sub(_dotted, text)
    for pattern in (_NUMBERED_STREET, _STREET):
        text = pattern.sub(lambda match: match["name"] + _STREETS[match["kind"]] + ("" if "." not in match[0] else _full_stop(match)), text)
    text = _DOCTOR.sub("Doctor", text)
    text = _SAINT.sub("Saint", text)
    text = _TITLE.sub(lambda match: _TITLES[match[1] or match[2]], text)
    text = _MONTH_WITHOUT_DOT.sub(lambda match: _WORDS[match[1]], text)
    if "." not in text:
        return text
    text = _NUMBERED.sub(lambda match: _BEFORE_NUMBERS[match[1]] + " ", text)
    return _WORD.sub(lambda match: _WORDS[match[1]] + _full_stop(match), text)


def _full_stop(match: re.Match[str]) -> str:
    """The dot of an abbreviation that ends the text ends the sentence too."""
    return "" if match["end"] is None else "." + match["end"]


def _dotted(match: re.Match[str]) -> str:
    letters = match[0].strip()
    words = _DOTTED_WORDS.get(letters.lower()) or " ".join(letters.replace(".", "").upper())
    return words + _full_stop(match)


def read_initials(text: str) -> str:
    """``AT&T`` -> ``A T and T``, ``R&D`` -> ``R and D``."""
    return _INITIALS.sub(lambda match: f"{' '.join(match[1])} and {' '.join(match[2])}", text)


def read_roman_numerals(text: str) -> str:
    """``Chapter IV`` -> ``Chapter four``, ``Henry VIII`` -> ``Henry the eighth``; only after a word that calls for a number."""
    return _ROMAN.sub(lambda match: _roman(match, text), text)


def _roman(match: re.Match[str], text: str) -> str:
    before = text[max(0, match.start() - 24) : match.start()]
    if not _ROMAN_CUE.search(before):
        return match[0]
    ones = {"": 0, "I": 1, "II": 2, "III": 3, "IV": 4, "V": 5, "VI": 6, "VII": 7, "VIII": 8, "IX": 9}[match["ones"]]
    value = str(10 * len(match["tens"]) + ones)
    return f"the {numbers.ordinal(value)}" if _RULER.search(before) else numbers.cardinal(value)
