"""Judges the tiny Whisper on unseen sentences: ``python -m experiments.tiny_whisper.evaluate`` from the repository's root.

Everything is heard through :class:`WhisperTranscriber`, as ``sovits prepare`` does.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rich.progress import track

from experiments.tiny_whisper.sentences import WORDS, draw_sentence
from experiments.tiny_whisper.windows import SEEN_VOICES, UNSEEN_VOICES, Window, draw_window
from sovits.data.espeak import WordEvent, open_espeak
from sovits.data.manifest import Word
from sovits.data.preparation.transcript_matching import disagreement, match_words
from sovits.data.preparation.transcription import WhisperTranscriber
from sovits.errors import SovitsError

CHECKPOINT = Path(__file__).parent / "tiny_whisper.pt"
WRONG_KINDS = ("another sentence", "a word replaced", "a word too many", "a word too few")


@dataclass
class Judgement:
    """What was found over some windows; times in s."""

    words: int = 0
    wrong_words: float = 0.0
    languages: list[str | None] = field(default_factory=list)
    heard_errors: list[float] = field(default_factory=list)
    """Of word boundaries of what was transcribed, against espeak-ng's events; signed."""
    aligned_errors: list[float] = field(default_factory=list)
    """Of those of the known text, aligned."""
    confidences: dict[str, list[float]] = field(default_factory=dict)
    """Mean confidence of an aligned text: the ``right`` ones, and each kind of wrong ones."""
    disagreements: dict[str, list[float]] = field(default_factory=dict)

    @property
    def word_error_rate(self) -> float:
        return self.wrong_words / max(self.words, 1)


def draw_windows(voices: Sequence[str], count: int, seed: int, *, sentences: int = 1, seconds: float = 8.0) -> list[Window]:
    """``count`` windows of unseen sentences."""
    random = np.random.default_rng(seed)
    with open_espeak() as espeak:
        return [draw_window(espeak, random, seconds, sentences, voices, held_out=True) for _ in range(count)]


def judge(whisper: WhisperTranscriber, windows: Sequence[Window], *, seed: int = 0) -> Judgement:
    """Transcribes and aligns each window, with its own text and with wrong ones."""
    random = np.random.default_rng(seed)
    found = Judgement()
    for window in track(windows, "listening"):
        text = " ".join(sentence.text for sentence in window.sentences)
        events = [word for sentence in window.sentences for word in sentence.words]
        heard = whisper.transcribe(window.samples)
        found.languages.append(heard.language)
        found.words += len(events)
        found.wrong_words += disagreement(text, heard.text) * len(events)
        try:
            found.heard_errors += boundary_errors(match_words(text, heard.words), events)
        except SovitsError:
            print(f"too little was heard: {text!r} as {heard.text!r}")
        for kind, said in {"right": text, **wrong_texts(text, random)}.items():
            aligned = whisper.align(window.samples, said)
            if kind == "right":
                found.aligned_errors += boundary_errors(aligned, events)
            found.confidences.setdefault(kind, []).append(float(np.mean([word.confidence for word in aligned])))
            found.disagreements.setdefault(kind, []).append(disagreement(said, heard.text))
    return found


def boundary_errors(words: Sequence[Word], events: Sequence[WordEvent]) -> list[float]:
    """Starts and ends of ``words`` minus those of the events, s."""
    pairs = list(zip(words, events, strict=True))
    return [error for word, event in pairs for error in (word.start - event.start, word.end - event.end)]


def wrong_texts(text: str, random: np.random.Generator) -> dict[str, str]:
    """``text`` spoilt in each of ``WRONG_KINDS``."""
    words = text.split()
    place = int(random.integers(1, len(words) - 1))
    other = str(random.choice([word for word in WORDS if word != words[place].strip(",.")]))
    return {
        "another sentence": draw_sentence(random),
        "a word replaced": " ".join([*words[:place], other, *words[place + 1 :]]),
        "a word too many": " ".join([*words[:place], other, *words[place:]]),
        "a word too few": " ".join([*words[:place], *words[place + 1 :]]),
    }


def caught(right: Sequence[float], wrong: Sequence[float], refused: float = 0.05) -> tuple[float, float]:
    """The lower limit that refuses the share ``refused`` of the right ones, and the share of the wrong ones it catches."""
    limit = float(np.quantile(right, refused))
    return limit, float(np.mean(np.asarray(wrong) < limit))


def main() -> None:
    """Reads the command line, and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, default=CHECKPOINT)
    parser.add_argument("--sentences", type=int, default=300, help="unseen sentences for each row")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--figure", type=Path, default=CHECKPOINT.with_name("boundary_errors.png"))
    arguments = parser.parse_args()
    whisper = WhisperTranscriber(str(arguments.checkpoint))
    count, seed = arguments.sentences, arguments.seed
    rows = {
        "seen voices": judge(whisper, draw_windows(SEEN_VOICES, count, seed)),
        "unseen voices": judge(whisper, draw_windows(UNSEEN_VOICES, count, seed + 1)),
        "seen voices, 6 sentences": judge(whisper, draw_windows(SEEN_VOICES, count // 6, seed + 2, sentences=6, seconds=30.0)),
    }
    for name, found in rows.items():
        english = np.mean([language == "en" for language in found.languages])
        print(f"{name}: WER {found.word_error_rate:.2%} of {found.words} words, en {english:.0%}")
        for kind, errors in (("transcribed", found.heard_errors), ("aligned", found.aligned_errors)):
            median, p90 = np.quantile(np.abs(errors), [0.5, 0.9]) * 1000
            print(f"  {kind}: median {median:.0f} ms, p90 {p90:.0f} ms, bias {np.median(errors) * 1000:.0f} ms, {len(errors)} boundaries")
        for kind in WRONG_KINDS:
            limit, share = caught(found.confidences["right"], found.confidences[kind])
            top, more = caught([-value for value in found.disagreements["right"]], [-value for value in found.disagreements[kind]])
            print(f"  {kind}: confidence < {limit:.3f} catches {share:.1%}; disagreement > {-top:.3f} catches {more:.1%}")


if __name__ == "__main__":
    main()
