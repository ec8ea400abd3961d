"""Batches to learn from: what Whisper is to write for a window, where it is to look meanwhile, and how far it is from both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import whisper
from torch import Tensor
from torch.nn.functional import cross_entropy

from experiments.tiny_whisper.network import TIMES, GuidedWhisper, tokenizer
from experiments.tiny_whisper.windows import SAMPLE_RATE, Window

POSITION = 0.02
"""Seconds between two positions of the encoder, and between two times."""
_SILENT_TAIL = 0.6
"""s after a sentence in which its full stop is heard."""
_TIME_SPREAD = 0.8
"""Standard deviation (positions) of the target of a time."""
_IGNORED = -100
_REMEMBERED = 20
"""Positions of a pause at which the word before it is still to be named."""


@dataclass(frozen=True)
class Lesson:
    """A window as the network reads it; N tokens are read and N are to be written."""

    mel: Tensor
    """[80, 2 T]."""
    offset: int
    tokens: list[int]
    targets: list[int]
    looks: list[tuple[float, float] | None]
    """Seconds of the window in which the next token is heard."""
    current: np.ndarray
    """[T] index of the word said, or the number of words for none."""
    previous: np.ndarray


def mel_of(window: Window, positions: int, *, silent_tail: bool) -> Tensor:
    """[80, 2 T]: beyond its end either silence, as Whisper's ``pad_or_trim`` of samples gives, or zeros, as its ``transcribe`` does."""
    samples = torch.from_numpy(window.samples)
    if silent_tail:
        samples = whisper.pad_or_trim(samples, round(positions * POSITION * SAMPLE_RATE))
        return whisper.log_mel_spectrogram(samples)
    return whisper.pad_or_trim(whisper.log_mel_spectrogram(samples), 2 * positions)


class Teacher:
    """Makes lessons of windows and marks the answers."""

    def __init__(self, network: GuidedWhisper) -> None:
        self.network = network
        self._known = tokenizer()
        self._index = {token: index for index, token in enumerate(network.used)}
        self._none = len(network.used)

    def prepare(self, window: Window, positions: int, *, offset: int = 0, times: bool = True, silent_tail: bool = False) -> Lesson:
        """``times``: with time tokens, as ``transcribe`` writes; else without, as ``find_alignment`` reads."""
        known = self._known
        script: list[tuple[int, tuple[float, float] | None]] = []
        for number, sentence in enumerate(window.sentences):
            following = window.sentences[number + 1].start if number + 1 < len(window.sentences) else window.cut_at
            tail = (sentence.end, min(following or np.inf, sentence.end + _SILENT_TAIL))
            if times:
                script.append((self._time(sentence.start, offset), (sentence.start - 0.06, sentence.start + 0.06)))
            for index, word in enumerate(sentence.words):
                script.append((self._index[known.encode(" " + word.text.rstrip(".,"))[0]], (word.start, word.end)))
                if word.text.endswith(","):
                    script.append((self._index[known.encode(",")[0]], (word.end, sentence.words[index + 1].start)))
            script.append((self._index[known.encode(".")[0]], tail))
            if times:
                script.append((self._time(sentence.end, offset), (sentence.end - 0.06, sentence.end + 0.06)))
        if times and window.sentences and window.cut_at is not None:
            script.append((self._time(window.cut_at, offset), (window.cut_at - 0.06, window.cut_at + 0.06)))
        if not window.sentences:
            script.append((self._time(0, offset), None))
        script.append((self._index[known.eot], script[-1][1]))
        return self._lesson(window, mel_of(window, positions, silent_tail=silent_tail), offset, script, times or not window.sentences)

    def _lesson(
        self, window: Window, mel: Tensor, offset: int, script: list[tuple[int, tuple[float, float] | None]], times: bool
    ) -> Lesson:
        known = self._known
        opening = [self._index[token] for token in known.sot_sequence]
        start = [*opening, *([] if times else [self._index[known.no_timestamps]])]
        heard = opening[1] if window.sentences else self._index[known.no_speech]
        targets = [heard, opening[2], *([] if times else [_IGNORED]), *(token for token, _ in script)]
        looks = [None] * (len(start) - 1) + [look for _, look in script]
        current, previous = (np.full(mel.shape[1] // 2, self._none) for _ in range(2))
        for sentence in window.sentences:
            last = self._none
            for word in sentence.words:
                begin, end = round(word.start / POSITION), round(word.end / POSITION)
                current[begin:end], previous[begin:end] = self._index[known.encode(" " + word.text.rstrip(".,"))[0]], last
                last = current[begin]
                previous[end : end + _REMEMBERED] = last
        return Lesson(mel, offset, [*start, *(token for token, _ in script[:-1])], targets, looks, current, previous)

    def losses(self, lessons: Sequence[Lesson]) -> dict[str, Tensor]:
        """``tokens``: nats a token; ``attention``: nats a token; ``frames``: nats a position."""
        features = self.network.encode(torch.stack([lesson.mel for lesson in lessons]), torch.tensor([lesson.offset for lesson in lessons]))
        length = max(len(lesson.tokens) for lesson in lessons)
        tokens, targets = torch.zeros(2, len(lessons), length, dtype=torch.long)
        targets.fill_(_IGNORED)
        for row, lesson in enumerate(lessons):
            tokens[row, : len(lesson.tokens)] = torch.tensor(lesson.tokens)
            targets[row, : len(lesson.targets)] = torch.tensor(lesson.targets)
        logits, attentions = self.network.decode(tokens, features)
        wanted = self._looks(lessons, length, features.shape[1])
        # The first layer finds the token that was read; the others, from which Whisper takes its word times, the one to be written.
        read = torch.cat([torch.zeros_like(wanted[:, :1]), wanted[:, :-1]], 1)
        looks = [read, *[wanted] * (len(attentions) - 1)]
        attention = torch.stack([_apart(*pair) for pair in zip(attentions, looks, strict=True)]).mean()
        current, previous = (torch.from_numpy(np.stack([getattr(lesson, name) for lesson in lessons])) for name in ("current", "previous"))
        frames = cross_entropy(self.network.current_word(features).transpose(1, 2), current)
        frames = frames + cross_entropy(self.network.previous_word(features).transpose(1, 2), previous)
        return {"tokens": self._written(logits, targets), "attention": attention, "frames": frames}

    def _written(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Cross entropy; a time's target is spread over its neighbours."""
        log_probabilities = logits.log_softmax(-1)[targets != _IGNORED]
        targets = targets[targets != _IGNORED]
        is_time = targets >= self._none
        loss = -log_probabilities.gather(1, targets[:, None])[:, 0]
        near = torch.arange(-4, 5)
        spread = (-0.5 * (near / _TIME_SPREAD) ** 2).exp()
        places = (targets[is_time, None] + near).clamp(self._none, self._none + TIMES - 1)
        soft = -(log_probabilities[is_time].gather(1, places) * spread / spread.sum()).sum(1)
        return torch.cat([loss[~is_time], soft]).mean()

    def _looks(self, lessons: Sequence[Lesson], length: int, positions: int) -> Tensor:
        """[B, N, T]: evenly spread over the positions in which the next token is heard; zeros where that is anywhere."""
        wanted = torch.zeros(len(lessons), length, positions)
        for row, lesson in enumerate(lessons):
            for column, look in enumerate(lesson.looks):
                if look is None:
                    continue
                begin = min(max(round(look[0] / POSITION), 0), positions - 2)
                end = min(max(round(look[1] / POSITION), begin + 2), positions)
                wanted[row, column, begin:end] = 1 / (end - begin)
        return wanted

    def _time(self, seconds: float, offset: int) -> int:
        return self._none + min(round(seconds / POSITION) + offset, TIMES - 1)


def _apart(log_attention: Tensor, wanted: Tensor) -> Tensor:
    """Kullback-Leibler divergence of the attention of [B, H, N, T] from ``wanted`` [B, N, T]; nats a guided token."""
    guided = wanted.sum(-1) > 0
    entropy = torch.special.entr(wanted).sum(-1)
    cross = -(wanted[:, None] * log_attention).sum(-1).mean(1)
    return (cross - entropy)[guided].mean()
