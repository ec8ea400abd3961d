from __future__ import annotations

import pytest

from sovits.data.corpora.names import checked_name
from sovits.errors import SovitsError


@pytest.mark.parametrize("name", ["p225", "19", "王小明", "Ann-Marie von_X 2.1", "नीला"])
def test_names_of_letters_of_any_script_are_kept(name: str) -> None:
    assert checked_name(name) == name


def test_letters_are_composed() -> None:
    assert checked_name("Jose\u0301") == "José"


@pytest.mark.parametrize("name", ["", ".", "..", ".a", " a", "a ", "a/b", "a\\b", "a:b", "O'Brien", "😀", "a\nb", "caf\udce9"])
def test_what_some_file_system_refuses_is_refused(name: str) -> None:
    with pytest.raises(SovitsError, match="cannot be a speaker's name: use letters, digits"):
        checked_name(name)


def test_a_name_too_long_for_a_file_is_refused() -> None:
    assert checked_name("王" * 66)
    with pytest.raises(SovitsError, match="it has more than 200 bytes"):
        checked_name("王" * 67)
