from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

from rich.console import Console

from sovits.data.manifest import Utterance
from sovits.data.preparation.outcome import Note, Omission
from sovits.data.preparation.report import PreparationReport
from sovits.data.quality.quality import Reason

CLIPPED = Reason("clipping", "2 % of the samples are clipped: record more softly")


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
    noisy = tuple(
        Utterance(f"ann/q{n}", "q.wav", "ann", "en", "oh", 0.0, 2.0, 2.0, "train", "ann/q.wav", "sidecar:a", f"q{n}", reasons=reasons)
        for n, reasons in enumerate([(Reason("snr", "3 dB: record in quiet"),), (Reason("snr", "4 dB: record in quiet"), CLIPPED)])
    )
    notes = tuple(Note(f"ann/{n}.wav", "ann", "2 channels mixed into one") for n in range(5))
    return PreparationReport(output, ("ann", "bob"), kept, noisy, omissions, 9, 2, 60.0, 1.5, notes, {"snr": {"min": 12.0}})


def test_reasons_come_with_their_recordings_the_most_frequent_first(tmp_path: Path) -> None:
    reasons = report(tmp_path).reasons()
    assert [(reason.split(";")[0], len(names)) for reason, names in reasons] == [("less speech than needed", 5), ("no transcript", 1)]
    assert reasons[0][1][0] == "bob/0.wav (0.5-1.2 s)"


def test_the_summary_fits_a_terminal_and_says_where_the_rest_is(tmp_path: Path) -> None:
    console = Console(file=StringIO(), width=80)
    report(tmp_path).print(console)
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    assert "Speaker ann: 12 s of the advised 60 s: record 48 s more." in printed
    assert 'Speaker ann: Record again for snr: "oh" and 1 more.' in printed
    assert "Speaker bob: Nothing of this speaker can be used." in printed
    assert "Noted, 5: 2 channels mixed into one: ann/0.wav" in printed
    assert "Left out, 5: less speech than needed; record more: bob/0.wav" in printed
    assert f"and 2 more in {tmp_path / 'report.md'}" in printed
    assert "3 utterances, 12.0 s, from 9 recordings (2 reused) in 1.5 s; 2 quarantined, 6 left out" in printed


def test_the_files_hold_every_omission(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    report(tmp_path / "set").save()
    data = json.loads((tmp_path / "set" / "report.json").read_text(encoding="utf-8"))
    assert (data["utterances"], data["seconds"], len(data["left_out"])) == (3, 12.0, 6)
    assert data["speakers"][0]["languages"] == ["en", "mixed", "zh"]
    assert (data["speakers"][0]["quarantined"], data["speakers"][0]["quarantined_seconds"], data["speakers"][0]["enough"]) == (
        2,
        4.0,
        False,
    )
    assert data["limits"] == {"snr": {"min": 12.0}}
    assert len(data["notes"]) == 5
    page = (tmp_path / "set" / "report.md").read_text(encoding="utf-8")
    assert page.count("less speech than needed") == 5
    assert "bob/a\\|b.wav | all |" in page
    assert "| ann/q1 | ann/q.wav | 4 dB: record in quiet; 2 % of the samples are clipped: record more softly |" in page
    assert "| 2 channels mixed into one | 5 | ann/0.wav, ann/1.wav, ann/2.wav |" in page


def test_everything_that_is_not_kept_is_a_problem(tmp_path: Path) -> None:
    problems = report(tmp_path).problems()
    assert len(problems) == 8
    assert problems[0] == ("bob/a|b.wav", "no transcript; write one")
    assert problems[-1] == ("ann/q1", "4 dB: record in quiet")
