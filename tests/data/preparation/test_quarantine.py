from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from sovits.audio.waveform import read_waveform, write_waveform
from sovits.data.manifest import QUARANTINE_NAME, Manifest, Utterance
from sovits.data.quality.gate import Gate
from sovits.data.quality.quality import Reason
from sovits.errors import SovitsError
from tests.preparing import names, preparation, prepare


@dataclass
class GateOf:
    """Refuses what ``refuses`` says."""

    refuses: Callable[[Utterance], bool]
    limits: dict[str, dict[str, float]] = field(default_factory=lambda: {"snr": {"min": 12.0}})

    def __call__(self, utterance: Utterance) -> tuple[Reason, ...]:
        return (Reason("snr", "3.0 dB of speech over noise: record it again"),) if self.refuses(utterance) else ()

    def unmatched(self, ids: Iterable[str]) -> list[str]:
        return []


class PitchEncoder:
    """A voice is where the energy lies: a stand-in that tells a shrill clip from a deep one."""

    sample_rate, channels = 16000, 4
    settings: ClassVar[dict[str, Any]] = {"encoder": "pitch"}

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        spectrum = np.abs(np.fft.rfft(samples, 1 << 16)) ** 2
        bands = np.array([part.sum() for part in np.array_split(spectrum, 4)])
        return (bands / np.linalg.norm(bands)).astype(np.float32)


def test_what_the_gate_refuses_is_kept_apart_with_its_reasons_and_nothing_is_deleted(recordings: Path, tmp_path: Path) -> None:
    gate = GateOf(lambda utterance: utterance.id in ("alice/alice_02", "bruno/bruno_01_0003"))
    report = prepare(recordings, tmp_path / "set", gate=gate)
    kept, quarantined = Manifest.load(tmp_path / "set"), Manifest.load(tmp_path / "set", QUARANTINE_NAME)
    assert [u.id for u in quarantined.utterances] == ["alice/alice_02", "bruno/bruno_01_0003"]
    assert len(kept.utterances) == 10
    assert not any(u.reasons for u in kept.utterances)
    assert quarantined.utterances[0].reasons == (Reason("snr", "3.0 dB of speech over noise: record it again"),)
    assert all((tmp_path / "set" / u.path).is_file() for u in quarantined.utterances)
    alice = report.summaries()[0]
    assert (alice.utterances, alice.quarantined, alice.left_out) == (3, 1, 0)
    assert alice.advice[-1] == f'Record again for snr: "{quarantined.utterances[0].text}".'
    data = json.loads((tmp_path / "set" / "report.json").read_text(encoding="utf-8"))
    assert data["limits"] == {"snr": {"min": 12.0}}
    page = (tmp_path / "set" / "report.md").read_text(encoding="utf-8")
    assert "| bruno/bruno_01_0003 | bruno/bruno_01.wav | 3.0 dB of speech over noise: record it again |" in page


def test_another_gate_judges_again_without_cutting_again(recordings: Path, tmp_path: Path) -> None:
    prepare(recordings, tmp_path / "set", gate=GateOf(lambda utterance: utterance.speaker == "mei"))
    assert Manifest.load(tmp_path / "set").speakers == ["alice", "bruno"]
    report = prepare(recordings, tmp_path / "set")
    assert report.reused == report.recordings
    assert Manifest.load(tmp_path / "set").speakers == ["alice", "bruno", "mei"]
    assert Manifest.load(tmp_path / "set", QUARANTINE_NAME).utterances == ()


def test_a_researcher_overrules_the_gate_by_name_and_is_told_of_names_that_are_nobody_s(recordings: Path, tmp_path: Path) -> None:
    gate = Gate(reverberation_max=0.001, keep=["alice/*", "mei/mei_01"], refuse=["alice/alice_02", "bruno/typo"])
    report = prepare(recordings, tmp_path / "set", gate=gate)
    assert [u.id for u in report.kept] == ["alice/alice_01", "alice/alice_03", "alice/alice_04", "mei/mei_01"]
    assert "alice/alice_02" in [u.id for u in report.quarantined if u.reasons[0].measure == "refuse"]
    assert [(note.recording, note.note) for note in report.notes] == [("gate.keep or gate.refuse: bruno/typo", "no clip is called so")]


def test_strict_refuses_a_quarantine(recordings: Path, tmp_path: Path) -> None:
    gate = GateOf(lambda utterance: utterance.id == "mei/mei_01")
    with pytest.raises(SovitsError, match=r"strict=true and 1 not kept: mei/mei_01: 3\.0 dB of speech over noise"):
        prepare(recordings, tmp_path / "set", gate=gate, strict=True)


def test_every_speaker_refused_is_an_error(recordings: Path, tmp_path: Path) -> None:
    with pytest.raises(SovitsError, match=r"Nothing can be used: alice/alice_01 and 11 more: 3\.0 dB"):
        prepare(recordings, tmp_path / "set", gate=GateOf(lambda _: True))


def test_the_same_sound_in_another_format_is_kept_once(recordings: Path, tmp_path: Path) -> None:
    sound = read_waveform(recordings / "mei" / "mei_01.wav", 22050)
    write_waveform(recordings / "mei" / "again.flac", sound, 22050)
    shutil.copy(recordings / "mei" / "mei_01.txt", recordings / "mei" / "again.txt")
    report = prepare(recordings, tmp_path / "set")
    (double,) = report.quarantined
    assert double.id == "mei/mei_01"
    assert double.reasons == (Reason("duplicate", "the same sound as mei/again: keep one of the two recordings"),)


def test_a_clip_in_another_voice_stands_out(recordings: Path, tmp_path: Path) -> None:
    shrill = read_waveform(recordings / "alice" / "alice_03.wav", 22050)
    write_waveform(recordings / "alice" / "alice_03.wav", np.diff(shrill, 3, prepend=[0.0] * 3), 22050)
    prepared = preparation(encoder=PitchEncoder()).run(_found(recordings), tmp_path / "set")
    assert prepared is not None
    distances = {u.id: u.quality.voice_distance for u in prepared.report.kept if u.speaker == "alice"}
    assert max(distances, key=lambda name: distances[name] or 0.0) == "alice/alice_03"
    ordinary = max(distance or 0.0 for name, distance in distances.items() if name != "alice/alice_03")
    assert (distances["alice/alice_03"] or 0.0) > 3 * ordinary
    assert {u.content_hash for u in prepared.report.kept} == set(prepared.voices)


def test_voices_are_embedded_once_for_each_sound(recordings: Path, tmp_path: Path) -> None:
    class Counting(PitchEncoder):
        calls = 0

        def __call__(self, samples: np.ndarray) -> np.ndarray:
            type(self).calls += 1
            return super().__call__(samples)

    first = preparation(encoder=Counting()).run(_found(recordings), tmp_path / "set")
    assert Counting.calls == 12
    (recordings / "mei" / "mei_01.wav").rename(recordings / "mei" / "other.wav")
    (recordings / "mei" / "mei_01.txt").rename(recordings / "mei" / "other.txt")
    second = preparation(encoder=Counting()).run(_found(recordings), tmp_path / "set")
    assert Counting.calls == 12
    assert first is not None
    assert second is not None
    assert first.voices.keys() == second.voices.keys()
    half = next((tmp_path / "set" / "cache" / "voices").glob("*/*.npy"))
    half.write_bytes(half.read_bytes()[:20])
    preparation(encoder=Counting()).run(_found(recordings), tmp_path / "set")
    assert Counting.calls == 13
    Counting.settings = {"encoder": "pitch", "version": 2}
    preparation(encoder=Counting()).run(_found(recordings), tmp_path / "set")
    assert Counting.calls == 25


def test_what_is_unusual_is_noted_and_used(recordings: Path, tmp_path: Path) -> None:
    import soundfile

    sound = read_waveform(recordings / "mei" / "mei_01.wav", 96000)
    soundfile.write(recordings / "mei" / "mei_01.wav", np.stack([0.5 * sound + 0.05] * 6, axis=1), 96000, subtype="PCM_24")
    low = read_waveform(recordings / "mei" / "mei_02.wav", 8000)
    soundfile.write(recordings / "mei" / "mei_02.wav", low, 8000, subtype="FLOAT")
    report = prepare(recordings, tmp_path / "set")
    assert report.omissions == ()
    notes = {name: sorted(note.note for note in report.notes if note.recording == name) for name in ("mei/mei_01.wav", "mei/mei_02.wav")}
    assert notes["mei/mei_01.wav"] == [
        "6 channels mixed into one",
        "96000 Hz brought down to the set's 22050",
        "PCM_24 samples stored with 16 bits",
        "a constant offset (DC) of 0.050 taken out",
    ]
    assert notes["mei/mei_02.wav"] == [
        "8000 Hz, less than the set's 22050: its clips hold nothing above 4000 Hz",
        "FLOAT samples stored with 16 bits",
    ]
    assert len(report.notes) == 6
    assert {u.id: u.quality.source_rate for u in report.kept if u.speaker == "mei"}["mei/mei_02"] == 8000
    page = (tmp_path / "set" / "report.md").read_text(encoding="utf-8")
    assert "| 6 channels mixed into one | 1 | mei/mei_01.wav |" in page
    clip, _ = soundfile.read(tmp_path / "set" / "audio" / "mei" / "mei_01.wav")
    assert abs(clip.mean()) < 1e-3


def test_nothing_of_a_run_depends_on_the_number_of_threads(recordings: Path, tmp_path: Path) -> None:
    for workers in (1, 4):
        prepare(recordings, tmp_path / str(workers), workers=workers)
    found = {workers: {name: (tmp_path / workers / name).read_bytes() for name in names(tmp_path / workers)} for workers in ("1", "4")}
    varying = {"report.json", "report.md"}  # they tell the time it took
    assert found["1"].keys() == found["4"].keys()
    assert all(found["1"][name] == found["4"][name] for name in found["1"] if name not in varying)


def _found(recordings: Path) -> list[Any]:
    from sovits.data.corpora.folders import Folders

    return Folders(recordings).find()
