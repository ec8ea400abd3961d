"""Texts that nobody would write, and that somebody will send: the same ones for the same seed."""

from __future__ import annotations

import random
from collections.abc import Iterator

_LETTERS = (
    "abcdefghijklmnopqrstuvwxyz ABC XYZ", "你好世界欢迎致电客服中心〇", "0123456789.,-/:%$€£¥", "，。！？；：、（）《》“”‘’…—　",
    "!?.,;:()'\"-_*/\\|&@#+=<>~^°", "".join(map(chr, range(32))) + "\x7f\x85\u2028\u2029", "😀👨‍👩‍👧🇩🇪🏳️‍🌈", "שלוםمرحبا",
    "\u0300\u0301\u0489\u20dd\u200b\u200d\ufeff\u202e\u2066\u00ad", "\ud800\udfff\udc00", "ÀÉîõüßæøłđŋıĳǆﬁﬀ", "ⅣⅫ①②½¾²³㎏㏒℃№™",
    "\U00020000\U0002a6d6\u3400\ufa0e\uf900", "ΑΒΓабв日本カナ한국ไทย",
)  # fmt: skip
_WORDS = (
    "hello", "你好", "$", "100万", "3.5%", "1/2", "12:30", "2026-11-23", "10-20", "www.a.b/c", "a@b.c", "II", "XIV", "Dr.", "St.",
    "U.S.", "No. 5", "kg", "m²", "９９", "第一", "-5", "1e5", "..", "1.2.3.4", "'s", "it's", "GPU", "I", "A", "(", '"', "  ", "\n\n",
    "点", "年", "月", "日", "号", "元", "$100万", "3'4\"", "9-11点", "+86 138-0013-8000", "10:30pm", "1,000", "1999-2001", "THE END",
    "https://x.y/?a=1", "\x00", "\ud800",
)  # fmt: skip


def any_texts(seed: int, count: int, longest: int = 150) -> Iterator[str]:
    """Letters of all kinds in any order, words of all kinds in any order, any characters at all, and many of one kind."""
    drawn = random.Random(seed)
    for number in range(count):
        kind = number % 4
        if kind == 0:
            text = "".join(drawn.choice(drawn.choice(_LETTERS)) for _ in range(drawn.randrange(1, 60)))
        elif kind == 1:
            text = drawn.choice(["", " "]).join(drawn.choice(_WORDS) for _ in range(drawn.randrange(1, 14)))
        elif kind == 2:
            text = "".join(chr(drawn.randrange(0x110000)) for _ in range(drawn.randrange(1, 30)))
        else:
            letters = drawn.choice(_LETTERS)
            text = "".join(drawn.choice(letters) for _ in range(drawn.randrange(1, longest)))
        yield text[:longest]
