"""Which runs are one setting, and which must not be compared."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sovits.errors import SovitsError
from sovits.reporting.run_finding import find_runs
from sovits.reporting.run_settings import Settings, group_runs, require_comparable
from tests.reporting.planted_runs import FIGURES, Planted


def grouped(folder: Path, runs: Sequence[Planted], ignored: Sequence[str] = ()) -> Settings:
    for number, run in enumerate(runs):
        run.write(folder / str(number))
    return group_runs(find_runs([str(folder)], False).runs, ignored)


def planted(*overrides: str, **changes: Any) -> Planted:
    return Planted(overrides, sound=False, **changes)


def shift(amount: float) -> dict[str, Any]:
    return {"figure": lambda _, clip: amount + clip}


def test_seeds_of_one_setting_go_together(tmp_path: Path) -> None:
    runs = [planted(f"embedding_size={size}", f"seed={seed}", **shift(seed)) for size in (192, 384) for seed in (0, 1)]
    settings = grouped(tmp_path, runs).settings
    assert [setting.label for setting in settings] == ["embedding_size=192", "embedding_size=384"]
    assert [setting.key for setting in settings] == ["A", "B"]
    assert [setting.seeds for setting in settings] == [["0", "1"]] * 2
    assert settings[0].minutes == 4.0
    assert require_comparable(settings, False) == ("ana/0", "ana/1", "ana/2", "bo x/0", "bo x/1")
    np.testing.assert_allclose(settings[0].values_of("mos", ["ana/1", "bo x/0"]), [[1, 3], [2, 4]])
    assert np.isnan(settings[0].values_of("nothing", ["ana/1"])).all()


def test_the_default_written_out_is_no_other_setting(tmp_path: Path) -> None:
    settings = grouped(
        tmp_path, [planted("embedding_size=256", "seed=1"), planted("seed=2", **shift(1)), planted("embedding_size=512")]
    ).settings
    assert [(setting.label, len(setting.replicates)) for setting in settings] == [("embedding_size=256", 2), ("embedding_size=512", 1)]


def test_labels_use_more_keys_where_the_chosen_ones_do_not_tell_settings_apart(tmp_path: Path) -> None:
    runs = [planted("decoder=x", choices={"decoder": "x"}), planted("decoder=x", choices={"decoder": "x"}, steps=50), planted()]
    settings = grouped(tmp_path, runs).settings
    assert [setting.label for setting in settings] == [
        "decoder=x, training.steps=1000", "decoder=x, training.steps=50", "decoder=frame_rate, training.steps=1000",
    ]  # fmt: skip
    assert len({setting.label for setting in settings}) == 3


def test_ignored_keys_make_no_setting(tmp_path: Path) -> None:
    runs = [planted("training.steps=10", "seed=1"), planted("training.steps=20", "seed=2", **shift(1))]
    assert len(grouped(tmp_path, runs, ["training.steps"]).settings) == 1


def test_a_model_for_each_speaker_is_one_setting_beside_the_joint_model(tmp_path: Path) -> None:
    alone = [
        planted(
            "experiment=per_speaker",
            f"data.speaker={speaker}",
            f"seed={seed}",
            "+data.single_speaker=true",
            speakers={speaker: 2},
            minutes=3,
        )
        for seed in (0, 1)
        for speaker in ("ana", "bo")
    ]
    joint = [planted("experiment=joint", "+data.single_speaker=false", f"seed={seed}", speakers={"ana": 2, "bo": 2}) for seed in (0, 1)]
    settings = grouped(tmp_path, [*joint, *alone]).settings
    assert len(settings) == 2
    assert [[len(replicate) for replicate in setting.replicates] for setting in settings] == [[1, 1], [2, 2]]
    assert settings[1].values["data.speaker"] == "each alone"
    assert settings[1].minutes == 6.0
    assert require_comparable(settings, False) == ("ana/0", "ana/1", "bo/0", "bo/1")
    assert np.isfinite(settings[1].values_of("mos", ["ana/0", "bo/1"])).all()


def test_a_missing_speaker_s_model_is_a_gap_that_is_refused(tmp_path: Path) -> None:
    alone = [planted(f"data.speaker={one}", f"seed={seed}", speakers={one: 2}) for seed, one in ((0, "ana"), (0, "bo"), (1, "ana"))]
    settings = grouped(tmp_path, alone).settings
    with pytest.raises(SovitsError, match=r"seed 1 \(2\), was not judged on 2 test sentences .*\(bo/0, bo/1\).*common_sentences=true"):
        require_comparable(settings, False)
    assert require_comparable(settings, True) == ("ana/0", "ana/1")


def test_speakers_judged_on_the_same_sentences_are_settings_of_their_own(tmp_path: Path) -> None:
    runs = [planted(f"data.speaker={speaker}", speakers={"guest": 2}) for speaker in ("ana", "bo")]
    assert [setting.label for setting in grouped(tmp_path, runs).settings] == ["data.speaker=ana", "data.speaker=bo"]


def test_an_exact_repetition_counts_once_and_is_told(tmp_path: Path) -> None:
    settings = grouped(tmp_path, [planted("seed=1"), planted("seed=1"), planted("seed=1", **shift(5))])
    assert [len(setting.replicates) for setting in settings.settings] == [2]
    assert [(one.run, one.status) for one in settings.left_out] == [("1", "a repetition")]
    assert "repeats 0" in settings.left_out[0].reason


def judges(**settings: Any) -> dict[str, Any]:
    return {"judges": {**{name: {"encoder": "x"} for name in FIGURES}, **settings}}


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"summary": {"split": "val"}}, "0 and 1 cannot be compared: one was judged on the split test, the other on val"),
        ({"data": {"root": "sets/b", "fingerprint": "f2"}}, "two prepared sets, .*/outputs/prepared/set and .*/sets/b"),
        ({"data": {"root": "sets/b"}}, "two prepared sets"),
        ({"summary": judges(mos={"encoder": "y"})}, "the judge's mos.encoder is 'x' in one and 'y' in the other"),
        ({"summary": judges(mos={"encoder": "x", "seconds": 9})}, "mos.seconds is None in one and 9"),
        ({"speakers": {"ana": 3, "bo x": 1}}, r"different test sentences: 1 of 0 are not in the other \(bo x/1\)"),
        ({"texts": ("Another",)}, "the test sentence ana/0 is 'And one more.' in one and 'Another' in the other"),
    ],
)
def test_what_cannot_be_compared_says_what_differs(other: dict[str, Any], message: str, tmp_path: Path) -> None:
    settings = grouped(tmp_path, [planted(), planted("embedding_size=512", **other)]).settings
    with pytest.raises(SovitsError, match=message):
        require_comparable(settings, False)


def test_the_same_set_in_another_place_is_the_same_set(tmp_path: Path) -> None:
    moved = planted("embedding_size=512", data={"root": "/elsewhere/set", "fingerprint": "f1"})
    full = planted("embedding_size=384", data={"root": str(Path("outputs/prepared/set").resolve()), "fingerprint": "f3"})
    less = planted("embedding_size=192", data={"root": "outputs/prepared/set", "fingerprint": "less data, same set"})
    settings = grouped(tmp_path, [planted(), moved, less, full]).settings
    assert len(require_comparable(settings, False)) == 5


def test_common_sentences_are_compared_on_wish(tmp_path: Path) -> None:
    settings = grouped(tmp_path, [planted(), planted("embedding_size=512", speakers={"ana": 3, "bo x": 1})]).settings
    assert require_comparable(settings, True) == ("ana/0", "ana/1", "ana/2", "bo x/0")
    apart = grouped(tmp_path / "apart", [planted(speakers={"ana": 1}), planted("embedding_size=512", speakers={"cy": 1})]).settings
    with pytest.raises(SovitsError, match="no test sentence in common"):
        require_comparable(apart, True)
