"""From recordings to batches: preparing a set, its manifest, and the data module that trains on it."""

from sovits.data.datamodule import SpeechDataModule

__all__ = ["SpeechDataModule"]
