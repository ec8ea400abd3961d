"""The bundled demo speakers: sentences spoken by espeak-ng, so that everything runs on a machine that holds no recordings.

``alice`` speaks American English, ``bruno`` British English, ``mei`` Mandarin and sentences that mix Mandarin and English.
Nothing is random: the same sentences give the same bytes in every run on one platform.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sovits.audio.waveform import write_waveform
from sovits.data.demo_sentences import ALICE, BRUNO, MEI, MEI_MIXED
from sovits.data.espeak import Espeak, open_espeak
from sovits.errors import SovitsError


@dataclass(frozen=True)
class DemoSpeaker:
    """A voice of espeak-ng and what it says."""

    name: str
    voice: str
    """espeak-ng's language and, after ``+``, its variant; ``cmn`` reads Latin letters as English."""
    pitch: int
    """0-100, espeak-ng's scale; 50 is the voice's own."""
    pitch_range: int
    """0-100; 50 is the voice's own."""
    rate: int
    """Words a minute."""
    sentences: tuple[str, ...]
    sentences_per_recording: int = 1


SPEAKERS = (
    DemoSpeaker("alice", "en-us+f5", pitch=55, pitch_range=60, rate=150, sentences=ALICE),
    # Four sentences a recording, longer than an utterance may be: the demo also shows the cutting at pauses.
    DemoSpeaker("bruno", "en+m3", pitch=34, pitch_range=45, rate=165, sentences=BRUNO, sentences_per_recording=4),
    DemoSpeaker("mei", "cmn+f4", pitch=60, pitch_range=65, rate=215, sentences=MEI + MEI_MIXED),
)
EDGE_PAUSE = 0.25
"""Seconds of silence before and after a recording's speech."""
SENTENCE_PAUSE = 0.9
"""Seconds of silence between two sentences of one recording."""


def generate_demo(root: Path, *, speakers: Sequence[str] | None = None, sentences: int | None = None) -> Path:
    """Writes ``root/<speaker>/<speaker>_<number>.wav`` and a ``.txt`` beside each, and returns ``root``.

    Args:
        root: folder to write to; what an earlier demo wrote there is replaced.
        speakers: some of ``alice``, ``bruno``, ``mei``; all by default.
        sentences: only the first so many of each speaker, for a smaller set.

    Raises:
        SovitsError: espeak-ng is not installed, or ``speakers`` names another one.
    """
    known = {speaker.name: speaker for speaker in SPEAKERS}
    if unknown := sorted(set(speakers or ()) - known.keys()):
        raise SovitsError(f"There is no demo speaker {', '.join(unknown)}; the demo has {', '.join(known)}.")
    for name in speakers if speakers is not None else known:
        _record(known[name], root / name, sentences)
    return root


def _record(speaker: DemoSpeaker, folder: Path, limit: int | None) -> None:
    sentences, step = speaker.sentences[:limit], speaker.sentences_per_recording
    written = set()
    with open_espeak() as espeak:
        for number, start in enumerate(range(0, len(sentences), step), start=1):
            spoken = sentences[start : start + step]
            parts = [np.zeros(round(EDGE_PAUSE * espeak.sample_rate), np.float32)]
            for sentence in spoken:
                parts += [_speak(espeak, speaker, sentence), np.zeros(round(SENTENCE_PAUSE * espeak.sample_rate), np.float32)]
            parts[-1] = parts[0]
            path = folder / f"{speaker.name}_{number:02d}.wav"
            write_waveform(path, np.concatenate(parts), espeak.sample_rate)
            path.with_suffix(".txt").write_text(" ".join(spoken) + "\n", encoding="utf-8")
            written.add(path.stem)
    for path in folder.glob(f"{speaker.name}_[0-9][0-9].*"):
        if path.stem not in written:
            path.unlink()  # of an earlier, longer demo


def _speak(espeak: Espeak, speaker: DemoSpeaker, sentence: str) -> np.ndarray:
    speech = espeak.speak(sentence, speaker.voice, rate=speaker.rate, pitch=speaker.pitch, pitch_range=speaker.pitch_range)
    return speech.samples
