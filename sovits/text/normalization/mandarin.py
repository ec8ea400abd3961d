"""Mandarin normalisation: everything that is not a word becomes the characters a reader would say.

The rules are our own: wetext's transducers, tried first, take time quadratic in the length, escape quotation marks, and read 10-20
as a date, 9-11点 as a subtraction and $100万 as ten dollars. The tests hold the readings both agree on against it.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from sovits.text.language import HAN, LATIN
from sovits.text.normalization import mandarin_numbers as numbers
from sovits.text.normalization.units import AREAS, CURRENCIES, CURRENCY, UNIT, UNITS, split_power

Rule = tuple[re.Pattern[str], Callable[[re.Match[str]], str]]

_NUMBER = r"\d+(?:\.\d+)*"
# Where a number begins: a search that starts inside one would be wrong, and quadratic in its length.
_START = r"(?<!\d)(?<!\d\.)"
_SIGN = r"(?P<sign>(?<![A-Za-z\d)])-\s?)?"
_SIGNED = rf"(?:(?<![A-Za-z\d)])-\s?)?{_START}{_NUMBER}"
_SYMBOLS = {
    "&": "和", "@": "艾特", "+": "加", "=": "等于", "<": "小于", ">": "大于", "≤": "小于等于", "≥": "大于等于", "×": "乘", "÷": "除以",
    "±": "正负", "≈": "约等于", "#": "井号", "%": "百分号", "°": "度", "‰": "千分号", "$": "美元", "€": "欧元", "£": "英镑", "¥": "元",
}  # fmt: skip
# Words after which digits are dictated one by one.
_DICTATED = (
    "电话号码|电话|手机号码|手机号|手机|热线|号码|致电|拨打|拨|报警|客服|微信|传真|分机|"
    "身份证号|身份证|卡号|账号|单号|编号|验证码|密码|邮编|区号|工号|学号"
)


def _date(match: re.Match[str]) -> str:
    return f"{numbers.digit_by_digit(match['y'])}年{_month_day(match['m'], match['d'])}"


def _month_day(month: str, day: str) -> str:
    return f"{numbers.cardinal(str(int(month)))}月{numbers.cardinal(str(int(day)))}日"


def _slash_date(match: re.Match[str]) -> str:
    month, day = match["a"], match["b"]
    if int(month) > 12 >= int(day):
        month, day = day, month
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31):
        return match[0]
    return f"{numbers.digit_by_digit(match['y'])}年{_month_day(month, day)}"


def _time(match: re.Match[str]) -> str:
    hour, minute, second = int(match["h"]), int(match["m"]), match["s"]
    if hour > 24 or minute > 59:
        return match[0]
    words = _half_day(match["half"], hour) + numbers.counted(str(hour), "个") + "点"
    if minute or second:
        words += ("零" if minute < 10 else "") + (numbers.cardinal(str(minute)) if minute else "") + "分"
    return words + (numbers.cardinal(str(int(second))) + "秒" if second else "")


def _bare_hour(match: re.Match[str]) -> str:
    return _half_day(match["half"], int(match["h"])) + numbers.counted(match["h"], "个") + "点"


def _half_day(half: str | None, hour: int) -> str:
    if not half:
        return ""
    if half[0] in "aA":
        return "上午"
    return "晚上" if 6 <= hour < 12 else "下午"


def _dictation(match: re.Match[str]) -> str:
    return ("加" if match[0].startswith("+") else "") + numbers.digit_by_digit(match[0], one="幺")


def _price(match: re.Match[str]) -> str:
    name = CURRENCIES[(match["before"] or match["after"]).strip()].mandarin
    amount = match["amount"]
    if "." in amount:
        amount = amount.rstrip("0").rstrip(".")
    return ("负" if match["sign"] else "") + numbers.decimal(amount, match["magnitude"] or name) + (match["magnitude"] or "") + name


def _measure(match: re.Match[str]) -> str:
    name, power = split_power(match["unit"])
    number = match["number"].replace(" ", "")
    if name == "%" or name == "‰":
        return ("负" if number[0] == "-" else "") + UNITS[name].mandarin.format(numbers.decimal(number.lstrip("-")))
    template = UNITS[name].mandarin
    if power and name in AREAS:
        template = template.replace("{}", "{}平方" if power == "2" else "{}立方")
    sign = ""
    if number[0] == "-" and name.startswith("°"):
        sign, number = "零下", number[1:]
    return sign + template.format(numbers.decimal(number, template.partition("{}")[2]))


def _year(match: re.Match[str]) -> str:
    return numbers.digit_by_digit(match[0])


def _attached(match: re.Match[str]) -> str:
    return numbers.digit_by_digit(match[0]) if len(match[0]) > 2 else numbers.cardinal(match[0])


def _plain(match: re.Match[str]) -> str:
    return numbers.decimal(match[0], match.string[match.end() : match.end() + 3].lstrip())


_RULES: list[Rule] = [
    (re.compile(rf"(?<=\d)\s+(?=[{HAN}])|(?<=[{HAN}])\s+(?=\d)"), lambda _: ""),
    (re.compile(r"(?<=\d),(?=\d{3}(?!\d))"), lambda _: ""),
    # Dictated numbers.
    (re.compile(rf"(?P<cue>(?:{_DICTATED})[是为:\s]{{0,3}})\+?\d[\d\- ]*\d(?![\d.年月日个元块])"),
     lambda match: match["cue"] + numbers.digit_by_digit(match[0], one="幺")),
    (re.compile(r"(?:\+86[ -]?)?(?<![\d.])1[3-9]\d(?:[ -]?\d{4}){2}(?![\d.])"), _dictation),
    (re.compile(r"(?<![\d.])(?:0\d{2,3}|[48]00)-\d{3,4}(?:-?\d{4})(?!\d)"), _dictation),
    (re.compile(r"(?<=打)(?:1[12][0-9]|\d{5})(?![\d.个元分块次])"), _dictation),
    (re.compile(r"(?<=号)\d{5,}(?![\d.年月日个元块])"), _dictation),
    (re.compile(r"(?<![\d.,])(?:10010|10086|12306|12315|12345|12366|95588)(?![\d.,%个元人块万亿千百米公斤次名本])"), _dictation),
    (re.compile(r"(?<!\d)\d{12,}(?<!0000)(?!\d)"), _dictation),
    # Dates and times.
    (re.compile(r"(?<!\d)(?P<y>1\d{3}|20\d\d)([-/.])(?P<m>1[0-2]|0?[1-9])\2(?P<d>3[01]|[12]\d|0?[1-9])(?!\d)[日号]?"), _date),
    (re.compile(r"(?<![\d/])(?P<a>\d{1,2})/(?P<b>\d{1,2})/(?P<y>\d{4})(?![\d/])"), _slash_date),
    (re.compile(r"(?<!\d)\d{4}(?=\s?年)|(?<!\d)0\d(?=\s?年)|(?<!\d)\d{2}(?=\s?年\s?\d{1,2}\s?月)|(?<!\d)[6-90]0(?=后)"), _year),
    (re.compile(r"(?<![\d:.])(?P<h>\d{1,2}):(?P<m>\d\d)(?::(?P<s>\d\d))?"
                r"(?:\s?(?P<half>(?i:[ap]\.m\.|[ap]m)(?![A-Za-z])))?(?![\d:])"), _time),
    (re.compile(r"(?<![\d:.])(?P<h>\d{1,2})\s?(?P<half>(?i:[ap]\.m\.|[ap]m)(?![A-Za-z]))"), _bare_hour),
    (re.compile(r"(?<=点)0(?P<m>[1-9])(?=分)"), lambda match: "零" + numbers.cardinal(match["m"])),
    (re.compile(r"(?<!\d)2(?=点(?:[半整钟多\d]|一刻|三刻|$|[^\d]))"), lambda _: "两"),
    # Prices and measures.
    (re.compile(rf"(?P<before>{CURRENCY})(?P<low>{_NUMBER})\s?[-~]\s?(?:{CURRENCY})?(?P<high>{_NUMBER})"),
     lambda match: f"{numbers.decimal(match['low'])}到{numbers.decimal(match['high'], '元')}{CURRENCIES[match['before']].mandarin}"),
    (re.compile(rf"{_SIGN}(?P<before>{CURRENCY})\s?(?P<amount>{_NUMBER})(?P<after>)\s?"
                r"(?P<magnitude>[百千]?[万亿]|[百千])?"), _price),
    (re.compile(rf"{_SIGN}{_START}(?P<amount>{_NUMBER})(?P<before>)(?P<magnitude>)\s?(?P<after>{CURRENCY})(?![A-Za-z])"), _price),
    (re.compile(r"(?P<a>\d+)\s?-\s?(?P<b>\d+)(?=的?(?:比分|战胜|击败|大胜|险胜|取胜|获胜|领先|落后|不敌|负于|逼平))"
                r"|(?<=比分)(?P<c>\d+)-(?P<d>\d+)"),
     lambda match: "比".join(numbers.cardinal(side) for side in match.groups() if side)),
    (re.compile(r"(?<=[点分秒])\s?[-~]\s?(?=[两一二三四五六七八九十上下晚\d])"), lambda _: "到"),
    (re.compile(r"(?<=[\d%°C])\s?[-~]\s?(?=\d)(?!\d+(?:\.\d+)?\s?=)"), lambda _: "到"),
    (re.compile(rf"(?P<number>{_SIGNED})(?P<unit>{UNIT})"), _measure),
    (re.compile(r"(?<![\d/.])(?P<top>\d{1,6})/(?P<bottom>\d{1,6})(?![\d/])"),
     lambda match: f"{numbers.cardinal(match['bottom'])}分之{numbers.cardinal(match['top'])}"),
    # Plain numbers.
    (re.compile(r"(?<=第)\s?(?P<n>\d+)"), lambda match: numbers.cardinal(match["n"])),
    (re.compile(r"(?:\bNo\.\s?|#)(?P<n>\d+)|(?P<m>\d+)#"), lambda match: numbers.cardinal(match["n"] or match["m"]) + "号"),
    (re.compile(rf"(?<=[{LATIN}])\d+(?!\.\d|\d)|(?<![\d.])\d+(?=[{LATIN}])"), _attached),
    (re.compile(r"(?<=\d)\s?-\s?(?=\d)"), lambda _: "减"),
    (re.compile(r"(?<=\d)\s?[*x]\s?(?=\d)"), lambda _: "乘"),
    (re.compile(r"(?<=\d)/(?=\d)"), lambda _: "除以"),
    (re.compile(r"(?<=\d):(?=\d)"), lambda _: "比"),
    (re.compile(r"(?<![A-Za-z\d)])-\s?(?=\d)"), lambda _: "负"),
    (re.compile(r"(?<=\d)\s?\+(?!\s?\d)"), lambda _: "多"),
    (re.compile(r"~(?=\s?\d)"), lambda _: "大约"),
    (re.compile(rf"(?:(?<!\d)\.)?{_NUMBER}"), _plain),
]  # fmt: skip
_SYMBOL = re.compile("[" + re.escape("".join(_SYMBOLS)) + "]")


def normalize_mandarin(text: str) -> str:
    """``text`` (clean) with numbers, dates, times, prices, units and symbols as Chinese characters."""
    if any(character.isdigit() for character in text):
        for pattern, reading in _RULES:
            text = pattern.sub(reading, text)
    text = _SYMBOL.sub(lambda match: _SYMBOLS[match[0]], text)
    text = re.sub(r"[/\\_|*^~]", " ", text)
    return re.sub(rf"(?<=[,.;:]) (?=[{HAN}])", "", text)
