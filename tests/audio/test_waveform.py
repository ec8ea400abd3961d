from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from sovits.audio.waveform import PEAK, READABLE, normalize_loudness, read_waveform, resample, write_waveform
from sovits.errors import SovitsError


def tone(frequency: float, seconds: float, sample_rate: int, amplitude: float = 0.5) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * frequency * np.arange(round(seconds * sample_rate)) / sample_rate)).astype(np.float32)


@pytest.mark.parametrize(("suffix", "error"), [(".wav", 2e-5), (".flac", 2e-5), (".mp3", 0.02), (".ogg", 0.03), (".opus", 0.1)])
def test_written_files_read_back_with_their_length_and_samples(tmp_path: Path, suffix: str, error: float) -> None:
    samples = tone(440, 1.5, 22050)
    path = write_waveform(tmp_path / "deep" / f"a{suffix}", samples, 22050)
    read = read_waveform(path, 22050)
    assert read.dtype == np.float32
    assert len(read) == len(samples)
    middle = slice(3000, -3000)
    assert np.abs(read[middle] - samples[middle]).max() < error
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW"])
@pytest.mark.parametrize("rate", [8000, 44100, 48000])
def test_any_rate_width_and_channels_become_mono_at_the_wanted_rate(tmp_path: Path, subtype: str, rate: int) -> None:
    path = tmp_path / "a.wav"
    loud = tone(500, 1, rate, 0.8)
    soundfile.write(path, np.stack([loud, np.zeros_like(loud)], axis=1), rate, subtype=subtype)
    read = read_waveform(path, 22050)
    assert abs(len(read) - 22050) <= 1
    expected = tone(500, 1, 22050, 0.4)
    middle = slice(2000, 20000)
    assert np.abs(read[middle] - expected[middle]).max() < 0.02


def test_resampling_keeps_a_tone_and_removes_what_the_new_rate_cannot_hold() -> None:
    kept = resample(tone(1000, 1, 44100), 44100, 16000)[2000:-2000]
    assert np.abs(kept - tone(1000, 1, 16000)[2000:-2000]).max() < 1e-4
    removed = resample(tone(10000, 1, 44100), 44100, 16000)[2000:-2000]
    assert np.abs(removed).max() < 1e-4


def test_a_span_is_cut_at_the_file_s_own_samples(tmp_path: Path) -> None:
    samples = np.arange(-8000, 8000, dtype=np.float32) / 16000
    path = write_waveform(tmp_path / "a.wav", samples, 16000)
    np.testing.assert_allclose(read_waveform(path, 16000, start=0.25, end=0.5), samples[4000:8000], atol=2e-5)
    assert len(read_waveform(path, 16000, start=0.75, end=9.0)) == 4000
    with pytest.raises(SovitsError, match=r"no samples from 2 s"):
        read_waveform(path, 16000, start=2.0)


def broken(folder: Path, kind: str) -> Path:
    samples = tone(300, 1, 16000)
    if kind == "missing":
        return folder / "none.wav"
    if kind == "folder":
        return folder
    if kind == "empty":
        (folder / "a.wav").touch()
        return folder / "a.wav"
    if kind == "text":
        (folder / "a.wav").write_text("this is not sound\n" * 100)
        return folder / "a.wav"
    if kind == "nan":
        soundfile.write(folder / "a.wav", np.where(np.arange(16000) == 5, np.nan, samples), 16000, subtype="FLOAT")
        return folder / "a.wav"
    if kind == "header only":
        soundfile.write(folder / "a.wav", samples[:0], 16000)
        return folder / "a.wav"
    path = write_waveform(folder / f"a.{kind}", samples, 16000)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 5])
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "no audio file"),
        ("folder", "no audio file"),
        ("empty", r"empty \(0 bytes\)"),
        ("text", "damaged or not audio"),
        ("nan", "not numbers"),
        ("header only", "no samples"),
        ("wav", "cut short"),
        ("flac", "damaged|cut short"),
        ("mp3", "cut short"),
        ("ogg", "cut short"),
        ("opus", "cut short"),
    ],
)
def test_what_is_not_whole_audio_is_refused_by_name(tmp_path: Path, kind: str, message: str) -> None:
    path = broken(tmp_path, kind)
    with pytest.raises(SovitsError, match=message) as caught:
        read_waveform(path, 16000)
    assert str(path) in str(caught.value)


def test_a_wav_written_to_a_pipe_has_no_length_and_is_still_whole(tmp_path: Path) -> None:
    path = write_waveform(tmp_path / "a.wav", tone(300, 1, 16000), 16000)
    content = bytearray(path.read_bytes())
    place = content.index(b"data")
    content[4:8] = content[place + 4 : place + 8] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    assert len(read_waveform(path, 16000)) == 16000


@pytest.mark.parametrize("name", ["bad", "evil", "null"])
def test_malformed_files_from_the_field_are_refused_by_name(real_speech: Path, name: str) -> None:
    path = real_speech / "noise" / "malformed" / f"{name}.wav"
    with pytest.raises(SovitsError) as caught:
        read_waveform(path, 16000)
    assert str(path) in str(caught.value)


def test_loudness_of_a_tone_is_what_the_standard_says() -> None:
    # BS.1770: a full-scale 997 Hz tone in one channel is -3.01 LUFS, so -23 LUFS is an amplitude of 10 ** (-19.99 / 20).
    for amplitude in (0.9, 0.01, 1e-5):
        leveled = normalize_loudness(tone(997, 3, 22050, amplitude), 22050, -23.0)
        assert np.abs(leveled).max() == pytest.approx(10 ** (-19.99 / 20), rel=0.01)


def test_loudness_gives_way_to_the_peak_and_leaves_silence_alone() -> None:
    clicks = np.zeros(22050, np.float32)
    clicks[::2000] = 0.1
    assert np.abs(normalize_loudness(clicks, 22050, -12.0)).max() == pytest.approx(PEAK, rel=1e-5)
    np.testing.assert_array_equal(normalize_loudness(np.zeros(100), 22050, -23.0), np.zeros(100, np.float32))
    assert normalize_loudness(np.zeros(0, np.float32), 22050, -23.0).shape == (0,)


def test_a_clip_shorter_than_the_standard_s_block_is_leveled_too() -> None:
    short = normalize_loudness(tone(997, 0.1, 22050, 0.9), 22050, -23.0)
    assert np.abs(short).max() == pytest.approx(10 ** (-19.99 / 20), rel=0.05)


@pytest.mark.parametrize(("samples", "sample_rate"), [(13, 22050), (52, 44100), (2007, 16000), (2007, 8000), (56, 24000), (1, 16000)])
def test_a_short_clip_of_any_length_is_leveled(samples: int, sample_rate: int) -> None:
    """Most of these lengths in seconds, times the rate, come out above the length by rounding."""
    leveled = normalize_loudness(np.full(samples, 0.01, np.float32), sample_rate, -23.0)
    assert leveled.shape == (samples,)
    assert 0 < np.abs(leveled).max() <= PEAK * 1.0001


def test_an_unknown_suffix_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(SovitsError, match=r"a\.m4a.*must end in"):
        write_waveform(tmp_path / "a.m4a", tone(300, 1, 16000), 16000)
    assert set(READABLE) == {".wav", ".flac", ".mp3", ".ogg", ".opus"}
    with pytest.raises(SovitsError, match="12345 Hz"):
        write_waveform(tmp_path / "a.mp3", tone(300, 1, 12345), 12345)
    assert list(tmp_path.iterdir()) == []
