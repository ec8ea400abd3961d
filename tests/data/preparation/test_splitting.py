from __future__ import annotations

from dataclasses import replace

import pytest

from sovits.data.manifest import UNTOLD, Utterance
from sovits.data.preparation.splitting import split_by_content


def utterances(count: int, speaker: str = "ann") -> list[Utterance]:
    return [
        Utterance(f"{speaker}/{n:03d}", f"{n}.wav", speaker, "en", "hi", 0.0, 1.0, 1.0, "train", f"{n}.wav", "sidecar:a", f"{speaker}{n}")
        for n in range(count)
    ]


def splits(found: list[Utterance]) -> dict[str, str]:
    return {utterance.content_hash: utterance.split for utterance in found}


@pytest.mark.parametrize(("count", "validation", "test"), [(1, 0, 0), (2, 0, 0), (3, 1, 1), (22, 1, 1), (30, 2, 2), (100, 5, 5)])
def test_each_speaker_gives_its_share_and_at_least_one_of_three(count: int, validation: int, test: int) -> None:
    found = split_by_content([*utterances(count), *utterances(40, "bob")], 0.05, 0.05, 0)
    own = [utterance.split for utterance in found if utterance.speaker == "ann"]
    assert (own.count("val"), own.count("test"), len(own)) == (validation, test, count)
    assert [utterance.id for utterance in found] == sorted(utterance.id for utterance in found)


def test_order_and_names_do_not_matter_but_the_seed_does() -> None:
    first = splits(split_by_content(utterances(60), 0.1, 0.1, 0))
    renamed = [replace(utterance, id=f"ann/z{999 - index}") for index, utterance in enumerate(reversed(utterances(60)))]
    assert splits(split_by_content(renamed, 0.1, 0.1, 0)) == first
    assert splits(split_by_content(utterances(60), 0.1, 0.1, 1)) != first


def test_a_new_clip_moves_at_most_two_others() -> None:
    for count in range(20, 60):
        before = splits(split_by_content(utterances(count), 0.1, 0.1, 0))
        after = splits(split_by_content(utterances(count + 1), 0.1, 0.1, 0))
        moved = [name for name in before if before[name] != after[name]]
        assert len(moved) <= 2
        assert not any({before[name], after[name]} == {"val", "test"} for name in moved)


def test_what_has_no_text_trains_and_takes_nobody_s_place() -> None:
    untold = [
        replace(utterance, id=f"ann/u{n}", language=UNTOLD, text="", content_hash=f"u{n}") for n, utterance in enumerate(utterances(9))
    ]
    found = split_by_content([*utterances(30), *untold], 0.1, 0.1, 0)
    assert {utterance.split for utterance in found if not utterance.told} == {"train"}
    told = {utterance.id: utterance.split for utterance in found if utterance.told}
    assert told == {utterance.id: utterance.split for utterance in split_by_content(utterances(30), 0.1, 0.1, 0)}
