"""What tables and lists call the languages."""

from __future__ import annotations

from sovits.errors import SovitsError
from sovits.text.language import ENGLISH, MANDARIN, TEXT_LANGUAGES

_NAMES = {"en": ENGLISH, "eng": ENGLISH, "english": ENGLISH, "zh": MANDARIN, "cmn": MANDARIN, "chinese": MANDARIN, "mandarin": MANDARIN}
_UNKNOWN = ("", "auto")
_NOT_SPOKEN = {"ja": "Japanese", "jp": "Japanese", "ko": "Korean", "kr": "Korean", "yue": "Cantonese"}


def spoken_code(written: str) -> str | None:
    """The code of a language as a table writes it (``ZH``, ``en-US``, ``Chinese``); ``None`` where it leaves it open (``auto``).

    Raises:
        SovitsError: a language that is not spoken here.
    """
    name = written.strip().lower()
    if name in _UNKNOWN:
        return None
    if name in TEXT_LANGUAGES:
        return name
    first = name.replace("_", "-").split("-")[0]
    if first in _NAMES:
        return _NAMES[first]
    known = f" ({_NOT_SPOKEN[first]})" if first in _NOT_SPOKEN else ""
    raise SovitsError(f"language {written.strip()!r}{known} is not spoken here; use one of {', '.join(TEXT_LANGUAGES)}, auto.")
