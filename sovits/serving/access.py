"""Who may ask, and how often."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import math
import re
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from sovits.errors import SovitsError

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_LINE = re.compile(rf"(?P<name>{_NAME.pattern})\s+(?P<hash>[0-9a-f]{{64}})")
_BYTES = 32
"""Of a new key: nobody guesses so many, so that a plain SHA-256 of it is as safe as a slow one."""


@dataclass(frozen=True)
class ApiKeys:
    """Names of those who may ask, with the SHA-256 of their keys; the keys themselves are nowhere."""

    hashes: dict[str, str]

    @classmethod
    def load(cls, path: Path | str) -> ApiKeys:
        """Reads a file of lines ``NAME SHA256``; empty lines and those that begin with ``#`` are passed over.

        Raises:
            SovitsError: no such file, a line of another form, a name twice, or no key at all.
        """
        try:
            lines = Path(path).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise SovitsError(f"api_keys={path} cannot be read ({error}); make it with `sovits serve new_key=NAME`.") from error
        hashes: dict[str, str] = {}
        for number, line in enumerate(lines, start=1):
            if not line.strip() or line.startswith("#"):
                continue
            if (match := _LINE.fullmatch(line.strip())) is None or match["name"] in hashes:
                raise SovitsError(f"api_keys={path}, line {number} is not a new name and a SHA-256 in 64 hexadecimal digits; mend it.")
            hashes[match["name"]] = match["hash"]
        if not hashes:
            raise SovitsError(f"api_keys={path} holds no key; add one with `sovits serve new_key=NAME api_keys={path}`.")
        return cls(hashes)

    def name_of(self, key: str) -> str | None:
        """Whose key it is; every hash is compared, each in the same time, whichever it is."""
        told = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
        found = None
        for name, own in self.hashes.items():
            if hmac.compare_digest(told, own):
                found = name
        return found


def new_key(name: str, path: Path | str) -> str:
    """Adds a key to the file, which keeps its hash alone, and returns it.

    Raises:
        SovitsError: a name that is taken or cannot stand in the file.
    """
    path = Path(path)
    if _NAME.fullmatch(name) is None:
        raise SovitsError(f"new_key={name} is no name for a key; use up to 64 letters, digits, '_', '.' and '-'.")
    if path.exists() and path.stat().st_size and name in ApiKeys.load(path).hashes:
        raise SovitsError(f"api_keys={path} has a key of {name} already; remove its line first, or choose another name.")
    key = f"sk-{secrets.token_urlsafe(_BYTES)}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{name} {hashlib.sha256(key.encode()).hexdigest()}\n")
    return key


class RateLimit:
    """Requests of each key in any minute.

    Args:
        per_minute: None for no limit.
    """

    def __init__(self, per_minute: int | None) -> None:
        if per_minute is not None and per_minute < 1:
            raise SovitsError(f"requests_per_minute={per_minute} lets nobody in; give 1 or more, or null for no limit.")
        self._limit = None if per_minute is None else RateLimitItemPerMinute(per_minute)
        self._window = MovingWindowRateLimiter(MemoryStorage())

    def admits(self, name: str) -> bool:
        """Whether one more is within the limit; it counts then."""
        return self._limit is None or self._window.hit(self._limit, name)

    def retry_after(self, name: str) -> int:
        """Seconds until the next one is admitted."""
        if self._limit is None:
            return 0
        return max(1, math.ceil(self._window.get_window_stats(self._limit, name).reset_time - time.time()))


def require_keys(host: str, keys: ApiKeys | None) -> None:
    """Raises a ``SovitsError`` where others than this machine could ask without a key."""
    if keys is None and not is_loopback(host):
        raise SovitsError(
            f"host={host} lets others than this machine ask, so it needs keys: make one with `sovits serve new_key=NAME api_keys=FILE` and "
            "add api_keys=FILE, or take host=127.0.0.1."
        )


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
