from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import soundfile

from sovits.audio.waveform import write_waveform
from sovits.audio.waveform_file import WaveformFile
from sovits.data.preparation.sections import Section, hear, without_offset
from sovits.data.preparation.vad import VAD_RATE, Stretch

RATE = 8000


class LoudParts:
    """Hears whatever is not silent, in steps of 0.1 s."""

    settings: ClassVar[dict[str, float]] = {}

    def __call__(self, samples: np.ndarray) -> list[Stretch]:
        step = VAD_RATE // 10
        loud = [bool(np.abs(samples[at : at + step]).mean() > 1e-3) for at in range(0, len(samples), step)]
        edges = np.flatnonzero(np.diff([False, *loud, False]))
        return [Stretch(start / 10, min(end / 10, len(samples) / VAD_RATE)) for start, end in zip(edges[::2], edges[1::2], strict=True)]


def recording(path: Path, parts: Sequence[tuple[float, float]]) -> Path:
    """Noise and silence in turn, of so many seconds each."""
    rng = np.random.default_rng(0)
    pieces = [piece for loud, silent in parts for piece in (0.3 * rng.standard_normal(round(loud * RATE)), np.zeros(round(silent * RATE)))]
    return write_waveform(path, np.concatenate(pieces), RATE)


def sections(path: Path, seconds: float) -> list[Section]:
    with WaveformFile(path) as file:
        return list(hear(file, LoudParts(), -23.0, seconds))  # type: ignore[arg-type]


def test_a_short_recording_is_one_section(tmp_path: Path) -> None:
    (section,) = sections(recording(tmp_path / "a.wav", [(1.0, 0.5), (2.0, 0.5)]), 300)
    assert (section.start, section.end, section.ends_in_speech) == (0.0, 4.0, False)
    assert section.stretches == (Stretch(0.0, 1.0), Stretch(1.5, 3.5))
    assert len(section.heard) == 4 * VAD_RATE


def test_sections_end_in_the_longest_late_pause_and_make_up_the_whole(tmp_path: Path) -> None:
    # Pauses at 4.0-4.5, 8.5-8.7, 9.0-9.8, 15.8-16.2, 19.2-19.6 and 21.6-21.8 s. Only what lies within the section counts.
    path = recording(tmp_path / "a.wav", [(4.0, 0.5), (4.0, 0.2), (0.3, 0.8), (6.0, 0.4), (3.0, 0.4), (2.0, 0.2), (1.0, 0.0)])
    found = sections(path, 10)
    assert [section.end for section in found] == [pytest.approx(9.4), pytest.approx(19.3), pytest.approx(22.8)]
    assert found[0].start == 0
    for left, right in pairwise(found):
        assert left.end == right.start
        assert right.end - right.start <= 10
    # The same speech as in one piece.
    whole = sections(path, 300)[0].stretches
    pieces = [(s.start + section.start, s.end + section.start) for section in found for s in section.stretches]
    assert pieces == [(pytest.approx(s.start, abs=0.1), pytest.approx(s.end, abs=0.1)) for s in whole]
    assert not any(section.ends_in_speech for section in found)


def test_endless_speech_is_cut_all_the_same_and_said_to_be(tmp_path: Path) -> None:
    found = sections(recording(tmp_path / "a.wav", [(25.0, 0.0)]), 10)
    assert [(section.start, section.end, section.ends_in_speech) for section in found] == [(0, 10, True), (10, 20, True), (20, 25, False)]


def test_a_constant_offset_is_measured_and_taken_out(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    tone = 0.2 * np.sin(2 * np.pi * 200 * np.arange(2 * RATE) / RATE)
    soundfile.write(path, tone + 0.1, RATE)
    (section,) = sections(path, 300)
    assert section.offset == pytest.approx(0.1, abs=1e-3)
    assert abs(section.heard.mean()) < 1e-3
    np.testing.assert_allclose(without_offset(tone + 0.1, 0.1), tone, atol=1e-6)
    assert without_offset(tone, 0.001) is tone


def test_a_file_cut_short_is_told_however_far_in(tmp_path: Path) -> None:
    path = write_waveform(tmp_path / "a.flac", np.random.default_rng(0).standard_normal(30 * RATE) * 0.1, RATE)
    path.write_bytes(path.read_bytes()[:-20000])
    with pytest.raises(Exception, match="cut short|damaged"):
        sections(path, 10)
