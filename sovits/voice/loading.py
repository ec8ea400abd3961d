"""From a file or folder on disk to what a voice is made of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from sovits.text.encoding import EncodedText
from sovits.voice.engine import Engine
from sovits.voice.speaker_bank import SpeakerBank


class VoiceParts(NamedTuple):
    """What :class:`~sovits.voice.Voice` takes."""

    engine: Engine
    front_end: Callable[[str, str | None], EncodedText]
    bank: SpeakerBank


def load_parts(path: Path, device: str) -> VoiceParts:
    """See :meth:`sovits.voice.Voice.load`."""
    # Imported here: what was exported to ONNX speaks without PyTorch.
    from sovits.voice.checkpoint import Checkpoint
    from sovits.voice.torch_engine import TorchEngine

    carried = Checkpoint.read(path)
    synthesizer = carried.build("model")
    carried.fill(synthesizer)
    engine = TorchEngine(synthesizer, carried.build("mel_spectrogram"), carried.build("posterior_spectrogram"), device)
    return VoiceParts(engine, carried.build("text"), SpeakerBank.from_embeddings(carried.speaker_bank))
