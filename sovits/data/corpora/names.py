"""What a speaker may be called."""

from __future__ import annotations

import unicodedata

from sovits.errors import SovitsError

_LONGEST = 200
"""Bytes of UTF-8: a folder's or a file's name may have 255, and endings are added to it."""


def checked_name(speaker: str) -> str:
    """``speaker`` in composed Unicode form (NFC), if it can name a file in any folder.

    Raises:
        SovitsError: it is empty, too long, starts with a dot or a space, ends in a space, or has other signs than letters, digits,
            ``_``, ``-``, ``.`` and spaces.
    """
    name = unicodedata.normalize("NFC", speaker)
    plain = all(unicodedata.category(sign)[0] in "LMN" or sign in "_-. " for sign in name)
    if not name or not plain or name[0] in ". " or name[-1] == " ":
        raise SovitsError(
            f"{speaker!r} cannot be a speaker's name: use letters, digits, '_', '-', '.' and spaces, and begin with none of '. '."
        )
    if len(name.encode()) > _LONGEST:
        raise SovitsError(f"{speaker[:20]!r}... cannot be a speaker's name: it has more than {_LONGEST} bytes; use a shorter one.")
    return name
