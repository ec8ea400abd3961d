"""Who is speaking: networks that turn a clip into a vector, used as judges of a voice (never to condition one)."""

from __future__ import annotations

import hashlib
import warnings
from collections import OrderedDict
from functools import cached_property
from importlib.metadata import version
from typing import Any, Protocol

import numpy as np

from sovits.hearing.clips import is_silent

SHORTEST_SECONDS = 0.5
"""With less voiced sound than this the whole clip is embedded instead of its voiced part."""


class VoiceEncoder(Protocol):
    """A clip -> a unit vector; cosines of two such vectors are comparable only within one encoder."""

    sample_rate: int
    channels: int

    @property
    def settings(self) -> dict[str, Any]:
        """What its vectors depend on, beside the clip; plain values."""
        ...

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """[T_samples] in [-1, 1] at ``sample_rate`` -> [channels] of length 1; all zeros for a silent clip."""
        ...


class ResemblyzerEncoder:
    """Resemblyzer's GE2E encoder (Wan et al. 2018), 256 values; its weights come inside the package, so it works offline.

    Pauses are cut with its own voice detector first. Where that finds less than half a second of voice (a very short clip, or
    the noise an untrained model makes) the clip is embedded as it is.

    Args:
        device: ``cpu`` or ``cuda``.
    """

    sample_rate = 16000
    channels = 256

    def __init__(self, device: str = "cpu") -> None:
        self.device = device

    @property
    def settings(self) -> dict[str, Any]:
        """See :class:`VoiceEncoder`."""
        return {"encoder": "resemblyzer", "version": version("resemblyzer")}

    @cached_property
    def network(self) -> Any:
        """Loaded at the first clip."""
        with warnings.catch_warnings():
            # Its voice detector imports pkg_resources and its arrays an old name of scipy: nothing a user could act on.
            warnings.filterwarnings("ignore", category=UserWarning, module="webrtcvad")
            warnings.filterwarnings("ignore", category=DeprecationWarning)
            from resemblyzer import VoiceEncoder as Network

        return Network(self.device, verbose=False).eval()

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """See :class:`VoiceEncoder`."""
        if is_silent(samples):
            return np.zeros(self.channels, dtype=np.float32)
        from resemblyzer.audio import audio_norm_target_dBFS, normalize_volume, trim_long_silences

        loud = np.clip(normalize_volume(samples, audio_norm_target_dBFS, increase_only=True), -1.0, 1.0).astype(np.float32)
        voiced = trim_long_silences(loud) if loud.size >= SHORTEST_SECONDS * self.sample_rate else loud
        chosen = voiced if voiced.size >= SHORTEST_SECONDS * self.sample_rate else loud
        return _unit(self.network.embed_utterance(chosen))


class SpeechBrainEncoder:
    """Any speaker encoder that speechbrain's ``EncoderClassifier.from_hparams`` loads, for example ``speechbrain/spkrec-ecapa-voxceleb``.

    Args:
        source: a local folder with ``hyperparams.yaml``, or a name on the Hugging Face hub (needs network the first time).
            The file is code: load only what you trust.
        savedir: where files from the hub are kept; unused for a local folder.
        device: ``cpu`` or ``cuda``.
        sample_rate: Hz the encoder was trained at.

    Raises:
        SovitsError: the source cannot be loaded.
    """

    def __init__(self, source: str, savedir: str | None = None, device: str = "cpu", sample_rate: int = 16000) -> None:
        # Imported late: preparing a set with another encoder should not wait for all networks.
        from sovits.modules.pretrained_speaker_encoder import load_speechbrain

        self.network = load_speechbrain(source, "encoder.source", savedir, device)
        self.source = source
        self.sample_rate = sample_rate
        self.channels = len(self._embed(np.zeros(sample_rate, dtype=np.float32) + 1e-3))

    @property
    def settings(self) -> dict[str, Any]:
        """See :class:`VoiceEncoder`; the embedding of one noise tells one set of weights from another under the same name."""
        noise = np.random.default_rng(0).standard_normal(self.sample_rate).astype(np.float32)
        return {"encoder": "speechbrain", "source": self.source, "probe": [round(float(value), 3) for value in _unit(self._embed(noise))]}

    def _embed(self, samples: np.ndarray) -> np.ndarray:
        import torch

        with torch.no_grad():
            return self.network.encode_batch(torch.from_numpy(samples).unsqueeze(0)).flatten().cpu().numpy()

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """See :class:`VoiceEncoder`; clips below half a second are repeated up to it."""
        if is_silent(samples):
            return np.zeros(self.channels, dtype=np.float32)
        shortest = int(SHORTEST_SECONDS * self.sample_rate)
        if samples.size < shortest:
            samples = np.resize(samples, shortest)
        return _unit(self._embed(np.ascontiguousarray(samples, dtype=np.float32)))


class RememberingEncoder:
    """Another encoder that embeds a clip once: recordings come back at every validation, unchanged.

    Args:
        encoder: does the work.
        capacity: clips remembered, by the content of their samples; the least recently used one goes first.
    """

    def __init__(self, encoder: VoiceEncoder, capacity: int = 4096) -> None:
        self.encoder = encoder
        self.capacity = capacity
        self.sample_rate = encoder.sample_rate
        self.channels = encoder.channels
        self._known: OrderedDict[bytes, np.ndarray] = OrderedDict()

    @property
    def settings(self) -> dict[str, Any]:
        """See :class:`VoiceEncoder`."""
        return self.encoder.settings

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """See :class:`VoiceEncoder`."""
        key = hashlib.sha256(np.ascontiguousarray(samples).tobytes()).digest()
        if key not in self._known:
            self._known[key] = self.encoder(samples)
        self._known.move_to_end(key)
        if len(self._known) > self.capacity:
            self._known.popitem(last=False)
        return self._known[key]


def _unit(embedding: np.ndarray) -> np.ndarray:
    length = float(np.linalg.norm(embedding))
    return (embedding / length if length > 0 else np.zeros_like(embedding)).astype(np.float32)
