"""Loss curves: what is read from the file and where it is drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sovits.errors import SovitsError
from sovits.reporting.loss_curves import loss_figure, read_curves, smoothed
from sovits.reporting.pictures import save_figure
from sovits.training.loggers import csv_logger


@pytest.fixture
def metrics(tmp_path: Path) -> Path:
    logger = csv_logger(str(tmp_path), flush_logs_every_n_steps=1)
    for step in range(100):
        losses = {"train/generator/mel": 2.0 / (step + 1), "train/generator/gradient_norm": 3.0}
        verdicts = {"train/discriminator/total": 0.5, "train/discriminator/real": 0.6, "train/discriminator/synthetic": 0.4}
        logger.log_metrics({**losses, **verdicts}, step)
        if step % 50 == 49:
            logger.log_metrics({"val/mel": 1.0, "val/speaker_similarity": 0.5, "val/speaker_similarity/p225": 0.5}, step)
    logger.finalize("success")
    return tmp_path / "csv" / "metrics.csv"


def test_sparse_columns_keep_their_steps(metrics: Path) -> None:
    curves = read_curves(metrics)
    assert "epoch" not in curves
    assert "step" not in curves
    steps, values = curves["train/generator/mel"]
    assert len(steps) == 100
    assert values[9] == pytest.approx(0.2)
    np.testing.assert_array_equal(curves["val/mel"][0], [49, 99])


def test_each_panel_shows_its_own(metrics: Path, tmp_path: Path) -> None:
    figure = loss_figure(metrics, "两个 players")
    shown = {axis.get_title(): axis for axis in figure.axes if axis.get_title()}
    assert list(shown) == ["Generator losses", "Discriminator", "Validation losses", "Validation speaker similarity"]
    assert shown["Generator losses"].get_yscale() == "log"
    assert shown["Discriminator"].get_yscale() == "linear"
    named = {heading: [text.get_text() for text in axis.get_legend().get_texts()] for heading, axis in shown.items()}
    assert named["Generator losses"] == ["mel"]
    assert named["Discriminator"] == ["verdict on real audio", "verdict on synthetic audio", "total", "a draw"]
    assert named["Validation speaker similarity"] == ["speaker similarity"]
    assert save_figure(figure, tmp_path / "losses.png").stat().st_size > 10_000


def test_smoothing_is_unbiased_at_its_beginning() -> None:
    np.testing.assert_allclose(smoothed(np.full(50, 3.0), 10), 3.0)
    values = np.random.default_rng(0).normal(size=40)
    keep = 1 - 1 / 8
    weights = keep ** np.arange(25, -1, -1)
    assert smoothed(values, 8)[25] == pytest.approx((weights * values[:26]).sum() / weights.sum())


def test_files_that_are_no_metrics_are_named(tmp_path: Path) -> None:
    with pytest.raises(SovitsError, match=r"no .*gone\.csv"):
        read_curves(tmp_path / "gone.csv")
    (tmp_path / "empty.csv").write_text("step,epoch\n")
    with pytest.raises(SovitsError, match="no row with a step"):
        read_curves(tmp_path / "empty.csv")
    (tmp_path / "other.csv").write_text("step,lr\n1,0.1\n")
    with pytest.raises(SovitsError, match="no column under train/generator"):
        loss_figure(tmp_path / "other.csv")
