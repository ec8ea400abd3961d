"""What is not the same in two runs."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sovits.errors import SovitsError
from sovits.runs import differences
from sovits.runs.differences import Difference, distance, final_figures, made_from, settings
from sovits.runs.record import RunRecord

TIME = "2026-01-01T00:00:00+00:00"
RECORD = RunRecord(
    "finished", None, TIME, TIME, 1, [], commit="abc", versions={"torch": "2.11", "numpy": "2"}, hardware={"cpu": "x", "threads": 1},
    data={"root": "/a", "fingerprint": "f", "clips": {"ana": 3}, "seconds": {"ana": 3.1}},
)  # fmt: skip


def test_code_packages_machine_and_data_are_compared() -> None:
    here = replace(
        RECORD, commit="abc+", versions={"torch": "2.12", "numpy": "2", "scipy": "1"}, hardware={"cpu": "x", "threads": 2},
        data={**RECORD.data, "root": "/b", "fingerprint": "g"},
    )  # fmt: skip
    assert [str(difference) for difference in made_from(RECORD, here)] == [
        "commit: abc there, abc+ here", "torch: 2.11 there, 2.12 here", "scipy: (none) there, 1 here", "hardware threads: 1 there, 2 here",
        "data fingerprint: f there, g here",
    ]  # fmt: skip
    assert made_from(RECORD, replace(RECORD, data={**RECORD.data, "root": "/b"}, started="later", attempts=3)) == []


def test_a_run_that_failed_before_its_data_says_nothing_about_them() -> None:
    assert made_from(replace(RECORD, data={}), RECORD) == []


def test_settings_differ_by_key_but_not_by_place() -> None:
    there = {"seed": 0, "model": {"flow": {"n_steps": 4}, "old": {}}, "paths": {"run": "a"}, "reproduces": None, "data": {"root": "x"}}
    here = {"seed": 0, "model": {"flow": {"n_steps": 2}, "old": None}, "paths": {"run": "b"}, "reproduces": "r", "data": {"root": "y"}}
    assert settings(there, here) == [Difference("model.flow.n_steps", 4, 2), Difference("model.old", {}, None)]
    assert str(settings({}, {"new": 1})[0]) == "new: (none) there, 1 here"


def test_the_last_figure_of_each_column_counts(tmp_path: Path) -> None:
    (tmp_path / "csv" / "resumed_1").mkdir(parents=True)
    header = "epoch,step,train/mel,val/mel,val/kl\n"
    (tmp_path / "csv" / "metrics.csv").write_text(header + "0,0,9,,\n0,1,,3.5,2\n0,2,8,,\n0,3,,3.25,\n")
    (tmp_path / "csv" / "resumed_1" / "metrics.csv").write_text(header + "0,5,,1.0000000001,\n")
    (tmp_path / "evaluation").mkdir()
    heard = 'id,speaker,zero_shot,language,text,seconds,real_time_factor,mos,wer\nana/1,ana,False,en,"Hi, there",1.5,0.31,3.2,\n'
    (tmp_path / "evaluation" / "metrics.csv").write_text(heard, encoding="utf-8")
    assert final_figures(tmp_path) == {"val/mel": "1.0000000001", "val/kl": "2", "ana/1 seconds": "1.5", "ana/1 mos": "3.2"}
    assert final_figures(tmp_path / "nothing") == {}


def test_a_table_that_was_cut_off_is_told(tmp_path: Path) -> None:
    (tmp_path / "csv").mkdir()
    (tmp_path / "csv" / "metrics.csv").write_text("epoch,step,val/mel\n0,1,3.5\n0,")
    with pytest.raises(SovitsError, match=r"metrics\.csv, line 3 has not as many cells"):
        final_figures(tmp_path)


def test_figures_are_compared_to_the_last_digit() -> None:
    told = differences.figures({"a": "1.0", "b": "2.0", "c": "3.0"}, {"a": "1.0", "b": "2.25", "d": "1"})
    assert [difference.what for difference in told] == ["b", "c", "d"]
    assert [distance(difference) for difference in told] == [0.25, None, None]


def test_weights_are_compared_bit_by_bit(tmp_path: Path) -> None:
    first = {"a": torch.zeros(2), "b": torch.tensor([1.0, math.nan]), "c": torch.ones(3), "n": torch.tensor(4)}
    other = {"a": torch.tensor([0.0, -0.0]), "b": first["b"].clone(), "c": torch.tensor([1.0, 1.0, 1.5]), "n": torch.tensor(4)}
    states = {"first": first, "other": other, "less": {"c": torch.ones(4)}}
    saved = {name: checkpoint(tmp_path / f"{name}.ckpt", state) for name, state in states.items()}
    same = differences.weights(saved["first"], saved["first"])
    assert (same.equal, same.compared, same.largest) == (True, 4, None)
    told = differences.weights(saved["first"], saved["other"])
    # Minus zero is another bit pattern of the same number.
    assert (told.equal, told.compared, told.different, told.largest, told.where) == (False, 4, 2, 0.5, "c")
    assert differences.weights(saved["first"], saved["less"]).only_in_one == ["a", "b", "c", "n"]
    assert not differences.weights(saved["first"], saved["less"]).equal


def checkpoint(path: Path, state: dict[str, torch.Tensor]) -> Path:
    model = {"_target_": "sovits.modules.Synthesizer"}
    config = {"model": model, "text": {}, "mel_spectrogram": {}, "posterior_spectrogram": {}}
    carried = {"format": 2, "config": config, "speakers": ["ana"], "speaker_bank": {}, "generator_step": 1}
    torch.save({"state_dict": state, "sovits": carried}, path)
    return path
