"""What is measured on sound, against sounds that are known."""

from __future__ import annotations

import csv
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import butter, fftconvolve, sosfiltfilt

from sovits.audio.waveform import normalize_loudness, read_waveform, resample
from sovits.data.preparation.vad import Stretch, VoiceActivityDetector
from sovits.data.quality.music import held_tones
from sovits.data.quality.noise import rumble_level, signal_to_noise
from sovits.data.quality.reverberation import reverberation_time
from sovits.data.quality.signal import SignalJudge, bandwidth, clipped_share
from sovits.errors import SovitsError
from sovits.hearing import Dnsmos
from sovits.hearing.lengthwise_dnsmos import LengthwiseDnsmos

RATE = 16000


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(0)


def bursts(random: np.random.Generator, seconds: float = 6.0, fall: float = 0.02) -> tuple[np.ndarray, list[Stretch]]:
    """Something like syllables: bursts of noise of 0.12 s, 0.2 s apart, that fall by 60 dB in ``fall`` s; after five of them a pause."""
    samples = np.zeros(round(seconds * RATE))
    stretches = []
    for start in np.arange(0.2, seconds - 1.2, 1.6):
        for number in range(5):
            first = round((start + 0.2 * number) * RATE)
            time = np.arange(round(0.2 * RATE)) / RATE
            envelope = np.where(time < 0.12, 1.0, 10 ** (-3 * (time - 0.12) / fall))
            samples[first : first + time.size] = random.standard_normal(time.size) * envelope
        stretches.append(Stretch(float(start), float(start + 0.92)))
    return 0.1 * samples, stretches


def room(random: np.random.Generator, t60: float) -> np.ndarray:
    """Noise that falls by 60 dB in ``t60`` s."""
    time = np.arange(round(1.2 * t60 * RATE)) / RATE
    return random.standard_normal(time.size) * 10 ** (-3 * time / t60)


@pytest.mark.parametrize("level", [0.0, 5.0, 10.0, 20.0, 30.0])
@pytest.mark.parametrize("pauses", [True, False])
def test_snr_of_a_known_mixture(random: np.random.Generator, level: float, pauses: bool) -> None:
    speech, stretches = bursts(random)
    spoken = np.concatenate([speech[round(s.start * RATE) : round(s.end * RATE)] for s in stretches])
    noise = random.standard_normal(speech.size) * np.sqrt(np.square(spoken).mean()) * 10 ** (-level / 20)
    told = stretches if pauses else [Stretch(0.0, speech.size / RATE)]
    # A detector that hears speech everywhere takes the pauses into its mean.
    spoken_share = sum(s.end - s.start for s in stretches) * RATE / speech.size
    expected = level if pauses else level + 10 * math.log10(spoken_share)
    assert signal_to_noise(speech + noise, told) == pytest.approx(expected, abs=1.5)


def test_snr_ignores_what_is_below_speech(random: np.random.Generator) -> None:
    speech, stretches = bursts(random)
    noisy = speech + 0.002 * random.standard_normal(speech.size)
    rumble = 0.3 * np.sin(2 * np.pi * 12 * np.arange(speech.size) / RATE) + 0.2
    assert signal_to_noise(noisy + rumble, stretches) == pytest.approx(signal_to_noise(noisy, stretches), abs=1.0)


@pytest.mark.parametrize("level", [-10.0, -3.0, 5.0, 12.0])
def test_rumble_is_measured_against_the_speech(random: np.random.Generator, level: float) -> None:
    speech, stretches = bursts(random)
    spoken = np.concatenate([speech[round(s.start * RATE) : round(s.end * RATE)] for s in stretches])
    hum = np.sqrt(2 * np.square(spoken).mean()) * 10 ** (level / 20) * np.sin(2 * np.pi * 25 * np.arange(speech.size) / RATE)
    assert rumble_level(speech + hum, stretches) == pytest.approx(level, abs=1.0)


def test_rumble_is_neither_a_low_voice_nor_silence() -> None:
    time = np.arange(3 * RATE) / RATE
    voice = np.sum([np.sin(2 * np.pi * 80 * harmonic * time) / harmonic for harmonic in range(1, 30)], axis=0)
    low = rumble_level(voice, [Stretch(0.5, 2.5)])
    assert low is not None
    assert low < -15.0
    assert rumble_level(voice, []) is None
    assert rumble_level(np.zeros(RATE), [Stretch(0.0, 1.0)]) is None


def test_snr_without_speech_or_noise(random: np.random.Generator) -> None:
    speech, stretches = bursts(random)
    assert signal_to_noise(speech, []) is None
    assert signal_to_noise(speech[:100], stretches) is None
    assert signal_to_noise(np.zeros(RATE), [Stretch(0.0, 1.0)]) == -20.0
    assert signal_to_noise(speech, stretches) > 50.0


def test_reverberation_follows_the_room(random: np.random.Generator) -> None:
    speech, _ = bursts(random, seconds=10.0)
    times = [reverberation_time(fftconvolve(speech, room(random, t60))) for t60 in (0.3, 0.5, 0.8, 1.2, 2.0)]
    dry = reverberation_time(speech)
    assert dry < times[0]
    assert times == sorted(times)
    np.testing.assert_allclose(times[:4], [0.3, 0.5, 0.8, 1.2], rtol=0.3)
    assert times[0] < 0.42 < times[1]


def test_reverberation_needs_falls(random: np.random.Generator) -> None:
    assert reverberation_time(0.1 * random.standard_normal(RATE * 3)) is None
    assert reverberation_time(np.zeros(RATE * 3)) is None
    assert reverberation_time(np.zeros(500)) is None


def test_held_tones_are_music_and_noise_is_not(random: np.random.Generator) -> None:
    speech, stretches = bursts(random)
    time = np.arange(speech.size) / RATE
    level = np.sqrt(np.square(speech).mean())
    notes = np.array([262, 330, 392, 523, 660, 784])
    chord = sum(np.sin(2 * np.pi * note * time) for note in notes) * level * math.sqrt(2 / 6)
    glides = sum(np.sin(2 * np.pi * note * time * (1 + 0.25 * np.sin(2 * np.pi * 1.3 * time))) for note in notes) * level * math.sqrt(2 / 6)
    assert held_tones(speech, stretches) == pytest.approx(0.0, abs=1e-3)
    assert held_tones(speech + level * random.standard_normal(speech.size), stretches) < 2e-3
    assert held_tones(speech + glides, stretches) < held_tones(speech + chord, stretches) / 3
    # Six lines of 473 bins, each two or three bins wide.
    assert 6 / 473 < held_tones(speech + chord, stretches) < 24 / 473
    assert held_tones(speech, []) is None
    assert held_tones(speech[:2000], stretches) is None


@pytest.mark.parametrize("cut", [1000.0, 3400.0, 6000.0])
@pytest.mark.parametrize("sample_rate", [16000, 22050, 44100])
def test_bandwidth_of_filtered_noise(random: np.random.Generator, cut: float, sample_rate: int) -> None:
    """A filter without a slope: nothing is above the cut, and 1/1000 of a flat spectrum just below it."""
    spectrum = np.fft.rfft(random.standard_normal(3 * sample_rate))
    spectrum[np.fft.rfftfreq(3 * sample_rate, 1 / sample_rate) > cut] = 0
    assert bandwidth(np.fft.irfft(spectrum), sample_rate, [Stretch(0.0, 3.0)]) == pytest.approx(cut, rel=0.04)


def test_bandwidth_counts_a_weak_hiss_as_much_as_a_loud_vowel(random: np.random.Generator) -> None:
    loud = sosfiltfilt(butter(10, 1000, fs=RATE, output="sos"), random.standard_normal(RATE))
    hiss = 0.01 * sosfiltfilt(butter(10, (5000, 7000), "bandpass", fs=RATE, output="sos"), random.standard_normal(RATE))
    both = np.concatenate([loud, hiss])
    assert bandwidth(both, RATE, [Stretch(0.0, 1.0)]) < 1100
    assert bandwidth(both, RATE, [Stretch(0.0, 2.0)]) == pytest.approx(7000, rel=0.03)
    assert bandwidth(both, RATE, []) is None
    assert bandwidth(np.zeros(RATE), RATE, [Stretch(0.0, 1.0)]) is None


@pytest.mark.parametrize("drive", [1.01, 1.5, 4.0])
def test_clipped_share_of_a_driven_sine(drive: float) -> None:
    sine = np.sin(2 * np.pi * 100 * (np.arange(48000) + 0.5) / 48000)
    clipped = np.clip(drive * sine, -1.0, 1.0).astype(np.float32)
    # A sine is above 1 / drive for this share of its time.
    assert clipped_share(clipped) == pytest.approx(1 - 2 * math.asin(1 / drive) / math.pi, abs=0.005)
    assert clipped_share(0.3 * clipped) == clipped_share(clipped)


def test_clipped_share_at_one_side_and_with_an_offset() -> None:
    sine = np.sin(2 * np.pi * 100 * np.arange(48000) / 48000)
    both, above = clipped_share(np.clip(sine, -0.5, 0.5) + 0.2), clipped_share(np.clip(sine, -1.0, 0.5))
    assert above == pytest.approx(1 / 3, abs=0.005)
    assert both == pytest.approx(2 / 3, abs=0.005)


def test_touching_full_scale_is_not_clipping(random: np.random.Generator) -> None:
    noise = random.standard_normal(48000)
    whole = np.round(noise / np.abs(noise).max() * 32767) / 32768
    assert clipped_share(whole.astype(np.float32)) == 0.0
    assert clipped_share(np.zeros(100)) == clipped_share(np.ones(100)) == clipped_share(np.array([1.0])) == 0.0
    assert clipped_share(np.array([0.0, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0, -0.5, -1.0, -1.0])) == pytest.approx(0.3)


def test_lengthwise_dnsmos_is_dnsmos_at_nine_seconds(random: np.random.Generator) -> None:
    """The edited network against the packaged one, read by the package's own code."""
    speech = bursts(random, seconds=9.01)[0].astype(np.float32)
    expected = Dnsmos()(speech, RATE)
    scores = LengthwiseDnsmos()(speech, RATE)
    assert (scores.overall, scores.signal, scores.background) == pytest.approx(
        (expected.overall, expected.signal, expected.background), abs=1e-3
    )


def test_lengthwise_dnsmos_reads_the_middle_of_a_long_clip_and_repeats_a_very_short_one(random: np.random.Generator) -> None:
    scorer = LengthwiseDnsmos(2.0)
    piece = bursts(random, seconds=2.01)[0].astype(np.float32)
    assert scorer(piece, RATE).overall == scorer(np.concatenate([np.zeros(RATE), piece, np.zeros(RATE)]), RATE).overall
    assert scorer(piece[:4040], RATE).overall == scorer(np.resize(piece[:4040], 16160), RATE).overall
    assert scorer(np.zeros(RATE), RATE).background == 1.0
    with pytest.raises(SovitsError, match=r"mos_seconds=0\.5 is not between"):
        LengthwiseDnsmos(0.5)


def test_another_network_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from speechmos import dnsmos

    folder = tmp_path / "dnsmos_models"
    folder.mkdir()
    (folder / "sig_bak_ovr.onnx").write_bytes(b"another")
    monkeypatch.setattr(dnsmos, "__file__", str(tmp_path / "dnsmos.py"))
    with pytest.raises(SovitsError, match="not the DNSMOS network"):
        LengthwiseDnsmos()


def test_judge_measures_everything_of_the_sound(random: np.random.Generator) -> None:
    speech, stretches = bursts(random)
    clip = resample(speech, RATE, 22050)
    judge = SignalJudge(mos_seconds=2.0)
    quality = judge(clip, 22050, stretches)
    others = {"source_rate", "clipping", "speech_rate", "alignment_confidence", "disagreement", "heard_language", "voice_distance"}
    assert {name for name, value in asdict(quality).items() if value is None} == others
    assert (quality.silence_start, quality.longest_pause) == (0.2, pytest.approx(0.68, abs=1e-3))
    assert quality.silence_end == pytest.approx(6.0 - stretches[-1].end, abs=1e-3)
    assert SignalJudge(mos=False)(clip, 22050, stretches).mos_overall is None
    assert SignalJudge(mos=False).settings != judge.settings != SignalJudge(mos_seconds=3.0).settings


def test_judge_is_deterministic_over_threads(random: np.random.Generator) -> None:
    speech, stretches = bursts(random)
    judge = SignalJudge(mos_seconds=2.0)
    clips = [resample(speech[round(start * RATE) :], RATE, 22050) for start in (0.0, 0.3, 0.7, 1.1)]
    alone = [judge(clip, 22050, stretches) for clip in clips]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda clip: judge(clip, 22050, stretches), clips * 3)) == alone * 3


def test_judge_without_speech_and_without_samples() -> None:
    judge = SignalJudge(mos=False)
    quality = judge(np.zeros(22050, dtype=np.float32), 22050, [])
    assert set(asdict(quality).values()) == {None}
    for bad in (np.zeros(0), np.array([0.0, np.nan])):
        with pytest.raises(SovitsError, match="no samples, or NaN"):
            judge(bad, 22050, [])


def test_real_speech_gets_worse_with_noise_and_room(real_speech: Path) -> None:
    """Every figure moves the right way, on recordings of three corpora."""
    judge, detector = SignalJudge(mos_seconds=3.0), VoiceActivityDetector()
    random = np.random.default_rng(0)
    with (real_speech / "manifest.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for corpus in ("vctk", "ljspeech", "librispeech"):
        path = next(row["path"] for row in rows if row["corpus"] == corpus)
        clip = normalize_loudness(read_waveform(real_speech / path, RATE, end=6.0), RATE, -23.0)
        stretches = detector(clip)
        noise = random.standard_normal(clip.size) * np.sqrt(np.square(clip).mean()) * 10 ** (-5 / 20)
        wet = fftconvolve(clip, room(random, 1.0))[: clip.size]
        clean, noisy, far = (judge(x.astype(np.float32) / np.abs(x).max(), RATE, stretches) for x in (clip, clip + noise, wet))
        assert clean.snr > noisy.snr + 5
        assert clean.mos_background > noisy.mos_background + 0.5
        assert clean.reverberation < 0.45 < far.reverberation
        assert clean.bandwidth > 4000
