from types import SimpleNamespace

import pytest
import torch

from sovits.errors import SovitsError
from sovits.training.guards import check_architecture, require_sane


def trainer(path: str = "") -> SimpleNamespace:
    return SimpleNamespace(checkpoint_callbacks=[SimpleNamespace(last_model_path=path)])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 2e6])
def test_a_bad_loss_names_step_clips_and_the_last_good_checkpoint(value: float) -> None:
    told = {"generator/total": torch.tensor(1.0), "generator/kl": torch.tensor(value)}
    with pytest.raises(SovitsError, match=r"generator/kl is .* at step 7 on the clips a/1, b/2 .*loss_limit=1e\+06.*resume=run/last.ckpt"):
        require_sane(told, 1e6, 7, ["a/1", "b/2"], trainer("run/last.ckpt"))
    with pytest.raises(SovitsError, match="no checkpoint was saved yet"):
        require_sane(told, 1e6, 7, ["a/1"], trainer())


def test_norms_may_be_large_but_must_be_numbers() -> None:
    require_sane({"generator/gradient_norm": torch.tensor(1e9), "generator/total": torch.tensor(9e5)}, 1e6, 1, ["a"], trainer())
    with pytest.raises(SovitsError, match="gradient_norm is nan"):
        require_sane({"generator/gradient_norm": torch.tensor(float("nan"))}, 1e6, 1, ["a"], trainer())


def test_another_architecture_is_told_part_by_part() -> None:
    own = {"synthesizer.flow.a": torch.zeros(2), "synthesizer.decoder.b": torch.zeros(3), "discriminators.c": torch.zeros(1)}
    check_architecture("x.ckpt", own, {name: value + 1 for name, value in own.items()})
    saved = {"synthesizer.flow.a": torch.zeros(4), "synthesizer.decoder.new": torch.zeros(3), "discriminators.c": torch.zeros(1)}
    with pytest.raises(SovitsError) as error:
        check_architecture("x.ckpt", saved, own)
    message = str(error.value)
    assert "synthesizer.flow (synthesizer.flow.a is [4] there and [2] here)" in message
    assert "synthesizer.decoder.b is only in this model" in message
    assert "synthesizer.decoder.new is only in the checkpoint" in message
    assert "discriminators" not in message
    assert "warm_start" in message
