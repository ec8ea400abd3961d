"""English as written against English as said."""

from __future__ import annotations

import pytest

from sovits.text import normalize

CASES = {
    # whole numbers, decimals, signs
    "I have 3 dogs": "I have three dogs",
    "1,234,567 people": "one million two hundred thirty four thousand five hundred sixty seven people",
    "10,000 steps": "ten thousand steps",
    "1001 nights": "one thousand one nights",
    "pi is 3.14": "pi is three point one four",
    "0.5 and .5": "zero point five and zero point five",
    "it is -5 today": "it is minus five today",
    "agent 007": "agent zero zero seven",
    "version 1.2.3": "version one point two point three",
    "12345678901234567890": "one two three four five six seven eight nine zero one two three four five six seven eight nine zero",
    # ordinals, fractions, percentages, ranges
    "the 1st, 2nd, 23rd and 101st": "the first, second, twenty third and one hundred first",
    "3/4 of it, 1/2 of that": "three quarters of it, one half of that",
    "2 1/2 cups, 2½ cups": "two and a half cups, two and a half cups",
    "open 24/7": "open twenty four seven",
    "50%, or 3.5 %": "fifty percent, or three point five percent",
    "pages 10-20": "pages ten to twenty",
    # dates
    "on 2026-11-22": "on November twenty second, twenty twenty six",
    "on 11/22/2026": "on November twenty second, twenty twenty six",
    "on 22/11/2026": "on November twenty second, twenty twenty six",
    "March 3rd": "March third",
    "March 3, 2026": "March third, twenty twenty six",
    "Mar 3": "March third",
    "3 March 1999": "the third of March nineteen ninety nine",
    "in 1999, since 2005": "in nineteen ninety nine, since two thousand five",
    "the 1990s and the 90s": "the nineteen nineties and the nineties",
    "1990-1995": "nineteen ninety to nineteen ninety five",
    # times
    "at 10:30 pm": "at ten thirty P M",
    "at 14:05": "at fourteen oh five",
    "at 7:00": "at seven o'clock",
    "at 5 p.m. sharp": "at five P M sharp",
    # money
    "It costs $3.50.": "It costs three dollars and fifty cents.",
    "£20": "twenty pounds",
    "€1,000.99": "one thousand euros and ninety nine cents",
    "$1": "one dollar",
    "$0.99": "ninety nine cents",
    "£0.01": "one penny",
    "-$5": "minus five dollars",
    "$3.5 million": "three point five million dollars",
    "5 USD": "five U S dollars",
    "$5-10": "five to ten dollars",
    # telephone numbers
    "call 555-123-4567": "call five five five, one two three, four five six seven",
    "call (555) 123-4567": "call five five five, one two three, four five six seven",
    "+1 555 123 4567": "plus one, five five five, one two three, four five six seven",
    "dial 911": "dial nine one one",
    # units
    "5 kg or 1 kg": "five kilograms or one kilogram",
    "120 km/h": "one hundred twenty kilometers per hour",
    "-5°C, 20℃": "minus five degrees Celsius, twenty degrees Celsius",
    "10 m²": "ten square meters",
    "5 months": "five months",
    "3.2 GHz and 8GB": "three point two gigahertz and eight gigabytes",
    # abbreviations
    "Dr. Smith lives at 12 St. John St.": "Doctor Smith lives at twelve Saint John Street.",
    "Mr. and Mrs. O'Neil": "Mister and Missus O'Neil",
    "No. 5": "Number five",
    "cats vs. dogs, e.g. mine, etc.": "cats versus dogs, for example mine, et cetera.",
    "in the U.S. today": "in the U S today",
    "Henry VIII and World War II": "Henry the eighth and World War two",
    # letters and capitals
    "a GPU and two CPUs": "a G P U and two C P U's",
    "NASA has an L O G O": "NASA has an L O G O",
    "AT&T": "A T and T",
    "Tom & Jerry": "Tom and Jerry",
    "HE HAD NO MONEY": "he had no money",
    "AND I'M GONE": "and I'm gone",
    "the US and IT": "the U S and I T",
    "WITH US": "with us",
    # letters with digits
    "the C919 and the A4": "the C nine one nine and the A four",
    "B2B": "B two B",
    "3D": "three D",
    # addresses
    "write to x@example.com": "write to X at example dot com",
    "see https://www.example.com/a-b": "see W W W dot example dot com slash A dash B",
    # symbols
    "5+3=8": "five plus three equals eight",
    "5-3=2": "five minus three equals two",
    "2x4": "two by four",
    "6'2\" tall": "six foot two tall",
}


@pytest.mark.parametrize(("written", "said"), CASES.items())
def test_reads(written: str, said: str) -> None:
    assert normalize(written) == said


def test_what_is_normal_stays() -> None:
    for said in CASES.values():
        assert normalize(said) == said
