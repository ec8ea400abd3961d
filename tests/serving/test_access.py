"""Keys that are nowhere in the clear, a limit for each, and no open door to other machines."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from sovits.errors import SovitsError
from sovits.serving.access import ApiKeys, RateLimit, is_loopback, new_key, require_keys


def test_a_new_key_is_known_by_its_hash_alone(tmp_path: Path) -> None:
    file = tmp_path / "secret" / "keys.txt"
    first, second = new_key("alice", file), new_key("bob", file)
    assert first != second
    assert len(first) > 40
    written = file.read_text()
    assert first not in written
    assert second not in written
    assert hashlib.sha256(first.encode()).hexdigest() in written
    assert file.stat().st_mode & 0o077 == 0
    keys = ApiKeys.load(file)
    assert (keys.name_of(first), keys.name_of(second)) == ("alice", "bob")
    for wrong in ("", first[:-1], first + "x", hashlib.sha256(first.encode()).hexdigest(), "\ud800"):
        assert keys.name_of(wrong) is None


def test_names_of_keys(tmp_path: Path) -> None:
    file = tmp_path / "keys.txt"
    new_key("alice", file)
    with pytest.raises(SovitsError, match="has a key of alice already"):
        new_key("alice", file)
    for name in ("", "two words", "a\nb", "x" * 65):
        with pytest.raises(SovitsError, match="is no name for a key"):
            new_key(name, file)
    assert len(file.read_text().splitlines()) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "holds no key"),
        ("# only a comment\n\n", "holds no key"),
        ("alice secret\n", "line 1 is not a new name"),
        (f"alice {'a' * 64}\nalice {'b' * 64}\n", "line 2 is not a new name"),
        (f"alice {'A' * 64}\n", "line 1"),
    ],
)
def test_files_that_are_no_list_of_keys(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "keys.txt").write_text(content)
    with pytest.raises(SovitsError, match=message):
        ApiKeys.load(tmp_path / "keys.txt")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SovitsError, match=r"api_keys=.*nowhere\.txt cannot be read"):
        ApiKeys.load(tmp_path / "nowhere.txt")


def test_each_key_has_a_limit_of_its_own() -> None:
    limit = RateLimit(3)
    assert [limit.admits("alice") for _ in range(5)] == [True, True, True, False, False]
    assert 1 <= limit.retry_after("alice") <= 60
    assert limit.admits("bob")
    free = RateLimit(None)
    assert all(free.admits("alice") for _ in range(1000))
    with pytest.raises(SovitsError, match="requests_per_minute=0"):
        RateLimit(0)


@pytest.mark.parametrize(
    ("host", "own"),
    [("127.0.0.1", True), ("127.5.0.1", True), ("::1", True), ("[::1]", True), ("localhost", True)]
    + [(host, False) for host in ("0.0.0.0", "::", "10.0.0.1", "localhost.evil.com", "127.0.0.1.nip.io", "", "example.com")],
)
def test_other_machines_need_keys(host: str, own: bool) -> None:
    assert is_loopback(host) == own
    if own:
        require_keys(host, None)
    else:
        with pytest.raises(SovitsError, match="so it needs keys"):
            require_keys(host, None)
        require_keys(host, ApiKeys({"alice": "a" * 64}))
