"""The clips of a set with the frames of their phones, aligned once and kept beside the set."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from sovits.data.clips import Clip
from sovits.data.dataset import as_float
from sovits.data.phone_alignment import Cepstra, PhoneAligner, Spoken
from sovits.data.waveform_store import WaveformStore

FOLDER = Path("cache") / "alignments"


def with_durations(
    clips: Mapping[str, Sequence[Clip]], store: WaveformStore, root: Path, *, sample_rate: int, hop_length: int
) -> dict[str, list[Clip]]:
    """The clips of every split with their durations; those without a text have all their frames under the one phone in its place.

    All splits are aligned together, as no text encoder learns from that: it is what a recogniser would say of the recordings.
    """
    told = [clip for own in clips.values() for clip in own if clip.utterance.told]
    path = root / FOLDER / f"{_key(told, sample_rate, hop_length)}.npz"
    durations = _kept(path, told)
    if durations is None:
        durations = _aligned(told, store, sample_rate, hop_length)
        _keep(path, durations)
    known = dict(zip((clip.utterance.id for clip in told), durations, strict=True))
    return {
        split: [replace(clip, durations=known.get(clip.utterance.id, np.array([clip.frames]))) for clip in own]
        for split, own in clips.items()
    }


def _aligned(clips: Sequence[Clip], store: WaveformStore, sample_rate: int, hop_length: int) -> list[np.ndarray]:
    cepstra = Cepstra(sample_rate, hop_length)
    spoken = [
        Spoken(cepstra(as_float(store.read(clip.utterance)[: clip.frames * hop_length])), np.array(clip.text.phones)) for clip in clips
    ]
    return PhoneAligner(1 + max(int(clip.units.max()) for clip in spoken)).align(spoken) if spoken else []


def _key(clips: Sequence[Clip], sample_rate: int, hop_length: int) -> str:
    facts = [[clip.utterance.content_hash, clip.frames, clip.text.phones] for clip in clips]
    return hashlib.sha256(repr([sample_rate, hop_length, facts]).encode()).hexdigest()[:32]


def _kept(path: Path, clips: Sequence[Clip]) -> list[np.ndarray] | None:
    """What was found before; None where it was not, or the file was cut off."""
    try:
        with np.load(path, allow_pickle=False) as found:
            whole = found["durations"]
    except (FileNotFoundError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        return None
    return np.split(whole, np.cumsum([len(clip.text.phones) for clip in clips])[:-1]) if clips else []


def _keep(path: Path, durations: Sequence[np.ndarray]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial.npz")
    try:
        np.savez(partial, durations=np.concatenate([np.zeros(0, np.int64), *durations]))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
