"""Capital letters: words in capitals become words, initialisms become letters (``GPU`` -> ``G P U``)."""

from __future__ import annotations

import re

from sovits.text.language import LATIN

# A run of capital words; what comes between two of them is neither a small letter nor Chinese.
_CAPITAL_RUN = re.compile(rf"(?<![{LATIN}'])[A-ZÀ-ÖØ-Þ]+(?:[A-ZÀ-ÖØ-Þ' ,.!?;:…—\"()-]*[A-ZÀ-ÖØ-Þ])?(?![{LATIN}])")
_CAPITAL_WORD = re.compile(r"[A-ZÀ-ÖØ-Þ]+(?:'[A-ZÀ-ÖØ-Þ]+)*")
_INITIALISM = re.compile(rf"(?<![{LATIN}'])(?P<letters>[A-Z]{{2,}})(?P<ending>'?s)?(?![{LATIN}'])")
# A run of capitals that holds one of these, or two words of six letters, is prose in capitals. IT, US, A and I prove nothing.
_PROSE_WORDS = (
    "ALL AN AND ANY ARE AS AT BE BEEN BUT BY CAN COULD DID DO FOR FROM GO HAD HAS HAVE HE HER HERE HIM HIS HOW IF IN INTO IS ITS "
    "LIKE MAY ME MUST MY NO NOT NOW OF OH OLD ON ONE OR OUR OUT SAID SAY SHE SO THAT THE THEE THEIR THEM THEN THERE THEY THIS THOU "
    "THY TO TOO UP UPON VERY WAS WAY WE WERE WHAT WHEN WHERE WHICH WHO WHY WILL WITH YES YET YOU YOUR"
)
_PROSE = frozenset(_PROSE_WORDS.split())
_OTHER_SHORT_WORDS = (
    "ACT ADD AGE AGO AIR ART ASK BAD BAG BED BIG BOX BOY BUS BUY CAR CAT CUP CUT DAY DOG EAR EAT END EYE FAR FEW FLY FUN GET GOD "
    "GOT GUN GUY HEY HIT HOT ICE JOB JOY KEY KID LAW LAY LED LEG LET LIE LOT LOW MAN MEN MIX MOM NEW NOR ODD OFF OIL OK OWN PAY "
    "PET PUT RAM RED ROM RUN SAD SAT SEA SEE SET SIT SIX SKY SON SUN TAX TEA TEN TOP TRY TWO USE WAR WIN WON"
)
_SHORT_WORDS = _PROSE | frozenset(_OTHER_SHORT_WORDS.split())
_SPELT_THOUGH_SAYABLE = frozenset(["IEEE", "AIGC", "USSR", "ISBN", "YMCA", "AAAI", "ICML", "IPTV", "HTML", "FAQS"])
_PRONOUN = re.compile(r"\bi\b")
_VOWEL = re.compile("[AEIOUY]")


def read_capitals(text: str) -> str:
    """Prose in capitals in small letters (``HE HAD NO MONEY``), initialisms as single capitals (``A P I``), the rest as it is."""
    text = _CAPITAL_RUN.sub(_lower_prose, text)
    return _INITIALISM.sub(_spell, text)


def _lower_prose(match: re.Match[str]) -> str:
    words = _CAPITAL_WORD.findall(match[0])
    long_words = [word for word in words if len(word) > 5 and _VOWEL.search(word)]
    is_prose = len(long_words) > 1 or any(word in _PROSE or "'" in word for word in words)
    return _PRONOUN.sub("I", match[0].lower()) if is_prose else match[0]


def _spell(match: re.Match[str]) -> str:
    letters, ending = match["letters"], match["ending"] or ""
    if letters in _SHORT_WORDS or (len(letters) > 3 and letters not in _SPELT_THOUGH_SAYABLE and _VOWEL.search(letters)):
        return match[0]
    return " ".join(letters) + ("'s" if ending else "")
