from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyloudnorm
import pytest
import soundfile

from sovits.audio.waveform import read_waveform, write_waveform
from sovits.data.corpora.folders import Folders
from sovits.data.corpora.recording import select_speakers
from sovits.data.demo import SPEAKERS
from sovits.data.manifest import QUARANTINE_NAME, Manifest
from sovits.data.preparation.content_cache import file_hash
from sovits.data.preparation.segmentation import Segmenter
from sovits.data.preparation.vad import Stretch, VoiceActivityDetector
from sovits.errors import SovitsError
from tests.preparing import names, preparation, prepare
from tests.rehearsed_whisper import rehearsed


@dataclass
class Detector:
    """Finds speech as ``find`` does, under the settings of the real one."""

    settings: dict[str, float]
    find: Callable[[np.ndarray], list[Stretch]]

    def __call__(self, samples: np.ndarray) -> list[Stretch]:
        return self.find(samples)


def test_the_demo_becomes_utterances_of_every_sentence(recordings: Path, tmp_path: Path) -> None:
    report = prepare(recordings, tmp_path / "set")
    manifest = Manifest.load(tmp_path / "set")
    assert manifest.sample_rate == 22050
    assert manifest.speakers == ["alice", "bruno", "mei"]
    assert report.omissions == ()
    assert (report.recordings, report.reused) == (9, 0)
    sentences = {speaker: [u.text for u in manifest.utterances if u.speaker == speaker] for speaker in manifest.speakers}
    for speaker, texts in sentences.items():
        written = " ".join(path.read_text(encoding="utf-8").strip() for path in sorted((recordings / speaker).glob("*.txt")))
        assert " ".join(texts) == written
        assert len(texts) == 4
    assert [u.id for u in manifest.utterances if u.speaker == "bruno"] == [f"bruno/bruno_01_000{n}" for n in (1, 2, 3, 4)]


def test_every_clip_is_what_its_line_says(recordings: Path, tmp_path: Path) -> None:
    root = prepare(recordings, tmp_path / "set").output
    for utterance in Manifest.load(root).utterances:
        clip = root / utterance.path
        samples, rate = soundfile.read(clip)
        info = soundfile.info(clip)
        assert (rate, info.channels, info.subtype) == (22050, 1, "PCM_16")
        assert utterance.content_hash == file_hash(clip)
        assert len(samples) / rate == pytest.approx(utterance.duration, abs=1e-4)
        assert utterance.end - utterance.start == pytest.approx(utterance.duration, abs=1e-3)
        assert 1 <= utterance.duration <= 12
        assert pyloudnorm.Meter(rate).integrated_loudness(samples) == pytest.approx(-23, abs=0.1)
        assert utterance.transcript == f"sidecar:{Path(utterance.recording).stem}.txt"
        assert utterance.language == ("zh" if utterance.speaker == "mei" else "en")
        # The clip is that part of the recording, but for its loudness.
        source = read_waveform(recordings / utterance.recording, 22050, start=utterance.start, end=utterance.end)
        n = min(len(source), len(samples))
        assert np.corrcoef(source[:n], samples[:n])[0, 1] > 0.9999


def test_a_second_run_reuses_everything_and_changes_nothing(recordings: Path, tmp_path: Path) -> None:
    prepare(recordings, tmp_path / "set")
    before = {name: (tmp_path / "set" / name).read_bytes() for name in names(tmp_path / "set") if not name.startswith("report")}

    def not_again(_: np.ndarray) -> list[Stretch]:
        raise AssertionError("the speech was looked for again")

    report = prepare(recordings, tmp_path / "set", detector=Detector(VoiceActivityDetector().settings, not_again))
    assert (report.recordings, report.reused) == (9, 9)
    assert {name: (tmp_path / "set" / name).read_bytes() for name in before} == before
    assert len(list(names(tmp_path / "set"))) == len(before) + 2


def test_only_what_changed_is_done_again(recordings: Path, tmp_path: Path) -> None:
    root = prepare(recordings, tmp_path / "set").output
    first = {u.id: u for u in Manifest.load(root).utterances}
    (recordings / "alice" / "alice_01.txt").write_text("Thank you for your call, how may I help you now?")
    (recordings / "alice" / "alice_02.wav").unlink()
    (recordings / "mei" / "mei_04.wav").rename(recordings / "mei" / "mei_09.wav")
    (recordings / "mei" / "mei_04.txt").rename(recordings / "mei" / "mei_09.txt")
    (root / first["mei/mei_01"].path).write_bytes(b"damaged")
    report = prepare(recordings, root)
    second = {u.id: u for u in Manifest.load(root).utterances}
    assert report.reused == 5  # alice 3, 4; bruno; mei 2, 3
    assert second["alice/alice_01"].text == "Thank you for your call, how may I help you now?"
    assert second.keys() == first.keys() - {"alice/alice_02", "mei/mei_04"} | {"mei/mei_09"}
    assert second["mei/mei_01"].content_hash == first["mei/mei_01"].content_hash == file_hash(root / first["mei/mei_01"].path)
    assert {name for name in names(root) if name.endswith(".wav")} == {u.path for u in second.values()}
    again = prepare(recordings, root)
    assert again.reused == again.recordings


def test_other_settings_make_other_clips(recordings: Path, tmp_path: Path) -> None:
    root = prepare(recordings, tmp_path / "set").output
    report = prepare(recordings, root, sample_rate=16000, segmenter=Segmenter(padding=0.0))
    assert report.reused == 0
    assert {soundfile.info(root / u.path).samplerate for u in Manifest.load(root).utterances} == {16000}


def test_a_killed_run_continues_where_it_was(recordings: Path, tmp_path: Path) -> None:
    whole = prepare(recordings, tmp_path / "whole")
    detect, calls = VoiceActivityDetector(), []

    def killed(samples: np.ndarray) -> list[Stretch]:
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return detect(samples)

    with pytest.raises(KeyboardInterrupt):
        prepare(recordings, tmp_path / "set", detector=Detector(detect.settings, killed))
    assert not (tmp_path / "set" / "manifest.jsonl").exists()
    report = prepare(recordings, tmp_path / "set")
    assert report.reused == 4
    assert report.kept == whole.kept


def test_the_split_is_by_content_and_seed_and_gives_each_speaker_all_three(recordings: Path, tmp_path: Path) -> None:
    def splits(name: str, **options: object) -> dict[str, str]:
        return {u.content_hash: u.split for u in prepare(recordings, tmp_path / name, **options).kept}

    first = splits("a")
    for speaker in prepare(recordings, tmp_path / "a").summaries():
        assert speaker.splits == {"train": 2, "val": 1, "test": 1}
    (recordings / "alice" / "alice_01.wav").rename(recordings / "alice" / "zz.wav")
    (recordings / "alice" / "alice_01.txt").rename(recordings / "alice" / "zz.txt")
    assert splits("b") == first
    assert any(splits("b", seed=seed) != first for seed in (1, 2, 3))
    thirds = splits("c", validation_share=0.5, test_share=0.25)
    assert list(thirds.values()).count("val") == 6
    (recordings / "bruno" / "bruno_01.wav").unlink()
    (recordings / "mei" / "mei_01.wav").unlink()
    (recordings / "mei" / "mei_02.wav").unlink()
    assert {u.split for u in prepare(recordings, tmp_path / "d").kept if u.speaker == "mei"} == {"train"}


def spoil(folder: Path) -> dict[str, str]:
    """Puts every kind of bad file beside alice's good ones; the file's name -> a word of its reason."""
    good = read_waveform(folder / "alice_01.wav", 22050)
    rng = np.random.default_rng(0)
    write_waveform(folder / "silent.wav", np.zeros(44100), 22050)
    write_waveform(folder / "hiss.wav", 0.01 * rng.standard_normal(44100), 22050)
    write_waveform(folder / "short.wav", good[5000:15000], 22050)
    cut = write_waveform(folder / "cut.flac", rng.permutation(good), 22050)
    cut.write_bytes(cut.read_bytes()[:5000])
    cut = write_waveform(folder / "half.wav", good, 22050)
    cut.write_bytes(cut.read_bytes()[:20000])
    (folder / "empty.wav").touch()
    (folder / "text.wav").write_text("hello there")
    (folder / "phone.m4a").write_bytes(b"\0\0\0\x20ftypM4A ")
    shutil.copy(folder / "alice_01.wav", folder / "copy.wav")
    for number, name in enumerate(("untold", "blank", "russian", "dots", "gbk")):
        write_waveform(folder / f"{name}.wav", 0.9**number * good[: -1 - number], 22050)
    for path in folder.glob("*.*"):
        if path.suffix != ".txt" and not path.stem.startswith(("alice", "untold")):
            path.with_suffix(".txt").write_text(
                {"blank": " \n", "russian": "Привет всем", "dots": "..."}.get(path.stem, "Hello there."), encoding="utf-8"
            )
    (folder / "gbk.txt").write_bytes("你好".encode("gb18030"))
    return {
        "silent.wav": "no speech was found",
        "hiss.wav": "no speech was found",
        "short.wav": "less speech than segmentation.min_seconds=1",
        "cut.flac": "damaged|cut short",
        "half.wav": "the file is cut short",
        "empty.wav": r"the file is empty \(0 bytes\)",
        "text.wav": "the file is damaged or not audio",
        "phone.m4a": "cannot be read; convert it",
        "copy.wav": "the same audio as alice/alice_01.wav",
        "untold.wav": "no transcript; write one to a .txt of the same name beside it, or set whisper.model",
        "blank.wav": "its transcript blank.txt is empty",
        "russian.wav": "unsupported script",
        "dots.wav": "nothing to speak",
        "gbk.wav": "is not UTF-8",
    }


def test_bad_files_are_named_with_reason_and_remedy_and_the_rest_goes_on(recordings: Path, tmp_path: Path) -> None:
    expected = spoil(recordings / "alice")
    source = {name: (recordings / name).read_bytes() for name in names(recordings)}
    report = prepare(recordings, tmp_path / "set")
    reasons = {omission.recording.removeprefix("alice/"): omission.reason for omission in report.omissions}
    assert reasons.keys() == expected.keys()
    for name, reason in expected.items():
        with pytest.raises(AssertionError, match=reason):
            raise AssertionError(reasons[name])
    assert {u.id for u in report.kept if u.speaker == "alice"} == {f"alice/alice_0{n}" for n in (1, 2, 3, 4)}
    # Every audio file is kept or named, and the source is as it was.
    audio = {name for name in source if not name.endswith(".txt")}
    assert {u.recording for u in report.kept} | {o.recording for o in report.omissions} == audio
    assert {name: (recordings / name).read_bytes() for name in names(recordings)} == source
    data = json.loads((tmp_path / "set" / "report.json").read_text(encoding="utf-8"))
    assert [row["recording"] for row in data["left_out"]] == [o.recording for o in report.omissions]
    assert data["speakers"][0] | {"seconds": 0} == {
        "speaker": "alice", "seconds": 0, "utterances": 4, "splits": {"train": 2, "val": 1, "test": 1},
        "languages": ["en"], "quarantined": 0, "quarantined_seconds": 0, "left_out": 14, "enough": True, "advice": [],
    }  # fmt: skip
    page = (tmp_path / "set" / "report.md").read_text(encoding="utf-8")
    assert all(omission.recording in page and omission.reason in page for omission in report.omissions)
    assert prepare(recordings, tmp_path / "set").omissions == report.omissions


def test_a_file_that_may_not_be_read_is_named(recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Path.open

    def forbidden(path: Path, *arguments: object, **options: object) -> object:
        if path.name == "mei_02.wav" and path.is_relative_to(recordings):
            raise PermissionError(13, "Permission denied")
        return opened(path, *arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", forbidden)
    (omission,) = prepare(recordings, tmp_path / "set").omissions
    assert (omission.recording, omission.reason) == ("mei/mei_02.wav", "the file cannot be read (Permission denied); make it readable")


def test_strict_makes_leaving_out_an_error(recordings: Path, tmp_path: Path) -> None:
    (recordings / "mei" / "mei_01.txt").unlink()
    with pytest.raises(SovitsError, match=r"strict=true and 1 not kept: mei/mei_01\.wav: no transcript"):
        prepare(recordings, tmp_path / "set", strict=True)
    assert not (tmp_path / "set" / "manifest.jsonl").exists()


def test_a_speaker_with_too_little_speech_is_left_out_or_warned_of(recordings: Path, tmp_path: Path) -> None:
    for number in (2, 3, 4):
        (recordings / "mei" / f"mei_0{number}.wav").unlink()
    report = prepare(recordings, tmp_path / "set", min_speaker_seconds=5.0, advised_speaker_seconds=13.0)
    assert Manifest.load(tmp_path / "set").speakers == ["alice", "bruno"]
    (quarantined,) = Manifest.load(tmp_path / "set", QUARANTINE_NAME).utterances
    assert quarantined.recording == "mei/mei_01.wav"
    (reason,) = quarantined.reasons
    assert "speaker mei has only 4." in reason.text
    assert "min_speaker_seconds=5" in reason.text
    advice = {summary.speaker: (summary.enough, " ".join(summary.advice)) for summary in report.summaries()}
    assert advice["alice"] == (True, "")
    assert advice["bruno"] == (False, "12 s of the advised 13 s: record 1 s more.")
    assert advice["mei"][1].startswith(
        "Nothing of this speaker can be used. 0 s of the advised 13 s: record 13 s more. Record again for speaker"
    )


def test_nothing_usable_is_an_error_that_says_why(recordings: Path, tmp_path: Path) -> None:
    for path in recordings.rglob("*.txt"):
        path.unlink()
    with pytest.raises(
        SovitsError, match=r"Nothing can be used: alice/alice_01\.wav and 8 more: no transcript.*whisper\.model.*report\.md"
    ):
        prepare(recordings, tmp_path / "set")
    assert (tmp_path / "set" / "report.md").is_file()


def test_files_that_are_not_the_set_s_stay(recordings: Path, tmp_path: Path) -> None:
    root = prepare(recordings, tmp_path / "set").output
    (root / "audio" / "alice" / "mine.wav").write_bytes(b"mine")
    (root / "cache" / "recordings" / "broken.json").write_text("{")
    shutil.rmtree(recordings / "bruno")
    prepare(recordings, root)
    assert (root / "audio" / "alice" / "mine.wav").read_bytes() == b"mine"
    assert not list(root.glob("audio/bruno/*.wav"))
    assert not (root / "cache" / "recordings" / "broken.json").exists()


def assert_words_lie_in_their_clips(manifest: Manifest) -> None:
    for utterance in manifest.utterances:
        times = [time for word in utterance.words for time in (word.start, word.end)]
        assert times == sorted(times)
        assert times[0] >= 0
        assert times[-1] <= utterance.duration + 1e-3
        assert "".join(word.text for word in utterance.words).replace(" ", "") == utterance.text.replace(" ", "")


def test_whisper_writes_what_no_transcript_tells_and_times_what_one_does(recordings: Path, tmp_path: Path) -> None:
    shutil.rmtree(recordings / "bruno")
    (recordings / "alice" / "alice_02.txt").unlink()
    whisper = rehearsed(tmp_path, ("Please hold the line.", 0.0, 2.0))
    report = prepare(recordings, tmp_path / "set", transcriber=whisper)
    assert report.omissions == ()
    manifest = Manifest.load(tmp_path / "set")
    told = {u.id: (u.text, u.transcript) for u in manifest.utterances}
    assert told["alice/alice_02"] == ("Please hold the line.", "whisper:rehearsed")
    assert told["alice/alice_01"] == ("Thank you for calling, how may I help you today?", "sidecar:alice_01.txt")
    assert_words_lie_in_their_clips(manifest)
    mei = next(u for u in manifest.utterances if u.id == "mei/mei_01")
    assert [word.text for word in mei.words][:3] == ["您", "好，", "很"]
    assert prepare(recordings, tmp_path / "set", transcriber=whisper).reused == report.recordings
    assert prepare(recordings, tmp_path / "set").reused == 0


def test_whisper_cuts_text_and_audio_together_known_or_not_short_or_long(spoken: Path, tmp_path: Path) -> None:
    samples = read_waveform(spoken / "bruno" / "bruno_01.wav", 22050)
    sentences = SPEAKERS[1].sentences[:4]
    stretches = VoiceActivityDetector()(read_waveform(spoken / "bruno" / "bruno_01.wav", 16000))
    # Whisper hears the sentences with 0.3 s of each pause, and 0.15 s before the first.
    starts = [0.15 + sum(s.end - s.start + 0.3 for s in stretches[:index]) for index in range(4)]
    times = [(sentence, start, start + s.end - s.start) for sentence, start, s in zip(sentences, starts, stretches, strict=True)]
    whisper = rehearsed(tmp_path, *times)
    folder = tmp_path / "recordings" / "bruno"
    # Without full stops, the sentences cannot be told apart in the text: the times must do it.
    text = " ".join(sentences).replace(". ", ", ")
    for name, sound, said in (("known", samples, text), ("untold", -samples, None)):
        write_waveform(folder / f"{name}.wav", sound, 22050)
        if said is not None:
            (folder / f"{name}.txt").write_text(said, encoding="utf-8")
    report = prepare(tmp_path / "recordings", tmp_path / "set", transcriber=whisper)
    assert report.omissions == ()
    assert_words_lie_in_their_clips(Manifest.load(tmp_path / "set"))
    pieces = {name: [u for u in report.kept if u.recording == f"bruno/{name}.wav"] for name in ("known", "untold")}
    assert " ".join(u.text for u in pieces["known"]) == text
    assert " ".join(u.text for u in pieces["untold"]) == " ".join(sentences)
    # Every piece is made of whole sentences, and lies where they were spoken.
    first_words = {sentence.split()[0]: stretch for sentence, stretch in zip(sentences, stretches, strict=True)}
    last_words = {sentence.split()[-1].rstrip(".?"): stretch for sentence, stretch in zip(sentences, stretches, strict=True)}
    for utterance in report.kept:
        first, last = first_words[utterance.text.split()[0]], last_words[utterance.text.split()[-1].rstrip(",.?")]
        assert (utterance.start, utterance.end) == (pytest.approx(first.start - 0.1, abs=0.02), pytest.approx(last.end + 0.1, abs=0.02))
    assert len(pieces["known"]) == len(pieces["untold"]) >= 2


def test_a_long_known_text_is_laid_along_what_whisper_hears(spoken: Path, tmp_path: Path) -> None:
    samples = np.tile(read_waveform(spoken / "bruno" / "bruno_01.wav", 22050), 3)
    whisper = rehearsed(tmp_path, ("The first half of the window.", 1.0, 12.0), ("And now the second half.", 15.0, 29.0))
    text = "The first half of the window! And NOW the second half. The first half of that window. And now the second half"
    folder = tmp_path / "recordings" / "bruno"
    for name, said in (("right", text), ("wrong", "Quite another text of which hardly a word is heard by anybody.")):
        write_waveform(folder / f"{name}.wav", samples * {"right": 1, "wrong": -1}[name], 22050)
        (folder / f"{name}.txt").write_text(said, encoding="utf-8")
    report = prepare(tmp_path / "recordings", tmp_path / "set", transcriber=whisper)
    assert_words_lie_in_their_clips(Manifest.load(tmp_path / "set"))
    assert " ".join(u.text for u in report.kept) == text
    reasons = {o.recording: o.reason for o in report.omissions}
    assert "heard only" in reasons["bruno/wrong.wav"]
    assert {u.transcript for u in report.kept} == {"sidecar:right.txt"}


def test_real_speakers_are_kept_whole_with_their_transcripts(real_speech: Path, tmp_path: Path) -> None:
    found = select_speakers(Folders(real_speech, metadata=real_speech / "manifest.csv").find(), ["p225", "LJ"])
    prepared = preparation(min_speaker_seconds=10).run(found, tmp_path / "set")
    assert prepared is not None
    report = prepared.report
    assert report.omissions == ()
    seconds = {summary.speaker: (summary.utterances, summary.seconds, summary.languages) for summary in report.summaries()}
    assert seconds["LJ"] == (22, pytest.approx(156.4, abs=3), ["en"])
    assert seconds["p225"] == (10, pytest.approx(64.7, abs=4), ["en"])
    assert {u.recording.split("/")[0] for u in report.kept} == {"ljspeech_LJ", "vctk_p225"}


def test_speech_that_nobody_writes_down_is_kept_for_its_voice_if_wanted(recordings: Path, tmp_path: Path) -> None:
    for path in (recordings / "mei").glob("*.txt"):
        path.unlink()
    report = prepare(recordings, tmp_path / "left_out")
    assert {omission.recording.split("/")[0] for omission in report.omissions} == {"mei"}
    assert "untold=keep" in report.omissions[0].reason
    prepare(recordings, tmp_path / "set", untold="keep")
    utterances = Manifest.load(tmp_path / "set").utterances
    untold = [utterance for utterance in utterances if not utterance.told]
    assert {utterance.speaker for utterance in untold} == {"mei"}
    assert {(u.text, u.language, u.transcript, u.split, u.quality.speech_rate) for u in untold} == {("", "untold", "", "train", None)}
    with_texts = [utterance for utterance in utterances if utterance.told]
    assert {utterance.speaker for utterance in with_texts} == {"alice", "bruno"}
    assert all(utterance.text for utterance in with_texts)


def test_a_long_recording_that_nobody_writes_down_is_cut_at_its_pauses(recordings: Path, tmp_path: Path) -> None:
    samples = [read_waveform(path, 22050) for path in sorted((recordings / "bruno").glob("*.wav"))]
    for path in (recordings / "bruno").iterdir():
        path.unlink()
    write_waveform(recordings / "bruno" / "long.wav", np.concatenate([*samples, *samples]), 22050)
    prepare(recordings, tmp_path / "set", untold="keep", segmenter=Segmenter(max_seconds=6.0))
    clips = [utterance for utterance in Manifest.load(tmp_path / "set").utterances if utterance.speaker == "bruno"]
    assert len(clips) > 1
    assert all(not clip.told and clip.duration <= 6.0 for clip in clips)


def test_untold_speech_has_two_fates(recordings: Path, tmp_path: Path) -> None:
    with pytest.raises(SovitsError, match=r"untold=drop is neither leave_out nor keep"):
        prepare(recordings, tmp_path / "set", untold="drop")
