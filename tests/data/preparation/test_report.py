from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

from rich.console import Console

from sovits.data.manifest import Utterance
from sovits.data.preparation.outcome import Omission
from sovits.data.preparation.report import PreparationReport


def report(output: Path) -> PreparationReport:
    kept = tuple(
        Utterance(f"ann/{n}", f"{n}.wav", "ann", language, "hi", 0.0, 4.0, 4.0, split, f"ann/{n}.wav", "sidecar:a", "0")
        for n, (language, split) in enumerate([("en", "train"), ("zh", "val"), ("mixed", "test")])
    )
    short = "less speech than needed; record more"
    omissions = (
        Omission("bob/a|b.wav", "bob", "no transcript; write one"),
        *(Omission(f"bob/{n}.wav", "bob", short, 0.5, 1.25) for n in range(5)),
    )
    return PreparationReport(output, ("ann", "bob"), kept, omissions, 9, 2, advised_speaker_seconds=60.0, elapsed=1.5)


def test_reasons_come_with_their_recordings_the_most_frequent_first(tmp_path: Path) -> None:
    reasons = report(tmp_path).reasons()
    assert [(reason.split(";")[0], len(names)) for reason, names in reasons] == [("less speech than needed", 5), ("no transcript", 1)]
    assert reasons[0][1][0] == "bob/0.wav (0.5-1.2 s)"


def test_the_summary_fits_a_terminal_and_says_where_the_rest_is(tmp_path: Path) -> None:
    console = Console(file=StringIO(), width=80)
    report(tmp_path).print(console)
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    assert "Warning: speaker ann: under the advised 60 s: add recordings" in printed
    assert "Warning: speaker bob: left out" in printed
    assert "Left out, 5: less speech than needed; record more: bob/0.wav" in printed
    assert f"and 2 more in {tmp_path / 'report.md'}" in printed
    assert "3 utterances, 12.0 s, from 9 recordings (2 reused) in 1.5 s; 6 left out" in printed


def test_the_files_hold_every_omission(tmp_path: Path) -> None:
    report(tmp_path / "set").save()
    data = json.loads((tmp_path / "set" / "report.json").read_text(encoding="utf-8"))
    assert (data["utterances"], data["seconds"], len(data["left_out"])) == (3, 12.0, 6)
    assert data["speakers"][0]["languages"] == ["en", "mixed", "zh"]
    page = (tmp_path / "set" / "report.md").read_text(encoding="utf-8")
    assert page.count("less speech than needed") == 5
    assert "bob/a\\|b.wav | all |" in page
