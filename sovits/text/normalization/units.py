"""Units and currencies as both languages say them: one table each, so that neither language knows one the other does not."""

from __future__ import annotations

import re
from typing import NamedTuple


class Unit(NamedTuple):
    """A unit of measurement."""

    one: str
    many: str
    mandarin: str
    """With ``{}`` where the number goes."""


UNITS: dict[str, Unit] = {
    "km/h": Unit("kilometer per hour", "kilometers per hour", "每小时{}公里"),
    "kph": Unit("kilometer per hour", "kilometers per hour", "每小时{}公里"),
    "mph": Unit("mile per hour", "miles per hour", "每小时{}英里"),
    "m/s": Unit("meter per second", "meters per second", "每秒{}米"),
    "km": Unit("kilometer", "kilometers", "{}公里"),
    "m": Unit("meter", "meters", "{}米"),
    "dm": Unit("decimeter", "decimeters", "{}分米"),
    "cm": Unit("centimeter", "centimeters", "{}厘米"),
    "mm": Unit("millimeter", "millimeters", "{}毫米"),
    "μm": Unit("micrometer", "micrometers", "{}微米"),
    "nm": Unit("nanometer", "nanometers", "{}纳米"),
    "ft": Unit("foot", "feet", "{}英尺"),
    "kg": Unit("kilogram", "kilograms", "{}千克"),
    "g": Unit("gram", "grams", "{}克"),
    "mg": Unit("milligram", "milligrams", "{}毫克"),
    "μg": Unit("microgram", "micrograms", "{}微克"),
    "lb": Unit("pound", "pounds", "{}磅"),
    "lbs": Unit("pound", "pounds", "{}磅"),
    "oz": Unit("ounce", "ounces", "{}盎司"),
    "L": Unit("liter", "liters", "{}升"),
    "ml": Unit("milliliter", "milliliters", "{}毫升"),
    "mL": Unit("milliliter", "milliliters", "{}毫升"),
    "h": Unit("hour", "hours", "{}小时"),
    "hr": Unit("hour", "hours", "{}小时"),
    "hrs": Unit("hour", "hours", "{}小时"),
    "min": Unit("minute", "minutes", "{}分钟"),
    "mins": Unit("minute", "minutes", "{}分钟"),
    "sec": Unit("second", "seconds", "{}秒"),
    "ms": Unit("millisecond", "milliseconds", "{}毫秒"),
    "μs": Unit("microsecond", "microseconds", "{}微秒"),
    "kHz": Unit("kilohertz", "kilohertz", "{}千赫"),
    "MHz": Unit("megahertz", "megahertz", "{}兆赫"),
    "GHz": Unit("gigahertz", "gigahertz", "{}吉赫"),
    "Hz": Unit("hertz", "hertz", "{}赫兹"),
    "KB": Unit("kilobyte", "kilobytes", "{}千字节"),
    "MB": Unit("megabyte", "megabytes", "{}兆字节"),
    "GB": Unit("gigabyte", "gigabytes", "{}吉字节"),
    "TB": Unit("terabyte", "terabytes", "{}太字节"),
    "Mbps": Unit("megabit per second", "megabits per second", "每秒{}兆比特"),
    "kWh": Unit("kilowatt hour", "kilowatt hours", "{}千瓦时"),
    "kW": Unit("kilowatt", "kilowatts", "{}千瓦"),
    "MW": Unit("megawatt", "megawatts", "{}兆瓦"),
    "W": Unit("watt", "watts", "{}瓦"),
    "kV": Unit("kilovolt", "kilovolts", "{}千伏"),
    "V": Unit("volt", "volts", "{}伏"),
    "dB": Unit("decibel", "decibels", "{}分贝"),
    "kcal": Unit("kilocalorie", "kilocalories", "{}千卡"),
    "°C": Unit("degree Celsius", "degrees Celsius", "{}摄氏度"),
    "°F": Unit("degree Fahrenheit", "degrees Fahrenheit", "{}华氏度"),
    "°": Unit("degree", "degrees", "{}度"),
    "%": Unit("percent", "percent", "百分之{}"),
    "‰": Unit("per mille", "per mille", "千分之{}"),
    # A bare s needs a space before it (see UNIT): "iPhone 5s" is not five seconds.
    "s": Unit("second", "seconds", "{}秒"),
}
AREAS = ("km", "m", "cm", "mm", "ft")
"""Units that take ``^2`` and ``^3``."""


class Currency(NamedTuple):
    """A currency and its hundredth part (empty where prices have none)."""

    one: str
    many: str
    cent: str
    cents: str
    mandarin: str


CURRENCIES: dict[str, Currency] = {
    "$": Currency("dollar", "dollars", "cent", "cents", "美元"),
    "€": Currency("euro", "euros", "cent", "cents", "欧元"),
    "£": Currency("pound", "pounds", "penny", "pence", "英镑"),
    "¥": Currency("yen", "yen", "", "", "元"),
    "₩": Currency("won", "won", "", "", "韩元"),
    "₹": Currency("rupee", "rupees", "paisa", "paise", "卢比"),
    "USD": Currency("US dollar", "US dollars", "cent", "cents", "美元"),
    "US$": Currency("US dollar", "US dollars", "cent", "cents", "美元"),
    "HK$": Currency("Hong Kong dollar", "Hong Kong dollars", "cent", "cents", "港元"),
    "HKD": Currency("Hong Kong dollar", "Hong Kong dollars", "cent", "cents", "港元"),
    "EUR": Currency("euro", "euros", "cent", "cents", "欧元"),
    "GBP": Currency("pound", "pounds", "penny", "pence", "英镑"),
    "JPY": Currency("yen", "yen", "", "", "日元"),
    "CNY": Currency("yuan", "yuan", "", "", "元"),
    "RMB": Currency("yuan", "yuan", "", "", "元"),
}


def _any_of(names: list[str]) -> str:
    return "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))


CURRENCY = f"(?:{_any_of(list(CURRENCIES))})"
_LETTER_UNITS = _any_of([name for name in UNITS if name not in ("%", "‰", "°", "s")])
UNIT = rf"(?:\s?(?:(?:{_LETTER_UNITS})(?:\^[23])?(?![A-Za-z\d])|[%‰°])|\s(?:sec|s)(?![A-Za-z\d']))"
"""A unit after its number, with the space before it; not where more letters follow (``5 months``)."""


def split_power(unit: str) -> tuple[str, str]:
    """``km^2`` -> (``km``, ``2``); the power is empty where there is none."""
    name, _, power = unit.strip().partition("^")
    return name, power
