"""A training batch: aligned text and audio, and a reference clip that tells the voice."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from sovits.text.batch import TextBatch


@dataclass
class Batch:
    """``B`` utterances padded with zeros; every waveform is cut to whole frames (a multiple of the hop)."""

    text: TextBatch
    waveforms: Tensor
    """[B, T_samples] in [-1, 1]; ``T_samples = T_frames * hop_length``."""
    frame_lengths: Tensor
    """[B] valid spectrogram frames: valid samples / hop_length."""
    references: Tensor
    """[B, T_reference] samples of *another* utterance of the same speaker (of the same one where there is no other), all of one length."""
    speakers: Tensor
    """[B] index into the data module's ``speakers``."""
    told: Tensor
    """[B] of bool: whether it is known what is said; nothing about texts is learned from the others."""
    durations: Tensor
    """[B, T_text] frames of each phone as they were aligned before training; zeros where they were not."""
    bandwidths: Tensor
    """[B] Hz: half the rate of each recording's file, above which it holds nothing; infinite where it is not known."""
    ids: list[str]
    """Utterance ids, for messages and file names."""
    texts: list[str]
    """What is said, as the manifest writes it."""

    def __len__(self) -> int:
        return len(self.ids)

    def pin_memory(self) -> Batch:
        """The same batch in page-locked memory; PyTorch's loader calls this, as it does not look into dataclasses."""
        return replace(
            self,
            text=TextBatch(**{name: value.pin_memory() for name, value in vars(self.text).items()}),
            waveforms=self.waveforms.pin_memory(),
            frame_lengths=self.frame_lengths.pin_memory(),
            references=self.references.pin_memory(),
            speakers=self.speakers.pin_memory(),
            told=self.told.pin_memory(),
            durations=self.durations.pin_memory(),
            bandwidths=self.bandwidths.pin_memory(),
        )
