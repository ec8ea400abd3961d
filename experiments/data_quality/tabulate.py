"""What the gate does with measured clips: a table by kind and level, and a plot.

python -m experiments.data_quality.tabulate --measures outputs/data_quality/measures.csv --output experiments/data_quality
"""

from __future__ import annotations

import argparse
import csv
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sovits.cli import config_directory
from sovits.data.manifest import Utterance
from sovits.data.quality.gate import Gate
from sovits.data.quality.quality import Quality
from sovits.reporting.pictures import save_figure

Row = dict[str, str]
NO_SPEECH = "no speech found"
COLOURS = {"noise": "tab:blue", "music": "tab:orange", "room": "tab:green", "clean": "tab:gray"}
BY_SPEAKER = 12
"""Speakers of the plot's last panel, worst first."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measures", type=Path, required=True, help="CSV that experiments.data_quality.measure wrote")
    parser.add_argument("--output", type=Path, required=True, help="folder for results.csv, speakers.csv and gate.png")
    parser.add_argument("--gate", nargs="*", default=[], metavar="KEY=VALUE", help="other thresholds, e.g. gate.snr_min=15")
    arguments = parser.parse_args()
    with initialize_config_dir(str(config_directory()), version_base="1.3"):
        gate = instantiate(compose("gate/default", arguments.gate)["gate"])
    with arguments.measures.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["caught"] = " ".join(caught_by(row, gate))
    results = table(rows)
    write(arguments.output / "results.csv", results)
    speakers = by_speaker(rows)
    write(arguments.output / "speakers.csv", speakers)
    save_figure(plot(rows, speakers), arguments.output / "gate.png")
    for result in results:
        shares = f"report {result['caught_report'] or '-':>6}  all {result['caught']:>6}  of {result['clips']:>4}"
        print(f"{result['kind']:12} {result['level']:44.44} {shares}  {result['by']}")


def caught_by(row: Row, gate: Gate) -> list[str]:
    """The measures that refuse a clip."""
    if row["speech"] == "0":
        return [NO_SPEECH.replace(" ", "_")]
    types = {"source_rate": int, "heard_language": str}
    figures = {field.name: types.get(field.name, float)(row[field.name]) for field in fields(Quality) if row[field.name]}
    clip = Utterance(row["clip"], "", row["speaker"], "en", "", 0.0, 1.0, 1.0, "train", "", "", "", (), Quality(**figures))
    return [reason.measure for reason in gate(clip)]


def table(rows: Sequence[Row]) -> list[dict[str, object]]:
    """One line for each kind and level; the report half is the other speakers, under the other noises and rooms."""
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if row["kind"] == "clean":
            groups["clean", "more speakers" if row["speaker"].startswith("more_") else "corpora"].append(row)
            groups["clean", "all"].append(row)
        elif row["kind"] == "room":
            strong = "strong" if row["strong"] == "1" else "other"
            groups["room", f"all {strong} ones"].append(row)
            groups["room", f"{row['name']}: {row['level']}"].append(row)
        elif row["kind"] in ("noise", "music"):
            groups[row["kind"], row["level"]].append(row)
            if row["level"] == "5 dB":
                groups[row["kind"], f"5 dB, {row['name']}"].append(row)
        elif row["kind"] == "noisy_speech":
            groups[row["kind"], row["level"] if "0 dB" in row["level"] else "corpus noise"].append(row)
        else:
            groups[row["kind"], re.sub(r"second speaker \(.*\) ", "second speaker ", row["level"] or row["name"])].append(row)
    return [_line(kind, level, groups[kind, level]) for kind, level in sorted(groups, key=_order)]


def by_speaker(rows: Sequence[Row]) -> list[dict[str, object]]:
    """Clean clips that are refused, of each speaker with more than one."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row["kind"] == "clean":
            single = row["speaker"].startswith(("aishell3_", "more_"))
            groups[row["speaker"].split("_")[0] + " (one clip a speaker)" if single else row["speaker"]].append(row)
    lines = []
    for speaker, own in sorted(groups.items()):
        medians = {name: _median(row[name] for row in own) for name in ("snr", "mos_background", "reverberation", "bandwidth")}
        half = own[0]["half"] if len({row["half"] for row in own}) == 1 else "both"
        refused = sum(bool(row["caught"]) for row in own)
        lines.append({"speaker": speaker, "half": half, "clips": len(own), "refused": refused, "by": _by(own), **medians})
    return lines


def plot(rows: Sequence[Row], speakers: Sequence[dict[str, object]]) -> Figure:
    """Shares that are caught: by level, by room, and of clean speech."""
    figure = Figure(figsize=(13, 4.2), layout="constrained")
    levels, rooms, clean = figure.subplots(1, 3, width_ratios=(1, 1, 1.1))
    for kind in ("noise", "music"):
        found = sorted({row["level"] for row in rows if row["kind"] == kind}, key=lambda level: int(level.split()[0]))
        for name, chosen, style in (("held out", _reported(rows), "o-"), ("all", rows, "o:")):
            shares = [_share(row for row in chosen if row["kind"] == kind and row["level"] == level) for level in found]
            levels.plot([int(level.split()[0]) for level in found], shares, style, color=COLOURS[kind], label=f"{kind}, {name}")
    _finish(levels, "Speech over noise or music (dB)", "Noise and music")
    levels.legend(loc="lower left")
    for strong, marker in (("1", "s"), ("0", "o")):
        names = sorted({row["name"] for row in rows if row["kind"] == "room" and row["strong"] == strong})
        points = [(_t60(rows, name), _share(row for row in rows if row["name"] == name)) for name in names]
        # The noise floor of a recorded response makes its T60 meaningless.
        points = [point for point in points if point[0] < 4]
        rooms.plot(*zip(*points, strict=True), marker, color=COLOURS["room"] if strong == "1" else COLOURS["clean"], alpha=0.8)
        rooms.plot(
            [], [], marker, color=COLOURS["room"] if strong == "1" else COLOURS["clean"], label="strong" if strong == "1" else "other"
        )
    _finish(rooms, "T60 (s)", "Rooms")
    rooms.legend(loc="lower right")
    worst = sorted(speakers, key=lambda line: -int(str(line["refused"])) / int(str(line["clips"])))[:BY_SPEAKER][::-1]
    clean.barh([f"{line['speaker']} ({line['clips']})" for line in worst], [int(str(w["refused"])) / int(str(w["clips"])) for w in worst])
    clean.axvline(0.05, color="black", linewidth=0.8, linestyle="--")
    clean.set_xlim(0, 1)
    clean.set_xlabel("Share refused")
    clean.set_title("Clean speech, the worst speakers (clips)")
    return figure


def _finish(axes: Axes, label: str, title: str) -> None:
    axes.axhline(0.95, color="black", linewidth=0.8, linestyle="--")
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel(label)
    axes.set_ylabel("Share caught")
    axes.set_title(title)
    axes.grid(linewidth=0.3)


def _line(kind: str, level: str, rows: Sequence[Row]) -> dict[str, object]:
    reported = _reported(rows)
    about = {"kind": kind, "level": level, "clips": len(rows), "caught": f"{_share(rows):.3f}"}
    held = {"clips_report": len(reported), "caught_report": f"{_share(reported):.3f}" if reported else ""}
    return {**about, **held, "by": _by(rows)}


def _reported(rows: Iterable[Row]) -> list[Row]:
    return [row for row in rows if row["half"] == "report" and row["condition_half"] in ("", "report")]


def _share(rows: Iterable[Row]) -> float:
    caught = [bool(row["caught"]) for row in rows]
    return float(np.mean(caught)) if caught else float("nan")


def _by(rows: Sequence[Row]) -> str:
    """Which measures refuse, with the share of clips that each does."""
    counts = Counter(measure for row in rows for measure in row["caught"].split())
    return ", ".join(f"{measure} {count / len(rows):.0%}" for measure, count in counts.most_common())


def _median(values: Iterable[str]) -> float | None:
    known = [float(value) for value in values if value]
    return round(float(np.median(known)), 2) if known else None


def _t60(rows: Sequence[Row], name: str) -> float:
    level = next(row["level"] for row in rows if row["name"] == name)
    return float(level.split()[1])


def _order(group: tuple[str, str]) -> tuple[int, str, float, str]:
    kind, level = group
    kinds = ("clean", "noise", "music", "room", "clipping", "band", "overlap")
    number = re.match(r"\d+", level)
    return kinds.index(kind) if kind in kinds else len(kinds), kind, -float(number[0]) if number else 0.0, level


def write(path: Path, lines: Sequence[dict[str, object]]) -> None:
    """A CSV of ``lines``."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)


if __name__ == "__main__":
    main()
