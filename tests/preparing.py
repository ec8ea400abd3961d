"""Preparing a set in a test: everything real, but for what the test replaces."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sovits.data.corpora.folders import Folders
from sovits.data.preparation.preparation import Preparation
from sovits.data.preparation.report import PreparationReport
from sovits.data.preparation.segmentation import Segmenter
from sovits.data.preparation.vad import VoiceActivityDetector
from sovits.data.quality.gate import Gate
from sovits.data.quality.signal import SignalJudge


def preparation(**options: object) -> Preparation:
    """One that keeps whatever can be cut, in one thread, unless ``options`` say otherwise."""
    parts = {"detector": VoiceActivityDetector(), "segmenter": Segmenter(), "judge": SignalJudge(mos=False), "gate": Gate()}
    limits = {"sample_rate": 22050, "min_speaker_seconds": 2.0, "advised_speaker_seconds": 12.0, "workers": 1}
    return Preparation(**parts | limits | options)  # type: ignore[arg-type]


def prepare(recordings: Path, output: Path, **options: object) -> PreparationReport:
    """Prepares folders of recordings and returns the report."""
    prepared = preparation(**options).run(Folders(recordings).find(), output)
    assert prepared is not None
    return prepared.report


def names(path: Path) -> Iterator[str]:
    """Every file below ``path``."""
    return (found.relative_to(path).as_posix() for found in sorted(path.rglob("*")) if found.is_file())
