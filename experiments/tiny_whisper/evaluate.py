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


def judge(whisper: WhisperTranscriber, windows: Sequence[Window], *, wrong: Sequence[str] = (), seed: int = 0) -> Judgement:
    """Transcribes and aligns each window; aligns texts wrong in the kinds ``wrong`` (of ``WRONG_KINDS``) too."""
    found = Judgement()
    random = np.random.default_rng(seed)
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
        spoilt = wrong_texts(text, random)
        for kind, said in {"right": text, **{kind: spoilt[kind] for kind in wrong}}.items():
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
        "another sentence": " ".join(draw_sentence(random) for _ in range(text.count("."))),
        "a word replaced": " ".join([*words[:place], other, *words[place + 1 :]]),
        "a word too many": " ".join([*words[:place], other, *words[place:]]),
        "a word too few": " ".join([*words[:place], *words[place + 1 :]]),
    }


def caught(right: Sequence[float], wrong: Sequence[float], refused: float = 0.05) -> tuple[float, float]:
    """The lower limit that refuses the share ``refused`` of the right ones, and the share of the wrong ones it catches."""
    limit = float(np.quantile(right, refused))
    return limit, float(np.mean(np.asarray(wrong) < limit))


def print_table(name: str, found: Judgement) -> None:
    """A row of each of the README's tables."""
    english = np.mean([language == "en" for language in found.languages])
    print(f"{name}: WER {found.word_error_rate:.2%} of {found.words} words, heard as English {english:.0%}")
    for kind, errors in (("transcribed", found.heard_errors), ("aligned", found.aligned_errors)):
        median, p90 = np.quantile(np.abs(errors), [0.5, 0.9]) * 1000
        print(f"  {kind}: median {median:.0f} ms, p90 {p90:.0f} ms of {len(errors)} boundaries; bias {np.median(errors) * 1000:.0f} ms")
    for kind in [kind for kind in WRONG_KINDS if kind in found.confidences]:
        low, share = caught(found.confidences["right"], found.confidences[kind])
        high, more = caught([-value for value in found.disagreements["right"]], [-value for value in found.disagreements[kind]])
        means = f"mean confidence {np.mean(found.confidences[kind]):.2f}, mean disagreement {np.mean(found.disagreements[kind]):.2f}"
        print(f"  {kind}: {means}; confidence < {low:.3f} catches {share:.1%}; disagreement > {-high:.3f} catches {more:.1%}")


def draw_figure(found: Judgement, path: Path) -> None:
    """Word boundary errors, and confidences of right and wrong texts."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    bins = np.arange(-200, 201, 10)
    for name, errors in (("transcribed", found.heard_errors), ("known text, aligned", found.aligned_errors)):
        left.hist(np.clip(np.asarray(errors) * 1000, -200, 200), bins, histtype="step", linewidth=1.5, label=name)
    left.set(xlabel="error of the word boundary (ms; outermost: all beyond)", ylabel="boundaries")
    left.axvspan(-80, 80, color="0.9", zorder=0, label="80 ms")
    left.legend()
    for kind, values in found.confidences.items():
        right.plot(np.sort(values), np.linspace(0, 1, len(values)), linewidth=2.5 if kind == "right" else 1.2, label=kind)
    right.set(xlabel="mean confidence of the aligned text", ylabel="share of texts below", xlim=(0, 1), ylim=(0, 1))
    right.legend()
    figure.savefig(path, dpi=110)


def main() -> None:
    """Reads the command line, prints the tables and draws the figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, default=CHECKPOINT)
    parser.add_argument("--sentences", type=int, default=80, help="of voices heard in training; half as many of others")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--figure", type=Path, default=CHECKPOINT.with_name("boundary_errors.png"))
    arguments = parser.parse_args()
    whisper = WhisperTranscriber(str(arguments.checkpoint))
    count, seed = arguments.sentences, arguments.seed
    seen = judge(whisper, draw_windows(SEEN_VOICES, count, seed), wrong=WRONG_KINDS, seed=seed)
    print_table("seen voices", seen)
    draw_figure(seen, arguments.figure)
    print_table("unseen voices", judge(whisper, draw_windows(UNSEEN_VOICES, count // 2, seed + 1)))
    print_table(
        "seen voices, up to 6 sentences a window", judge(whisper, draw_windows(SEEN_VOICES, count // 8, seed + 2, sentences=6, seconds=30))
    )


if __name__ == "__main__":
    main()
