"""Which utterances training can use, and why not the others."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sovits.data.manifest import Utterance
from sovits.data.phone_alignment import stretched
from sovits.data.waveform_store import WaveformStore
from sovits.errors import SovitsError
from sovits.text.encoding import EncodedText

log = logging.getLogger(__name__)

MOST_NAMED = 10
"""Clips, or speakers, that a line of the log names one by one."""

FrontEnd = Callable[[str, str | None], EncodedText]
"""Reads a text, given its language or ``None``."""


NO_TEXT = EncodedText(text="", symbols=[""], phones=[0], tones=[0], languages=[0], tokens=[0], phone_to_token=[0])
"""In the place of a text that nobody tells: something for the networks to read, of which nothing is learned."""


@dataclass(frozen=True)
class Clip:
    """An utterance that training can use."""

    utterance: Utterance
    text: EncodedText
    speaker: int
    frames: int
    """Whole spectrogram frames in it."""
    durations: np.ndarray | None = None
    """[T_text] frames of each phone, where they were aligned before training."""

    def durations_in(self, frames: int) -> np.ndarray:
        """The same where it is spoken in ``frames`` frames; zeros where they are not known."""
        return np.zeros(len(self.text.phones), dtype=np.int64) if self.durations is None else stretched(self.durations, frames)


def select_clips(
    utterances: Iterable[Utterance],
    speakers: Sequence[str],
    store: WaveformStore,
    front_end: FrontEnd,
    *,
    hop_length: int,
    most_frames: int,
) -> tuple[list[Clip], dict[str, str]]:
    """Encodes the texts and sets aside what cannot be trained on.

    Args:
        utterances: of speakers among ``speakers``.
        speakers: whose index is a clip's ``speaker``.
        store: of their audio.
        front_end: reads the texts.
        hop_length: samples of a frame.
        most_frames: of a clip, or it would not fit a batch.

    Returns:
        The usable clips in their order, and for each other utterance id the reason and a remedy: a text that the front end cannot read,
        more phones than frames (no monotonic alignment gives every phone a frame), or more frames than ``most_frames``.
    """
    ids = {speaker: number for number, speaker in enumerate(speakers)}
    clips, refused = [], {}
    for utterance in utterances:
        frames = store.samples(utterance) // hop_length
        try:
            text = front_end(utterance.text, utterance.language) if utterance.told else NO_TEXT
        except SovitsError as error:
            refused[utterance.id] = str(error)
            continue
        if frames < len(text.phones):
            refused[utterance.id] = (
                f"{len(text.phones)} phones in {frames} frames: too much text for so short a clip; check its transcript, and run "
                "`sovits prepare` again"
            )
        elif frames > most_frames:
            refused[utterance.id] = (
                f"{frames} frames: longer than data.frame_budget={most_frames}; raise it to {frames} if the memory allows, or run "
                "`sovits prepare` again with shorter clips"
            )
        else:
            clips.append(Clip(utterance, text, ids[utterance.speaker], frames))
    return clips, refused


def warn_of_refused(refused: Mapping[str, str]) -> None:
    """Names the utterances that are not used, and why, in one line of the log."""
    if refused:
        named = "; ".join(f"{name} ({reason})" for name, reason in list(refused.items())[:MOST_NAMED])
        more = f"; and {len(refused) - MOST_NAMED} more" if len(refused) > MOST_NAMED else ""
        log.warning("Not used for training or evaluation, %d clip(s): %s%s", len(refused), named, more)


def require_every_speaker(clips: Sequence[Clip], speakers: Sequence[str], refused: Mapping[str, str], root: Path) -> None:
    """Raises a ``SovitsError`` where one of ``speakers`` has no training clip, with the first of the reasons in ``refused``."""
    usable = {clip.utterance.speaker for clip in clips}
    lacking = [speaker for speaker in speakers if speaker not in usable]
    if not lacking:
        return
    reasons = [reason for name, reason in refused.items() if name.split("/")[0] in lacking]
    cause = f" (the first of {len(reasons)} refused: {reasons[0]})" if reasons else ""
    raise SovitsError(
        f"Too little speech in data.root={root}: {', '.join(lacking)} has no train utterance{cause}; record more of it and run "
        "`sovits prepare` again, or name the other speakers in data.speakers=[...]."
    )
