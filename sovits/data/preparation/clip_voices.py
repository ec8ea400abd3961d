"""The voice of every clip as a vector, embedded once for each sound and encoder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from sovits.audio.waveform import read_waveform
from sovits.data.manifest import Utterance
from sovits.data.preparation.content_cache import content_key
from sovits.data.preparation.workers import work_through
from sovits.metrics.voice_encoders import VoiceEncoder


class ClipVoices:
    """``<root>/cache/voices/<encoder>/<content hash>.npy``.

    Args:
        root: the prepared set's folder.
        encoder: makes a clip a vector.
        workers: threads; ``None``: one for each core.
    """

    def __init__(self, root: Path, encoder: VoiceEncoder, workers: int | None = None) -> None:
        self.root = root
        self.encoder = encoder
        self.workers = workers
        self._folder = root / "cache" / "voices" / content_key(encoder.settings)

    def of(self, utterances: Iterable[Utterance]) -> dict[str, np.ndarray]:
        """Unit vectors [E] by content hash.

        Raises:
            SovitsError: the encoder cannot be loaded.
        """
        clips = {utterance.content_hash: utterance for utterance in utterances}
        voices = {content: voice for content in clips if (voice := self._kept(content)) is not None}
        lacking = [utterance for content, utterance in clips.items() if content not in voices]
        if lacking:
            self._folder.mkdir(parents=True, exist_ok=True)
            # The first one alone: it loads the encoder.
            made = [self._made(lacking[0], lambda _: None)]
            weights = [utterance.duration for utterance in lacking[1:]]
            made += work_through(lacking[1:], self._made, weights=weights, workers=self.workers, title="Voices", unit="clips")
            voices |= {utterance.content_hash: voice for utterance, voice in zip(lacking, made, strict=True)}
        return voices

    def _made(self, utterance: Utterance, _progress: Callable[[float], None]) -> np.ndarray:
        voice = self.encoder(read_waveform(self.root / utterance.path, self.encoder.sample_rate))
        path = self._path(utterance.content_hash)
        partial = path.with_suffix(f".{os.getpid()}.partial")
        with partial.open("wb") as file:
            np.save(file, voice, allow_pickle=False)
        partial.replace(path)
        return voice

    def _kept(self, content: str) -> np.ndarray | None:
        try:
            return np.load(self._path(content), allow_pickle=False)
        except (FileNotFoundError, ValueError, EOFError):
            return None  # not made yet, or half of it: as good as none

    def _path(self, content: str) -> Path:
        return self._folder / f"{content}.npy"
