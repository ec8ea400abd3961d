"""Mandarin phones: readings, sandhi, and every syllable there is."""

from __future__ import annotations

import pytest

from sovits.errors import SovitsError
from sovits.text import MandarinPhonemizer
from sovits.text.phonemes.mandarin import _initial_and_final
from sovits.text.symbols import SYMBOL_IDS


def pinyin(words: list) -> str:
    return " ".join("".join(phone.symbol.removeprefix("zh:") for phone in word.phones) + str(word.phones[-1].tone) for word in words)


@pytest.mark.parametrize(
    ("text", "reading"),
    [
        # readings that depend on the word; v is ü, ii and iii the vowels of si and shi
        ("欢迎致电客服中心", "huan1 ing2 zhiii4 dian4 ke4 fu2 zhong1 xin1"),
        ("重庆重要", "chong2 qing4 zhong4 iao4"),
        ("长大长度", "zhang3 da4 chang2 du4"),
        ("银行行长", "in2 hang2 hang2 zhang3"),
        ("音乐快乐", "in1 ve4 kuai4 le4"),
        ("男主角", "nan2 zhu3 jve2"),
        ("绿色旅行", "lv4 se4 lv3 xing2"),
        ("四十四", "sii4 shiii2 sii4"),
        ("頭髮", "tou2 fa4"),
        ("二〇二六", "er4 ling2 er4 liou4"),
        # third tones in a row
        ("你好", "ni2 hao3"),
        ("展览馆", "zhan2 lan2 guan3"),
        ("老保管", "lao3 bao2 guan3"),
        ("保管好", "bao2 guan2 hao3"),
        ("很好", "hen2 hao3"),
        # 一
        ("一", "i1"),
        ("一个", "i2 ge4"),
        ("一定", "i2 ding4"),
        ("一天", "i4 tian1"),
        ("一年", "i4 nian2"),
        ("一起", "i4 qi3"),
        ("第一名", "di4 i1 ming2"),
        ("一月", "i1 ve4"),
        ("统一", "tong3 i1"),
        ("十一个", "shiii2 i1 ge4"),
        ("二零一一年", "er4 ling2 i1 i1 nian2"),
        ("一万一千", "i2 uan4 i4 qian1"),
        ("看一看", "kan4 i5 kan4"),
        ("一点五", "i1 dian2 u3"),
        # 不
        ("不", "bu4"),
        ("不是", "bu2 shiii4"),
        ("不好", "bu4 hao3"),
        ("是不是", "shiii4 bu5 shiii4"),
        # neutral tones and particles
        ("我们的朋友", "uo3 men5 de5 peng2 iou5"),
        ("妈妈", "ma1 ma5"),
        ("慢慢地走", "man4 man4 de5 zou3"),
        ("跑得快", "pao3 de5 kuai4"),
        ("哪儿", "na3 er5"),
        ("女儿", "nv3 er2"),
        ("嗯", "n̩2"),
    ],
)
def test_reads(mandarin: MandarinPhonemizer, text: str, reading: str) -> None:
    assert pinyin(mandarin(text)) == reading


def test_both_phones_of_a_syllable_carry_its_tone(mandarin: MandarinPhonemizer) -> None:
    (word,) = mandarin("电")
    assert word.phones == (("zh:d", 4), ("zh:ian", 4))
    assert (word.start, word.end) == (0, 1)


def test_the_table_holds_every_syllable() -> None:
    from pypinyin.constants import PHRASES_DICT, PINYIN_DICT
    from pypinyin.contrib.tone_convert import tone_to_tone3

    marked = {syllable for readings in PINYIN_DICT.values() for syllable in readings.split(",")}
    marked |= {syllable for phrase in PHRASES_DICT.values() for readings in phrase for syllable in readings}
    syllables = {tone_to_tone3(syllable, neutral_tone_with_five=True) for syllable in marked}
    assert len(syllables) > 1500
    assert all(syllable[-1] in "12345" for syllable in syllables)
    parts = {syllable[:-1]: _initial_and_final(syllable[:-1]) for syllable in syllables}
    assert {f"zh:{part}" for found in parts.values() for part in found} <= set(SYMBOL_IDS)
    assert len(set(parts.values())) == len({syllable.replace("ü", "v") for syllable in parts})  # no two syllables fall together


def test_an_unknown_character_is_named(mandarin: MandarinPhonemizer) -> None:
    with pytest.raises(SovitsError, match="reading is known for \U00030000"):
        mandarin("好\U00030000")


def test_a_long_stretch_keeps_its_characters(mandarin: MandarinPhonemizer) -> None:
    text = "我们都是好朋友今天天气不错" * 50
    assert [text[word.start : word.end] for word in mandarin(text)] == list(text)
