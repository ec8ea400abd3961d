"""What no header tells: another text, another person, music. Judged with the gate as it is configured."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from sovits.audio.waveform import read_waveform, write_waveform
from sovits.data.corpora.metadata import MetadataTable
from sovits.data.corpora.recording import Recording, select_speakers
from sovits.data.preparation.transcription import WhisperTranscriber
from sovits.data.quality.gate import Gate
from sovits.data.quality.signal import SignalJudge
from sovits.metrics import ResemblyzerEncoder
from tests.closed_vocabulary import WHISPER, speak_sentences
from tests.preparing import preparation, prepare

CONFIGURED = Path(__file__).parents[3] / "conf" / "gate" / "default.yaml"


def gate(*measures: str) -> Gate:
    """The configured gate, with nothing but these thresholds."""
    thresholds = OmegaConf.to_container(OmegaConf.load(CONFIGURED))
    assert isinstance(thresholds, dict)
    return Gate(**{str(name): thresholds[name] for name in measures})


def test_a_transcript_of_another_file_is_quarantined(tmp_path: Path) -> None:
    folder = tmp_path / "recordings" / "reader"
    texts = {n: speak_sentences(folder / f"{n}.wav", 1, seed=n)[0] for n in range(6)}
    swapped = texts | {1: texts[4], 4: texts[1]}
    for number, text in swapped.items():
        (folder / f"{number}.txt").write_text(text, encoding="utf-8")
    report = prepare(
        tmp_path / "recordings",
        tmp_path / "set",
        transcriber=WhisperTranscriber(str(WHISPER)),
        gate=gate("alignment_confidence_min", "disagreement_max"),
    )
    assert report.omissions == ()
    assert [u.id for u in report.quarantined] == ["reader/1", "reader/4"]
    for utterance in report.quarantined:
        assert {reason.measure for reason in utterance.reasons} == {"alignment_confidence", "disagreement"}
        assert (utterance.quality.disagreement or 0.0) > 0.5
    assert all((u.quality.disagreement or 0.0) < 0.3 for u in report.kept)
    assert all(u.words and u.quality.heard_language == "en" for u in report.kept)


def test_a_clip_of_another_person_in_the_folder_is_quarantined(real_speech: Path, tmp_path: Path) -> None:
    folder = tmp_path / "recordings" / "p225"
    folder.mkdir(parents=True)
    own = sorted((real_speech / "vctk_p225").glob("*.flac"))
    strangers = sorted((real_speech / "vctk_p226").glob("*.flac"))[:2] + sorted((real_speech / "vctk_p257").glob("*.flac"))[:1]
    for path in own + strangers:
        shutil.copy(path, folder / path.name)
        (folder / path.name).with_suffix(".txt").write_text("Please call Stella.", encoding="utf-8")
    report = prepare(tmp_path / "recordings", tmp_path / "set", encoder=ResemblyzerEncoder(), gate=gate("voice_distance_max"))
    assert {u.id.split("/")[1] for u in report.quarantined} == {path.stem for path in strangers}
    assert len(report.kept) == len(own)


@pytest.mark.parametrize("piece", ["brahms_hungarian_dance_5", "vibe_ace", "solo_trumpet_06"])
def test_music_alone_is_no_speech(real_speech: Path, tmp_path: Path, piece: str) -> None:
    samples = read_waveform(real_speech / "noise" / "music" / f"{piece}.flac", 22050)
    tune = write_waveform(tmp_path / "band" / "tune.wav", samples, 22050)
    speech = select_speakers(MetadataTable(real_speech / "manifest.csv").find(), ["p225"])[:3]
    recordings = [Recording(tune, "band/tune.wav", "band", "tune", "This is not a song.", "sidecar:tune.txt"), *speech]
    judged = preparation(gate=instantiate(OmegaConf.load(CONFIGURED)), judge=SignalJudge())
    prepared = judged.run(recordings, tmp_path / "set")
    assert prepared is not None
    report = prepared.report
    assert [u.speaker for u in report.kept] == ["p225"] * 3
    assert {o.recording for o in report.omissions} | {u.recording for u in report.quarantined} == {"band/tune.wav"}
