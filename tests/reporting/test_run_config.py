"""What sets runs apart: the keys that somebody chose, not those that follow them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import setup_globals
from omegaconf import OmegaConf

from sovits.errors import SovitsError
from sovits.reporting.run_config import RunConfig, chosen_keys, differing_keys, shown_value, value_of
from tests.reporting.planted_runs import Planted


def config(folder: Path, *overrides: str, **changes: object) -> RunConfig:
    return RunConfig.read(Planted(overrides, evaluated=False, **changes).write(folder))  # type: ignore[arg-type]


def test_a_configuration_is_flat_and_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # As in `sovits report`, which is a Hydra application with a folder of its own.
    setup_globals()
    monkeypatch.setattr(HydraConfig.instance(), "cfg", OmegaConf.create({"hydra": {"runtime": {"output_dir": "reports"}}}))
    own = config(tmp_path / "a", "embedding_size=384", "seed=3")
    assert own.resolved["embedding_size"] == own.resolved["model.channels"] == 384
    assert own.raw["model.channels"] == "${embedding_size}"
    assert own.resolved["paths.run"] == "${hydra:runtime.output_dir}"
    assert (own.seed, own.resolved["data.seed"], own.speaker) == (3, 3, None)
    assert own.choices == {"decoder": "frame_rate"}


def test_only_what_was_chosen_differs(tmp_path: Path) -> None:
    one = config(tmp_path / "a", "seed=1", "embedding_size=384", "paths.outputs=elsewhere", "+logger.x=1", "data.num_workers=8")
    two = config(tmp_path / "b", "seed=2")
    assert differing_keys([one, two], []) == ["embedding_size"]
    assert chosen_keys([one, two], []) == ["embedding_size"]
    assert differing_keys([one, two], ["embedding_size"]) == []


def test_a_group_is_told_by_its_choice_and_by_what_it_holds(tmp_path: Path) -> None:
    one = config(tmp_path / "a", "decoder=hifigan", choices={"decoder": "hifigan"})
    two = config(tmp_path / "b")
    assert chosen_keys([one, two], []) == ["decoder"]
    assert set(differing_keys([one, two], [])) == {"model.decoder._target_", "model.decoder.rates"}


def test_a_group_of_several_options_is_told_by_what_was_said(tmp_path: Path) -> None:
    configs = []
    for name, options in (("a", "[joint,short]"), ("b", "[joint,short,ablation/x]")):
        folder = Planted(["training.steps=5", f"training.y={len(options)}"], evaluated=False).write(tmp_path / name)
        said = folder / ".hydra" / "overrides.yaml"
        said.write_text(f"- training.steps=5\n- experiment={options}\n- data.speakers=[a]\n")
        configs.append(RunConfig.read(folder))
    assert chosen_keys(configs, []) == ["experiment"]
    assert [value_of(one, "experiment") for one in configs] == ["[joint,short]", "[joint,short,ablation/x]"]


def test_who_judges_makes_no_setting(tmp_path: Path) -> None:
    one = config(
        tmp_path / "a",
        "judges@evaluation.judges=full",
        "+evaluation.seed=1",
        choices={"decoder": "frame_rate", "judges@evaluation.judges": "full"},
    )
    two = config(tmp_path / "b", choices={"decoder": "frame_rate", "judges@evaluation.judges": "quick"})
    assert chosen_keys([one, two], []) == differing_keys([one, two], []) == []


def test_one_and_true_are_not_the_same(tmp_path: Path) -> None:
    one, two = config(tmp_path / "a", "+a=true", "+b=1"), config(tmp_path / "b", "+a=1", "+b=1")
    assert differing_keys([one, two], []) == ["a"]


@pytest.mark.parametrize(
    ("overrides", "batches", "expected"),
    [
        ((), [0, 499], [1, 500]),
        (("training.rounds.accumulate=4",), [3, 399], [1, 100]),
        (("training.rounds.discriminator_ratio=2", "training.adversary_from=100"), [99, 101, 299], [100, 101, 200]),
        (("training.rounds.discriminator_ratio=0.5",), [9], [10]),
    ],
)
def test_batches_become_generator_steps(overrides: tuple[str, ...], batches: list[int], expected: list[int], tmp_path: Path) -> None:
    np.testing.assert_allclose(config(tmp_path / "a", *overrides).generator_steps(np.array(batches, dtype=float)), expected)


@pytest.mark.parametrize(
    ("value", "text"), [(None, "null"), (True, "true"), (5e-4, "0.0005"), ([1, "a"], "[1,a]"), ("x", "x"), (192, "192")]
)
def test_values_are_shown_as_commands_take_them(value: object, text: str) -> None:
    assert shown_value(value) == text


def test_a_missing_or_damaged_file_is_named(tmp_path: Path) -> None:
    run = Planted(evaluated=False).write(tmp_path / "a")
    (run / ".hydra" / "config.yaml").write_text("a: [1\nb: {", encoding="utf-8")
    with pytest.raises(SovitsError, match=r"config\.yaml is damaged"):
        RunConfig.read(run)
    (run / ".hydra" / "config.yaml").unlink()
    with pytest.raises(SovitsError, match=r"There is no .*config\.yaml"):
        RunConfig.read(run)
