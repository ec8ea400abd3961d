"""Text files that people wrote with any program: read as UTF-8, or refused with what they look like."""

from __future__ import annotations

import codecs
from itertools import pairwise
from pathlib import Path

from sovits.errors import SovitsError

_LOOKED_AT = 1 << 16
"""Bytes from which an encoding is guessed."""


def read_text(path: Path) -> str:
    """All of a UTF-8 file, without its byte order mark.

    Raises:
        SovitsError: it cannot be read, or is in another encoding; says which one it looks like.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SovitsError(f"{path} cannot be read ({error.strerror}); make it readable.") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _not_utf8(path, content) from error
    # UTF-16 of plain English is valid UTF-8 with a NUL after each letter.
    if "\0" in text:
        raise _not_utf8(path, content)
    return text


def lines(text: str) -> list[str]:
    """The lines of a table; ``str.splitlines`` would also cut at signs that may stand inside a sentence, such as U+2028."""
    return [line.removesuffix("\r") for line in text.split("\n")]


def _not_utf8(path: Path, content: bytes) -> SovitsError:
    return SovitsError(f"{path} is not UTF-8 text but looks like {_likely_encoding(content)}; save it as UTF-8.")


def _likely_encoding(content: bytes) -> str:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or content.count(0) > len(content) // 4:
        return "UTF-16"
    if 0 in content:
        return "no text at all"
    start = content[:_LOOKED_AT]
    high = [byte > 127 for byte in start]
    # A Chinese character is two high bytes, mostly; a Western accent stands alone among plain letters.
    if 2 * sum(a and b for a, b in pairwise(high)) >= sum(high):
        try:
            codecs.getincrementaldecoder("gb18030")().decode(start)
        except UnicodeDecodeError:
            pass
        else:
            return "GB18030 (Chinese)"
    return "Latin-1 or Windows-1252"
