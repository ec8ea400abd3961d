"""Gathers what the base voice is trained on: speech with texts and without, generated speech, and copies at other speeds.

    python experiments/base_voice/collect.py --speech DIR --output outputs/recordings/base
    sovits prepare recordings=outputs/recordings/base untold=keep gate=off judge.mos=false encoder=none min_speaker_seconds=1 \\
        segmentation.max_seconds=17

``DIR/manifest.csv`` names the recordings with texts (columns path, corpus, speaker, text, license), ``DIR/untranscribed/manifest.csv``,
if it is there, those without: these are written down by a recogniser (``dictation.py``; English), words that it mistook and all.
Speakers are called ``<corpus>_<speaker>``, ``heard_<speaker>`` where a recogniser tells what they say, ``untold_<speaker>`` where nobody
does; those of ``--leave-out`` and the corpora of ``--without`` are not used: the first to be judged on voices that the base never heard,
the second for their licence. Who was left out lies in ``<output>-left-out``, a folder a speaker.

A copy at another speed is another voice: pitch and formants move with it (speed perturbation; Ko et al. 2015, as new speakers: Yamamoto
et al. 2019). Generated voices are espeak-ng's, and speak the texts of the recordings. The same DIR always gives the same files.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import soundfile
from dictation import dictate_all
from rich.progress import track

from sovits.audio.waveform import write_waveform
from sovits.data.espeak import Espeak, open_espeak
from sovits.errors import SovitsError

LEFT_OUT = (
    *("ljspeech_LJ", "vctk_p225", "vctk_p226", "librispeech_367"),
    *(f"aishell3_SSB{number}" for number in ("0005", "0038", "0073", "0122", "0145", "0288")),
)
WITHOUT = ("fsdd",)
"""Share-alike: what is trained on it would have to be, too."""
SPEEDS = (0.9, 1.1)
ENGLISH_VARIANTS = ("f1", "f2", "f3", "f4", "m1", "m2", "m4", "m5", "m7", "m8")
ENGLISH = tuple(f"{accent}+{variant}" for accent in ("en-us", "en") for variant in ENGLISH_VARIANTS)
MANDARIN = tuple(f"cmn+{variant}" for variant in ("f1", "f2", "f3", "f5", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8"))
"""None is a voice of the demo speakers, who are to be strangers."""
PITCHES, RANGES, PACES = (42, 58, 50, 36, 64), (50, 62, 42), (0.95, 1.1, 0.85, 1.0)
WORDS_A_MINUTE = {"en": 155, "zh": 215}
MOST_WORDS = 16
UNTOLD, HEARD = "untold", "heard"
EDGE_PAUSE = 0.2
"""Seconds of silence before and after generated speech."""


@dataclass(frozen=True)
class Recorded:
    """A recording, as a manifest tells of it."""

    path: Path
    speaker: str
    corpus: str
    text: str
    """Empty where nobody tells."""


def read_manifests(speech: Path) -> list[Recorded]:
    """All of both manifests, in their order.

    Raises:
        SovitsError: no manifest, or one without the columns that are needed.
    """
    found = list(_rows(speech, speech / "manifest.csv"))
    untold = speech / "untranscribed" / "manifest.csv"
    return found + (list(_rows(speech, untold)) if untold.is_file() else [])


def _rows(speech: Path, table: Path) -> Iterator[Recorded]:
    if not table.is_file():
        raise SovitsError(f"There is no {table}; give the folder of a speech collection as --speech DIR.")
    with table.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if not {"path", "corpus", "speaker"} <= row.keys():
                raise SovitsError(f"{table} lacks one of the columns path, corpus, speaker; it has {', '.join(row)}.")
            path = speech / row["path"]
            told = "text" in row
            yield Recorded(path, f"{row['corpus'] if told else UNTOLD}_{row['speaker']}", row["corpus"], row["text"] if told else "")


def written_down(recordings: Sequence[Recorded]) -> list[Recorded]:
    """Those without a text with what a recogniser hears in them, of speakers by another name."""
    without = [recording for recording in recordings if not recording.text]
    heard = dict(zip(without, dictate_all([recording.path for recording in without]), strict=True))
    return [
        replace(recording, text=text, speaker=recording.speaker.replace(UNTOLD, HEARD, 1)) if (text := heard.get(recording)) else recording
        for recording in recordings
    ]


def write_recorded(recordings: Sequence[Recorded], output: Path, speeds: Sequence[float]) -> None:
    """``output/<speaker>/<name>.flac`` with its text beside it, as it is and at each of ``speeds``."""
    for recording in track(recordings, f"Recorded speech to {output.name}"):
        samples, rate = soundfile.read(recording.path, dtype="float32")
        for speed in (1.0, *speeds):
            name = recording.speaker if speed == 1.0 else f"{recording.speaker}_x{speed:g}"
            # Played faster, what was recorded at one rate is at another; the file says so, and with it how high a tone it can hold.
            _write(output / name / f"{recording.path.stem}.flac", samples, round(rate * speed), recording.text)


def write_generated(texts: dict[str, list[str]], output: Path, sentences: int) -> None:
    """``output/generated_<language>_<number>``: each voice of espeak-ng says ``sentences`` of its language, and each as many others."""
    with open_espeak() as espeak:
        for language, voices in (("en", ENGLISH), ("zh", MANDARIN)):
            own = texts[language]
            for number, voice in enumerate(track(voices, f"Generated speech, {language}")):
                for turn in range(sentences):
                    text = own[(number * sentences + turn) * 7 % len(own)]
                    samples = _spoken(espeak, text, language, voice, number)
                    _write(output / f"generated_{language}_{number:02d}" / f"{turn:03d}.flac", samples, espeak.sample_rate, text)


def _spoken(espeak: Espeak, text: str, language: str, voice: str, number: int) -> np.ndarray:
    speech = espeak.speak(
        text,
        voice,
        rate=round(WORDS_A_MINUTE[language] * PACES[number % len(PACES)]),
        pitch=PITCHES[number % len(PITCHES)],
        pitch_range=RANGES[number % len(RANGES)],
    )
    edge = np.zeros(round(EDGE_PAUSE * espeak.sample_rate), np.float32)
    return np.concatenate([edge, speech.samples, edge])


def _write(path: Path, samples: np.ndarray, rate: int, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_waveform(path, samples, rate)
    if text:
        path.with_suffix(".txt").write_text(text + "\n", encoding="utf-8")


def texts_to_generate(recordings: Sequence[Recorded]) -> dict[str, list[str]]:
    """Sentences by language, each once, as people write them: those that are all capitals in small letters, with a full stop."""
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for text in (recording.text for recording in recordings if recording.text):
        language = "zh" if any("\u4e00" <= character <= "\u9fff" for character in text) else "en"
        words = text.split()
        if language == "en":
            text = " ".join(words[:MOST_WORDS])
            text = (text.capitalize() if text.isupper() else text).rstrip(",;:") + ("" if text.endswith((".", "!", "?")) else ".")
        found[language].setdefault(text if language == "en" else text + "。")
    return {language: list(own) for language, own in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--speech", type=Path, required=True, help="folder of the speech collection")
    parser.add_argument("--output", type=Path, default=Path("outputs/recordings/base"))
    parser.add_argument("--leave-out", nargs="*", default=list(LEFT_OUT), help="speakers, <corpus>_<speaker>, patterns with * too")
    parser.add_argument("--without", nargs="*", default=list(WITHOUT), help="corpora that are not used at all")
    parser.add_argument("--speeds", nargs="*", type=float, default=list(SPEEDS), help="of the copies")
    parser.add_argument("--sentences", type=int, default=30, help="that each generated voice says; 0: no generated speech")
    parser.add_argument("--no-dictation", action="store_true", help="leave recordings without texts as they are")
    options = parser.parse_args()
    recordings = [recording for recording in read_manifests(options.speech) if recording.corpus not in options.without]
    left_out = [r for r in recordings if any(fnmatchcase(r.speaker, pattern) for pattern in options.leave_out)]
    used = [recording for recording in recordings if recording not in left_out]
    write_recorded(left_out, options.output.with_name(f"{options.output.name}-left-out"), speeds=())
    write_recorded(used if options.no_dictation else written_down(used), options.output, options.speeds)
    if options.sentences:
        # Nobody is to say again what a recogniser mistook.
        write_generated(texts_to_generate(used), options.output, options.sentences)


if __name__ == "__main__":
    main()
