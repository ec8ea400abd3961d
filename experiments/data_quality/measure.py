"""Measures clean and damaged speech as ``sovits prepare`` does, one row for each clip and condition.

python -m experiments.data_quality.measure --speech DIR --output outputs/data_quality/measures.csv
"""

from __future__ import annotations

import argparse
import csv
import time
import zlib
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from pathlib import Path

import numpy as np
from rich.progress import track

from experiments.data_quality.degrade import Condition, Degrader, halves
from sovits.audio.waveform import normalize_loudness, read_waveform, resample
from sovits.audio.waveform_file import WaveformFile
from sovits.data.preparation.segmentation import Segmenter
from sovits.data.preparation.vad import VAD_RATE, Stretch, VoiceActivityDetector
from sovits.data.quality.quality import Quality
from sovits.data.quality.signal import SignalJudge, clipped_share

SET_RATE = 22050
"""Hz of the prepared clips."""
LUFS = -23.0
LONGEST = 8.0
"""Seconds of a clip that are used, clean and damaged alike, up to a pause."""
COLUMNS = ("clip", "speaker", "half", "kind", "name", "level", "condition_half", "strong", "seconds", "speech")


@dataclass(frozen=True)
class Source:
    """A clean clip."""

    path: Path
    id: str
    speaker: str
    half: str
    damaged: bool
    """Whether it is damaged too, or only measured as it is."""


class Bench:
    """The path of a recording through preparation, up to the figures of its clip."""

    def __init__(self, speech: Path, mos_seconds: float) -> None:
        self.detector = VoiceActivityDetector()
        self.segmenter = Segmenter(max_seconds=60.0)
        self.judge = SignalJudge(mos_seconds=mos_seconds)
        self.degrader = Degrader(speech / "noise")

    def speech(self, samples: np.ndarray, sample_rate: int) -> list[Stretch]:
        """Where a recording speaks."""
        return self.detector(normalize_loudness(resample(samples, sample_rate, VAD_RATE), VAD_RATE, LUFS))

    def figures(self, samples: np.ndarray, sample_rate: int) -> tuple[bool, float, Quality]:
        """Whether there is speech in it, seconds of the clip, and what is measured."""
        samples = np.asarray(samples - samples.mean(), dtype=np.float32)
        stretches = self.speech(samples, sample_rate)
        duration = len(samples) / sample_rate
        cuts, _ = self.segmenter(stretches, duration, "speech") if stretches else ([], [])
        if not cuts:
            return False, duration, Quality(source_rate=sample_rate)
        cut = cuts[0]
        piece = samples[round(cut.start * sample_rate) : round(cut.end * sample_rate)]
        clip = normalize_loudness(resample(piece, sample_rate, SET_RATE), SET_RATE, LUFS)
        inside = [Stretch(max(s.start - cut.start, 0.0), s.end - cut.start) for s in stretches if s.start < cut.end and s.end > cut.start]
        quality = replace(self.judge(clip, SET_RATE, inside), source_rate=sample_rate, clipping=round(clipped_share(piece), 6))
        return True, cut.end - cut.start, quality

    def rows(self, source: Source, other: Source) -> Iterator[dict]:
        """Every condition of one clip."""
        with WaveformFile(source.path) as file:
            sample_rate, samples = file.sample_rate, file.read(file.frames)
        samples, stretches = self._start(samples, sample_rate)
        yield _row(source, Condition("clean"), *self.figures(samples, sample_rate))
        if not source.damaged:
            return
        voice = read_waveform(other.path, sample_rate)
        for condition, damaged in self.degrader(samples, sample_rate, stretches, source.id, voice):
            yield _row(source, condition, *self.figures(damaged, sample_rate))

    def _start(self, samples: np.ndarray, sample_rate: int) -> tuple[np.ndarray, list[Stretch]]:
        """The first seconds of a long clip, up to a pause."""
        stretches = self.speech(samples, sample_rate)
        if not stretches:
            return samples, []
        kept = [s for s in stretches if s.end - stretches[0].start <= LONGEST] or stretches[:1]
        return samples[: round((kept[-1].end + 0.3) * sample_rate)], kept


def choose(speech: Path, clips: int, damaged: int, seed: int) -> list[Source]:
    """``clips`` of each speaker, ``damaged`` of them to be damaged; and every clip of ``untranscribed``, as it is."""
    random = np.random.default_rng(seed)
    groups: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in _table(speech / "manifest.csv"):
        if int(row["sample_rate"]) > 8000:
            groups[f"{row['corpus']}_{row['speaker']}"].append(row)
    alone = [speaker for speaker, rows in groups.items() if len(rows) == 1]
    # Every third speaker of a single clip is damaged, so that they do not outweigh the others.
    spared = {speaker for index, speaker in enumerate(sorted(alone)) if index % 3}
    sources = []
    half = halves(list(groups))
    for speaker in sorted(groups):
        chosen = random.permutation(len(groups[speaker]))[:clips]
        for index, number in enumerate(chosen):
            row = groups[speaker][number]
            hurt = index < damaged and speaker not in spared
            name = row["path"]
            sources.append(Source(speech / name, name, speaker, half[speaker], hurt))
    more = _table(speech / "untranscribed" / "manifest.csv")
    half = halves([row["path"] for row in more])
    sources += [Source(speech / row["path"], row["path"], f"more_{row['speaker']}", half[row["path"]], False) for row in more]
    return sources


def measure(speech: str, mos_seconds: float, source: Source, other: Source) -> list[dict]:
    """The rows of one clip, in a process of its own."""
    return list(_bench(speech, mos_seconds).rows(source, other))


def measure_ready_made(speech: str, mos_seconds: float) -> list[dict]:
    """The rows of what comes damaged."""
    bench = _bench(speech, mos_seconds)
    rows = []
    for kind in ("degraded_", "noisy_speech", "reverberant_speech"):
        for condition, path in bench.degrader.ready_made(kind):
            with WaveformFile(path) as file:
                figures = bench.figures(file.read(file.frames), file.sample_rate)
            rows.append(_row(Source(path, path.stem, "", "", False), condition, *figures))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speech", type=Path, required=True, help="folder with manifest.csv, untranscribed/ and noise/")
    parser.add_argument("--output", type=Path, required=True, help="CSV to write")
    parser.add_argument("--clips", type=int, default=12, help="most clean clips of each speaker")
    parser.add_argument("--damaged", type=int, default=2, help="of them, damaged in every way")
    parser.add_argument("--mos-seconds", type=float, default=SignalJudge(mos=False).mos_seconds)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    began = time.monotonic()
    sources = choose(arguments.speech, arguments.clips, arguments.damaged, arguments.seed)
    others = [sources[zlib.crc32(source.id.encode()) % len(sources)] for source in sources]
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(arguments.processes) as pool, arguments.output.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*COLUMNS, *(field.name for field in fields(Quality))], extrasaction="ignore")
        writer.writeheader()
        count = len(sources)
        results = pool.map(measure, [str(arguments.speech)] * count, [arguments.mos_seconds] * count, sources, others)
        for rows in track(results, "clips", total=count):
            writer.writerows(rows)
            file.flush()
        writer.writerows(measure_ready_made(str(arguments.speech), arguments.mos_seconds))
    print(f"{arguments.output}: {time.monotonic() - began:.0f} s with {arguments.processes} processes")


@cache
def _bench(speech: str, mos_seconds: float) -> Bench:
    return Bench(Path(speech), mos_seconds)


def _row(source: Source, condition: Condition, speech: bool, seconds: float, quality: Quality) -> dict:
    about = {"clip": source.id, "speaker": source.speaker, "half": source.half, "seconds": round(seconds, 2), "speech": int(speech)}
    damage = {"kind": condition.kind, "name": condition.name, "level": condition.level}
    return {**about, **damage, "condition_half": condition.half, "strong": int(condition.strong), **asdict(quality)}


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


if __name__ == "__main__":
    main()
