from __future__ import annotations

import hashlib
from pathlib import Path

from sovits.data.preparation.content_cache import ContentCache, content_key, file_hash


def test_values_come_back_and_damage_is_as_good_as_nothing(tmp_path: Path) -> None:
    cache = ContentCache(tmp_path / "deep" / "cache")
    assert cache.load("a") is None
    cache.save("a", {"text": "你好", "numbers": [1, 2.5, None]})
    assert cache.load("a") == {"text": "你好", "numbers": [1, 2.5, None]}
    cache.save("a", [1])
    assert cache.load("a") == [1]
    assert [path.name for path in cache.folder.iterdir()] == ["a.json"]
    for damage in (b"", b'{"text": "\xe4\xbd', b"{"):
        cache.path("a").write_bytes(damage)
        assert cache.load("a") is None


def test_a_key_depends_on_every_part_and_on_nothing_else() -> None:
    assert content_key({"a": 1, "b": 2}, "x") == content_key({"b": 2, "a": 1}, "x")
    keys = {content_key(), content_key("x"), content_key("x", "y"), content_key("xy"), content_key(["x", "y"]), content_key({"a": 1}, "x")}
    assert len(keys) == 6


def test_a_file_s_hash_is_sha_256(tmp_path: Path) -> None:
    path = tmp_path / "a"
    assert file_hash(path) is None
    path.write_bytes(b"abc" * 100000)
    assert file_hash(path) == hashlib.sha256(b"abc" * 100000).hexdigest()
