"""The bundled demo speakers: sentences spoken by espeak-ng, so that everything runs on a machine that holds no recordings.

``alice`` speaks American English, ``bruno`` British English, ``mei`` Mandarin and sentences that mix Mandarin and English.
Nothing is random: the same sentences give the same bytes in every run on one platform.
"""

from __future__ import annotations

import ctypes
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sovits.audio.waveform import write_waveform
from sovits.data.demo_sentences import ALICE, BRUNO, MEI, MEI_MIXED
from sovits.errors import SovitsError

_SampleCallback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
# Numbers of espeak-ng's C interface (speak_lib.h).
_RETRIEVAL, _UTF8, _CHARACTER_POSITION = 2, 1, 1
_RATE, _PITCH, _RANGE = 1, 3, 4
_SEED = 1


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
    with _espeak() as (espeak, sample_rate):
        for number, start in enumerate(range(0, len(sentences), step), start=1):
            spoken = sentences[start : start + step]
            parts = [np.zeros(round(EDGE_PAUSE * sample_rate), np.float32)]
            for sentence in spoken:
                parts += [_speak(espeak, speaker, sentence), np.zeros(round(SENTENCE_PAUSE * sample_rate), np.float32)]
            parts[-1] = parts[0]
            path = folder / f"{speaker.name}_{number:02d}.wav"
            write_waveform(path, np.concatenate(parts), sample_rate)
            path.with_suffix(".txt").write_text(" ".join(spoken) + "\n", encoding="utf-8")
            written.add(path.stem)
    for path in folder.glob(f"{speaker.name}_[0-9][0-9].*"):
        if path.stem not in written:
            path.unlink()  # of an earlier, longer demo


@contextmanager
def _espeak() -> Iterator[tuple[Any, int]]:
    """A copy of espeak-ng's library of its own, and its sample rate in Hz.

    The library keeps the state of its voice between calls, and re-initialising does not clear it. Loaded from a new file, it starts
    anew: a speaker then sounds the same whoever spoke before, here or in the text front end.
    """
    try:
        import espeakng_loader
    except ImportError as error:
        raise SovitsError('The demo speakers need espeak-ng; `pip install "sovits[espeak]"`, or give recordings=DIR.') from error
    source = Path(espeakng_loader.get_library_path())
    # A loaded library cannot be deleted on every system.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        library: Any = ctypes.CDLL(str(shutil.copy(source, folder)))
        sample_rate = library.espeak_Initialize(_RETRIEVAL, 0, espeakng_loader.get_data_path().encode(), 0)
        if sample_rate <= 0:
            raise SovitsError(f"espeak-ng could not read its data at {espeakng_loader.get_data_path()}; reinstall espeakng-loader.")
        # Some voices flutter at random, seeded with the time of day.
        library.espeak_ng_SetRandSeed(_SEED)
        try:
            yield library, sample_rate
        finally:
            library.espeak_Terminate()


def _speak(espeak: Any, speaker: DemoSpeaker, sentence: str) -> np.ndarray:
    """``sentence`` in the speaker's voice, float32 [T_samples] at espeak-ng's rate, without its silent edges."""
    chunks: list[np.ndarray] = []

    @_SampleCallback
    def collect(samples: Any, count: int, _events: Any) -> int:
        if count > 0:
            chunks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    espeak.espeak_SetSynthCallback(collect)
    if espeak.espeak_SetVoiceByName(speaker.voice.encode()) != 0:
        raise SovitsError(f"espeak-ng has no voice {speaker.voice}; reinstall espeakng-loader 0.2.4 or newer.")
    for parameter, value in ((_RATE, speaker.rate), (_PITCH, speaker.pitch), (_RANGE, speaker.pitch_range)):
        espeak.espeak_SetParameter(parameter, value, 0)
    text = sentence.encode()
    espeak.espeak_Synth(text, len(text) + 1, 0, _CHARACTER_POSITION, 0, _UTF8, None, None)
    espeak.espeak_Synchronize()
    samples = np.concatenate(chunks).astype(np.float32) / 32768
    loud = np.flatnonzero(np.abs(samples) > 1e-3)
    return samples[loud[0] : loud[-1] + 1]
