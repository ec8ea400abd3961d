"""Folders of finished runs with planted figures and a tenth of a second of sound for each clip."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import yaml

from sovits.audio.waveform import write_waveform
from sovits.runs.record import FINISHED, RunRecord

RATE = 8000
FIGURES = {
    "similarity": {"heading": "voice", "meaning": "likeness of the voice, -1 to 1", "higher_is_better": True, "digits": 3},
    "mos": {"heading": "MOS", "meaning": "predicted opinion, 1 to 5", "higher_is_better": True, "digits": 2},
    "mel": {"heading": "mel", "meaning": "mean log-mel difference, nats", "higher_is_better": False, "digits": 3},
}
TEXTS = ("Hello & <b>goodbye</b>.", "欢迎致电客服中心。", "A third 'sentence' of \"signs\".", "And one more.")


@dataclass(frozen=True)
class Planted:
    """A run to be written.

    Args:
        overrides: as its command said; ``embedding_size``, ``seed``, ``data.speaker`` and any other key enter the configuration.
        figure: the value of a figure for (name, clip number); names with endings too; None leaves the cell empty.
        figures: which there are.
        speakers: of the test sentences, and how many each has.
    """

    overrides: Sequence[str] = ()
    figure: Callable[[str, int], float | None] = lambda _, clip: 1.0 + 0.1 * clip
    figures: Sequence[str] = tuple(FIGURES)
    speakers: Mapping[str, int] = field(default_factory=lambda: {"ana": 3, "bo x": 2})
    status: str = FINISHED
    reason: str | None = None
    steps: int = 1000
    minutes: float = 4.0
    data: Mapping[str, Any] = field(default_factory=lambda: {"root": "outputs/prepared/set", "fingerprint": "f1"})
    summary: Mapping[str, Any] = field(default_factory=dict)
    choices: Mapping[str, str] = field(default_factory=lambda: {"decoder": "frame_rate"})
    texts: Sequence[str] = TEXTS
    evaluated: bool = True
    sound: bool = True

    def write(self, run: Path) -> Path:
        """Writes the run's folder and returns it."""
        self._write_config(run)
        seconds = {speaker: 60 * self.minutes / len(self.speakers) for speaker in self.speakers}
        data = {**self.data, "clips": dict.fromkeys(self.speakers, 40), "seconds": seconds}
        times = {"started": "2026-11-22T10:00:00+00:00", "updated": "2026-11-22T10:10:00+00:00"}
        RunRecord(self.status, self.reason, **times, attempts=1, overrides=list(self.overrides), generator_step=self.steps, data=data).save(
            run
        )
        self._write_curves(run)
        if self.evaluated:
            self._write_evaluation(run / "evaluation")
        return run

    def _write_config(self, run: Path) -> None:
        config: dict[str, Any] = {
            "seed": 0,
            "embedding_size": 256,
            "paths": {"run": "${hydra:runtime.output_dir}", "outputs": "outputs"},
            "data": {"root": self.data["root"], "speaker": None, "seed": "${seed}"},
            "model": {"channels": "${embedding_size}", "decoder": {"_target_": "sovits.modules.FrameRateDecoder"}},
            "training": {"steps": self.steps, "adversary_from": 0, "rounds": {"accumulate": 1, "discriminator_ratio": 1}},
        }
        for override in self.overrides:
            key, _, value = override.lstrip("+").partition("=")
            node, names = config, key.split(".")
            for name in names[:-1]:
                node = node.setdefault(name, {})
            if key not in self.choices:
                node[names[-1]] = yaml.safe_load(value)
        if self.choices["decoder"] != "frame_rate":
            config["model"]["decoder"] = {"_target_": f"sovits.modules.{self.choices['decoder']}", "rates": [8, 8]}
        folder = run / ".hydra"
        folder.mkdir(parents=True)
        hydra = {"hydra": {"runtime": {"choices": {**self.choices, "hydra/launcher": "basic"}}}}
        for name, content in (("config", config), ("hydra", hydra), ("overrides", list(self.overrides))):
            (folder / f"{name}.yaml").write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")

    def _write_curves(self, run: Path) -> None:
        rows = [{"epoch": 0, "step": step, "train/generator/mel": 2.0, "val/mel": "", "val/similarity": ""} for step in (9, 19)]
        rows += [
            {"epoch": 0, "step": step - 1, "train/generator/mel": "", "val/mel": 2 - step / self.steps, "val/similarity": step / self.steps}
            for step in (self.steps // 2, self.steps)
        ]
        (run / "csv").mkdir()
        _write_csv(run / "csv" / "metrics.csv", rows)

    def _write_evaluation(self, folder: Path) -> None:
        rows, number = [], 0
        for speaker, count in self.speakers.items():
            for clip in range(count):
                row: dict[str, Any] = {"id": f"{speaker}/{clip}", "speaker": speaker, "zero_shot": False, "language": "en"}
                row |= {
                    "text": self.texts[(len(speaker) + clip) % len(self.texts)],
                    "seconds": 0.1,
                    "seconds_synthesis": 0.1,
                    "real_time_factor": 0.5,
                }
                for name in self.figures:
                    for ending in ("", "_real", "_reconstruction") if name != "mel" else ("", "_reconstruction"):
                        value = self.figure(name + ending, number)
                        row[name + ending] = "" if value is None else value
                rows.append(row)
                if self.sound:
                    self._write_sounds(folder, speaker, clip, number)
                number += 1
        folder.mkdir(exist_ok=True)
        _write_csv(folder / "metrics.csv", rows)
        summary = {"checkpoint": "x.ckpt", "generator step": self.steps, "prepared set": self.data["root"], "split": "test"}
        summary |= {"figures": {name: FIGURES[name] for name in self.figures}, "judges": {name: {"encoder": "x"} for name in self.figures}}
        (folder / "summary.json").write_text(json.dumps({**summary, **self.summary}), encoding="utf-8")

    def _write_sounds(self, folder: Path, speaker: str, clip: int, number: int) -> None:
        time = np.arange(RATE // 10) / RATE
        for kind, hertz in (("recording", 300), ("reconstruction", 400), ("synthesis", 500 + crc32(repr(self.overrides).encode()) % 997)):
            tone = 0.3 * np.sin(2 * np.pi * (hertz + 10 * number) * time)
            write_waveform(folder / "audio" / speaker.replace(" ", "_") / f"{clip}_{kind}.wav", tone.astype(np.float32), RATE)


def _write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
