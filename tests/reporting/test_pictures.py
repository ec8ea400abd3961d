"""Pictures: what their axes claim, against the spectrogram they show."""

from __future__ import annotations

import math
import warnings
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from sovits.audio.spectrogram import MelSpectrogram, log_compress
from sovits.reporting import fonts
from sovits.reporting.pictures import MelScale, alignment_figure, mel_figure, save_figure

SCALE = MelScale(22050, 512)


@pytest.fixture(autouse=True)
def _warnings_are_errors() -> None:
    # Of the drawing: a file that an earlier test left to the garbage collector is not this test's matter.
    warnings.simplefilter("error", UserWarning)


def saved(figure: Figure, path: Path) -> np.ndarray:
    import matplotlib.image

    save_figure(figure, path)
    return matplotlib.image.imread(path)


@pytest.mark.parametrize(("f_min", "f_max"), [(0.0, None), (50.0, 8000.0)])
def test_filter_centres_are_those_of_the_filter_bank(f_min: float, f_max: float | None) -> None:
    from torchaudio.functional import melscale_fbanks

    scale = MelScale(22050, 512, f_min, f_max)
    assert MelScale.of(MelSpectrogram(22050, 2048, 512, 80, f_min, f_max)).centres(80) == pytest.approx(scale.centres(80))
    # With very fine bins a triangular filter peaks at its centre.
    bank = melscale_fbanks(40001, f_min, f_max or 11025.0, 80, 22050, mel_scale="htk", norm=None)
    peaks = bank.argmax(0) * (11025.0 / 40000)
    np.testing.assert_allclose(scale.centres(80), peaks, atol=0.3)
    for index in (0, 17, 79):
        assert scale.band(float(scale.centres(80)[index]), 80) == pytest.approx(index, abs=1e-6)


@pytest.mark.parametrize("hertz", [440.0, 1000.0, 4000.0])
def test_a_tone_lies_at_its_tick_and_begins_on_time(hertz: float) -> None:
    time = np.arange(22050) / 22050
    tone = np.where(time >= 0.5, np.sin(2 * np.pi * hertz * time), 0.0)
    mel = log_compress(MelSpectrogram(22050, 2048, 512, 80)(torch.tensor(tone)[None]))[0]
    assert abs(int(mel[:, -10:].mean(1).argmax()) - SCALE.band(hertz, 80)) <= 1.0
    axis = mel_figure({"tone": mel}, SCALE).axes[0]
    image = axis.images[0]
    left, right, bottom, top = image.get_extent()
    assert (left, right) == (0.0, pytest.approx(mel.shape[1] * 512 / 22050))
    assert (bottom, top) == (-0.5, 79.5)
    labels = [label.get_text() for label in axis.get_yticklabels()]
    ticks = dict(zip(labels, axis.get_yticks(), strict=True))
    assert ticks["1000"] == pytest.approx(SCALE.band(1000, 80))
    assert "16000" not in ticks
    assert "0" not in ticks


def test_panels_share_one_colour_scale_and_one_scale_of_time(tmp_path: Path) -> None:
    quiet, loud = torch.full((80, 100), -3.0), torch.linspace(-4, 6, 80 * 50).reshape(80, 50)
    figure = mel_figure({"predicted": quiet, "target": loud, "synthesised from text": loud}, SCALE, "p225, step 500")
    panels = figure.axes[:3]
    assert [axis.get_title() for axis in panels] == ["predicted", "target", "synthesised from text"]
    assert len({axis.images[0].get_clim() for axis in panels}) == 1
    assert panels[0].images[0].get_clim()[1] == pytest.approx(6.0)
    figure.canvas.draw()
    seconds_per_inch = [axis.get_xlim()[1] / axis.get_window_extent().width for axis in panels]
    assert max(seconds_per_inch) / min(seconds_per_inch) < 1.05
    assert saved(figure, tmp_path / "a" / "mels.png").shape[2] == 4
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["mels.png"]


def test_silence_and_a_single_frame_can_be_drawn(tmp_path: Path) -> None:
    floor = torch.full((80, 1), math.log(1e-5))
    assert saved(mel_figure({"silence": floor}, SCALE), tmp_path / "silence.png").size
    with pytest.raises(ValueError, match="two axes"):
        mel_figure({"nothing": torch.zeros(80, 0)}, SCALE)


def test_the_alignment_names_its_phones(tmp_path: Path) -> None:
    path = np.zeros((4, 10))
    for phone, (begin, end) in enumerate([(0, 2), (2, 3), (3, 8), (8, 10)]):
        path[phone, begin:end] = 1
    figure = alignment_figure(path, ["h", "ə", " ", "tɕʰ"], SCALE, "Hello 你好", mel=torch.randn(80, 10))
    axis = figure.axes[-1]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["h", "ə", "␣", "tɕʰ"]
    assert axis.get_ylim() == (3.5, -0.5)
    assert axis.images[0].get_extent()[1] == pytest.approx(10 * 512 / 22050)
    edges = [line.get_xdata()[0] for line in figure.axes[0].lines]
    assert edges == pytest.approx([frame * 512 / 22050 for frame in (2, 3, 8)])
    assert saved(figure, tmp_path / "alignment.png").size
    with pytest.raises(ValueError, match="4 rows needs as many symbols, not 2"):
        alignment_figure(path, ["a", "b"], SCALE)


def test_a_long_text_still_fits(tmp_path: Path) -> None:
    figure = alignment_figure(np.eye(400), ["a"] * 400, SCALE)
    assert len(figure.axes[0].get_yticklabels()) <= 160
    assert saved(figure, tmp_path / "long.png").shape[0] < 2000


def test_chinese_is_drawn_or_romanized(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = "Hello，欢迎致电客服中心。"
    assert fonts.drawable("tɕʰ, ʐ̩ and ǎ") == "tɕʰ, ʐ̩ and ǎ"
    monkeypatch.setattr(fonts, "chinese_font", lambda: None)
    assert fonts.drawable(text) == "Hello, huān yíng zhì diàn kè fú zhōng xīn."
    assert fonts.drawable("a\U0010ffffb") == "a?b"
    assert saved(mel_figure({"目标": torch.randn(80, 20)}, SCALE, text), tmp_path / "zh.png").size
    monkeypatch.setattr(fonts, "chinese_font", lambda: "Noto Sans CJK SC")
    assert fonts.drawable(text) == text


def test_nothing_global_is_left_behind(tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    save_figure(mel_figure({"a": torch.randn(80, 20)}, SCALE), tmp_path / "a.png")
    assert dict(matplotlib.rcParams) == before
    import sys

    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()
