"""From a file or folder on disk to what a voice is made of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from sovits.text.encoding import EncodedText
from sovits.voice.base import located
from sovits.voice.carried_config import build
from sovits.voice.engine import Engine
from sovits.voice.exported import INT8, ONNX, SPEAKERS, TRAINABLE, WEIGHTS, Export, is_export
from sovits.voice.speaker_bank import SpeakerBank

if TYPE_CHECKING:
    from sovits.voice.torch_engine import TorchEngine


class VoiceParts(NamedTuple):
    """What :class:`~sovits.voice.Voice` takes."""

    engine: Engine
    front_end: Callable[[str, str | None], EncodedText]
    bank: SpeakerBank


def load_parts(path: Path, device: str, threads: int | None) -> VoiceParts:
    """See :meth:`sovits.voice.Voice.load`. Only what runs on PyTorch imports it."""
    path = located(path)
    if is_export(path) and (read := Export.read(path))[0].kind != TRAINABLE:
        export, config = read
        engine = _onnx_engine(path, export, device, threads) if export.runtime == ONNX else _exported_engine(path, config, device, threads)
        bank = SpeakerBank.load(path / SPEAKERS) if (path / SPEAKERS).is_dir() else SpeakerBank()
        return VoiceParts(engine, build(path, config, "text"), bank)
    from sovits.voice.checkpoint import Checkpoint

    carried = Checkpoint.read(path)
    synthesizer = carried.build("model")
    carried.fill(synthesizer)
    spectrograms = carried.build("mel_spectrogram"), carried.build("posterior_spectrogram")
    bank = SpeakerBank.from_embeddings(carried.speaker_bank)
    return VoiceParts(_torch_engine(synthesizer, *spectrograms, device, threads), carried.build("text"), bank)


def _onnx_engine(folder: Path, export: Export, device: str, threads: int | None) -> Engine:
    from sovits.voice.onnx_engine import OnnxEngine

    return OnnxEngine(
        folder,
        sample_rate=export.sample_rate,
        hop_length=export.hop_length,
        embedding_size=export.embedding_size,
        context_frames=export.context_frames,
        noise_channels=export.noise_channels,
        alone=export.kind == INT8,
        device=device,
        threads=threads,
    )


def _exported_engine(folder: Path, config: dict, device: str, threads: int | None) -> TorchEngine:
    from sovits.modules.layers.normalization import fold_weight_norm
    from sovits.voice.weights import read_weights

    synthesizer = fold_weight_norm(build(folder, config, "model"))
    read_weights(synthesizer, folder / WEIGHTS)
    return _torch_engine(
        synthesizer, build(folder, config, "mel_spectrogram"), build(folder, config, "posterior_spectrogram"), device, threads
    )


def _torch_engine(synthesizer, mel_spectrogram, posterior_spectrogram, device: str, threads: int | None) -> TorchEngine:  # type: ignore[no-untyped-def]
    import torch

    from sovits.voice.torch_engine import TorchEngine

    if threads is not None:
        torch.set_num_threads(threads)
    return TorchEngine(synthesizer, mel_spectrogram, posterior_spectrogram, device)
