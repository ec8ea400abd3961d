"""Mandarin tone changes in running speech: neutral tones, 一, 不, and third tones in a row."""

from __future__ import annotations

from collections.abc import Callable, Sequence

_DIGITS = tuple("零一二三四五六七八九")
_NUMERALS = frozenset("零一二三四五六七八九十幺第")
_LARGE_PLACES = frozenset("百千万亿")
# 一 before these is a number in a row (一月, 一楼), said in its own tone.
_AFTER_ORDINAL_ONE = frozenset("月号日楼班级等流")
# Words that end in 一 and lean on what they count: 这一个 is zhè yí gè, while 统一, 之一, 周一 keep the first tone.
_LEANING_ONE = frozenset(("这一", "那一", "每一", "某一", "另一", "哪一", "有一", "任一", "下一", "上一", "前一", "后一"))
_NEUTRAL_REPETITION = frozenset("爸妈爷奶哥姐弟妹叔舅公婆姑宝娃看说想听试走等谢问聊猩")
_NEUTRAL_WORDS = (
    "朋友 东西 衣服 意思 知道 先生 喜欢 漂亮 舒服 认识 告诉 客气 明白 消息 时候 眼睛 头发 耳朵 关系 窗户 钥匙 葡萄 玻璃 豆腐 月亮 "
    "早上 晚上 地方 事情 清楚 暖和 便宜 麻烦 聪明 干净 热闹 年纪 商量 打听 休息 收拾 照顾 招呼 名字 故事 行李 西瓜 黄瓜 胳膊 脑袋 "
    "嘴巴 尾巴 石头 木头 舌头 骨头 馒头 枕头 里头 外头 前头 后头 上头 下头 丈夫 姑娘 大夫 师傅 太太 亲戚 力气 脾气 福气 运气 生意 "
    "主意 买卖 护士 扫帚 苍蝇 蘑菇 萝卜 核桃 石榴 粮食 点心 咳嗽 佩服 吩咐 琢磨 糊涂 结实 老实 厉害 马虎 冤枉 打扮 打算 本事 部分 "
    "应付 使唤 欺负 在乎 包袱 规矩 怎么 什么 多么 那么 这么 这里 那里 我们 你们 他们 她们 它们 咱们 人们"
)
_NEUTRAL_ENDINGS = frozenset(_NEUTRAL_WORDS.split())


def apply_sandhi(words: Sequence[str], tones: list[int], is_word: Callable[[str], bool]) -> None:
    """Changes ``tones`` (1-5, one a character of the joined ``words``) to how they are said together.

    Args:
        words: The words of one stretch with no pause in it.
        is_word: Tells how a word of three falls apart: 展览|馆 or 老|保管.
    """
    starts = [0]
    for word in words:
        starts.append(starts[-1] + len(word))
    text = "".join(words)
    for word, start in zip(words, starts, strict=False):
        _neutral(word, start, tones)
    for position, character in enumerate(text):
        if character == "不":
            tones[position] = _tone_of_bu(text, position, tones)
    _all_ones(words, starts, text, tones)
    for word, start in zip(words, starts, strict=False):
        _third_tones_within(word, start, tones, is_word)
    for end in reversed(starts[1:-1]):
        if tones[end - 1] == tones[end] == 3:
            tones[end - 1] = 2


def _neutral(word: str, start: int, tones: list[int]) -> None:
    last = start + len(word) - 1
    if len(word) >= 2 and (word[-2:] in _NEUTRAL_ENDINGS or (len(word) == 2 and word[0] == word[1] and word[0] in _NEUTRAL_REPETITION)):
        tones[last] = 5


def _tone_of_bu(text: str, position: int, tones: list[int]) -> int:
    """不 rises before a fourth tone and is neutral between two halves of a question (是不是)."""
    if position + 1 == len(text):
        return 4
    if position and text[position - 1] == text[position + 1]:
        return 5
    return 2 if tones[position + 1] == 4 else 4


def _all_ones(words: Sequence[str], starts: Sequence[int], text: str, tones: list[int]) -> None:
    for word, start in zip(words, starts, strict=False):
        for offset, character in enumerate(word):
            if character == "一":
                ends_word = offset == len(word) - 1 and len(word) > 1 and word not in _LEANING_ONE
                tones[start + offset] = 1 if ends_word else _tone_of_yi(text, start + offset, tones)


def _tone_of_yi(text: str, position: int, tones: list[int]) -> int:
    """一 rises before a fourth tone, falls before others, and keeps the first tone as a digit, an ordinal and at the end."""
    if position + 1 == len(text):
        return 1
    before, after = text[position - 1] if position else "", text[position + 1]
    if after not in _LARGE_PLACES:
        is_digit = (
            before in _NUMERALS
            or (before == "点" and after in _DIGITS)
            or after in _NUMERALS
            or (before in _LARGE_PLACES and after == "十")
        )
        is_decimal = after == "点" and text[position + 2 : position + 3] in _DIGITS
        if is_digit or is_decimal or after in _AFTER_ORDINAL_ONE:
            return 1
        if before == after:
            return 5
    return 2 if tones[position + 1] == 4 else 4


def _third_tones_within(word: str, start: int, tones: list[int], is_word: Callable[[str], bool]) -> None:
    """Third tones in a word rise before a third tone, foot by foot: 223 in 展览|馆, 323 in 老|保管."""
    if len(word) == 2:
        feet = [start]
    elif len(word) == 3 and not is_word(word[:2]) and is_word(word[1:]):
        feet = [start + 1, start]
    else:
        feet = [*range(start, start + len(word) - 1, 2), *range(start + 1, start + len(word) - 1, 2)]
    for position in feet:
        if tones[position] == tones[position + 1] == 3:
            tones[position] = 2
