from __future__ import annotations

import pytest

from sovits.data.corpora.languages import spoken_code
from sovits.errors import SovitsError


@pytest.mark.parametrize(
    ("written", "code"),
    [("zh", "zh"), ("ZH", "zh"), ("zh-CN", "zh"), ("cmn_Hans", "zh"), ("En", "en"), ("en-US", "en"), ("English", "en"), ("mixed", "mixed")],
)
def test_languages_are_known_by_their_usual_names(written: str, code: str) -> None:
    assert spoken_code(f" {written} ") == code


def test_an_open_language_stays_open() -> None:
    assert spoken_code("auto") is None
    assert spoken_code("") is None


@pytest.mark.parametrize(("written", "name"), [("JP", "Japanese"), ("ja", "Japanese"), ("Ko", "Korean"), ("yue", "Cantonese")])
def test_a_language_that_is_not_spoken_is_named(written: str, name: str) -> None:
    with pytest.raises(SovitsError, match=rf"'{written}' \({name}\) is not spoken here; use one of en, zh, mixed, auto"):
        spoken_code(written)
    with pytest.raises(SovitsError, match="'klingon' is not spoken here"):
        spoken_code("klingon")
