"""Both languages in a sentence, and what holds in either."""

from __future__ import annotations

import pytest

from sovits.errors import SovitsError
from sovits.text import normalize
from sovits.text.normalization.splitting import split_for_reading

CASES = {
    "Hello，欢迎致电客服中心": "Hello,欢迎致电客服中心",
    "我有3个apple": "我有三个apple",
    "I bought 3 apples 在超市": "I bought three apples 在超市",
    "iPhone 15 发布了": "iPhone 十五发布了",
    "我用 Windows 11。": "我用 Windows eleven.",
    "Call me at 10:30 pm，我在家": "Call me at ten thirty P M,我在家",
    "下载5GB的file": "下载五吉字节的file",
    "请发邮件到 service@example.com": "请发邮件到 service at example dot com",
    "买了GPU和CPU": "买了G P U和C P U",
    "很快被指出与剧场的L O G O十分相似": "很快被指出与剧场的L O G O十分相似",
    "汽车与汽车之间V二V": "汽车与汽车之间V二V",
}


@pytest.mark.parametrize(("written", "said"), CASES.items())
def test_numbers_take_the_language_around_them(written: str, said: str) -> None:
    assert normalize(written) == said


def test_splitting_loses_nothing() -> None:
    for text in CASES:
        assert "".join(stretch.text for stretch in split_for_reading(text)) == text


@pytest.mark.parametrize(("language", "said"), [(None, "one hundred"), ("en", "one hundred"), ("zh", "一百"), ("mixed", "one hundred")])
def test_a_lone_number_is_read_in_the_given_language(language: str | None, said: str) -> None:
    assert normalize("100", language) == said


def test_chinese_punctuation_tells_the_language_of_lone_numbers() -> None:
    assert normalize("100，200。") == "一百,二百."


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("It\u2019s \u201cquoted\u201d\u2026", 'It\'s "quoted"…'),
        ("a\u00adb\u200bc d\u0000e\tf\r\ng", "abc d e f g"),
        ("ｆｕｌｌ　ｗｉｄｔｈ！", "full width!"),
        ("caf\u0065\u0301 na\u00efve", "café naïve"),
        ("nice 😀👍🏽 day ™", "nice day"),
        ("well -- then — yes – no", "well — then — yes — no"),
        ("wait.... what . . . now", "wait… what… now"),
        ("他说：“你好！”……走了", '他说:"你好!"…走了'),
        ("Chapter Ⅳ", "Chapter four"),
    ],
)
def test_unicode_is_cleaned(written: str, said: str) -> None:
    assert normalize(written) == said


@pytest.mark.parametrize("text", ["", " \n\t", "...!?", "，。！", "😀", "—", "\u200b", "()", '"'])
def test_nothing_to_say_is_an_error(text: str) -> None:
    with pytest.raises(SovitsError, match="at least one word of English or Mandarin"):
        normalize(text)


@pytest.mark.parametrize(
    ("text", "offender"),
    [
        ("Привет", "П"),
        ("مرحبا", "م"),
        ("こんにちは", "こ"),
        ("カタカナ", "カ"),
        ("안녕", "안"),
        ("hello שלום", "ש"),
        ("λόγος", "λ"),
        ("१२३", "१"),
        ("สวัสดี", "ส"),
    ],
)
def test_other_scripts_are_named(text: str, offender: str) -> None:
    with pytest.raises(SovitsError, match=r"unsupported script: .*English \(Latin letters\), Mandarin") as error:
        normalize(text)
    assert offender in str(error.value)


def test_an_unknown_language_lists_the_known() -> None:
    with pytest.raises(SovitsError, match="'fr'.*en, zh, mixed"):
        normalize("bonjour", "fr")


@pytest.mark.parametrize("unit", ["1", "1.", "1,", "1/", "+1 ", "555-", "$1", "电话1", "A.", "AA ", "-a", "x@", "a.", "( ", "'a", "第1 "])
def test_long_runs_of_what_rules_look_for_end(unit: str) -> None:
    """Patterns that look behind or backtrack are quadratic where they are careless, which a text of this length makes plain."""
    assert normalize("a" + unit * (100_000 // len(unit)) + " end").endswith("end")
