"""Variations of a clip: their levels against what was asked for, their determinism, and values that make no sense."""

from __future__ import annotations

from pathlib import Path

import librosa
import numpy as np
import pytest
import scipy.signal

from sovits.audio.waveform import read_waveform, write_waveform
from sovits.data.augmentation import Augmentation, Gain, Noise, Room
from sovits.data.tempo import Speed, Tempo, stretch
from sovits.errors import SovitsError
from sovits.metrics.pitch import track_pitch

RATE = 16000


def voice(seconds: float = 1.5, pitch: float = 150.0) -> np.ndarray:
    """A hum with harmonics, swelling and fading like syllables."""
    time = np.arange(round(seconds * RATE)) / RATE
    hum = sum(np.sin(2 * np.pi * pitch * overtone * time) / overtone for overtone in range(1, 12))
    return (0.15 * hum * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * time))).astype(np.float32)


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def level_db(samples: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(np.square(samples.astype(np.float64)))))


EVERYTHING = {
    "gain": Gain(-6, 6, probability=1.0),
    "noise": Noise(probability=1.0),
    "room": Room(probability=1.0),
}


@pytest.mark.parametrize("change", EVERYTHING.values(), ids=EVERYTHING.keys())
def test_a_change_keeps_length_and_type_and_follows_its_generator_alone(change):
    samples = voice()
    before = samples.copy()
    one, same, other = (change(samples, RATE, generator(seed)) for seed in (1, 1, 2))
    assert one.shape == samples.shape
    assert one.dtype == np.float32
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    assert np.array_equal(samples, before), "the clip itself is left as it was"
    assert np.isfinite(one).all()


@pytest.mark.parametrize("gain_db", [-12.0, 3.0])
def test_gain_is_that_of_the_decibels(gain_db):
    changed = Gain(gain_db, gain_db)(voice(), RATE, generator())
    assert level_db(changed) - level_db(voice()) == pytest.approx(gain_db, abs=1e-3)


def test_gain_stops_where_a_peak_would_clip():
    changed = Gain(40, 40)(voice(), RATE, generator())
    assert np.abs(changed).max() == pytest.approx(1.0, abs=1e-5)
    assert not Gain(3, 3)(np.zeros(100, np.float32), RATE, generator()).any()


@pytest.mark.parametrize("snr_db", [0.0, 20.0])
def test_noise_has_the_level_that_was_asked_for(snr_db):
    noise = Noise(least_snr_db=snr_db, most_snr_db=snr_db)(voice(), RATE, generator()) - voice()
    assert level_db(voice()) - level_db(noise) == pytest.approx(snr_db, abs=0.01)


@pytest.mark.parametrize("colour", [0.0, 1.0, 2.0])
def test_generated_noise_has_its_colour(colour):
    clip = voice(20.0)
    noise = Noise(least_snr_db=0, most_snr_db=0, least_colour=colour, most_colour=colour)(clip, RATE, generator()) - clip
    frequencies, power = scipy.signal.welch(noise.astype(np.float64), RATE, nperseg=4096)
    inside = (frequencies > 50) & (frequencies < 4000)
    slope = np.polyfit(np.log(frequencies[inside]), np.log(power[inside]), 1)[0]
    assert -slope == pytest.approx(colour, abs=0.1)


def test_recorded_noise_comes_from_the_folder_at_any_rate_and_length(tmp_path):
    time = np.arange(8000) / 8000
    write_waveform(tmp_path / "deep" / "tone.wav", 0.3 * np.sin(2 * np.pi * 1000 * time), 8000)
    noise = Noise(str(tmp_path), least_snr_db=10, most_snr_db=10)(voice(2.5), RATE, generator()) - voice(2.5)
    spectrum = np.abs(np.fft.rfft(noise))
    assert spectrum.argmax() / 2.5 == pytest.approx(1000, abs=2)
    assert level_db(voice(2.5)) - level_db(noise) == pytest.approx(10, abs=0.01)


def test_silence_stays_silence():
    for change in EVERYTHING.values():
        assert not change(np.zeros(4000, np.float32), RATE, generator()).any()


def test_a_simulated_room_decays_by_sixty_decibels_in_its_time():
    click = np.zeros(RATE, np.float32)
    click[100] = 0.9
    room = Room(least_wet=1.0, most_wet=1.0, least_seconds=0.4, most_seconds=0.4)
    energies = np.mean([np.square(room(click, RATE, generator(seed)).astype(np.float64)) for seed in range(40)], axis=0)
    assert energies[:100].max() < 1e-12 * energies.max(), "nothing is heard before the sound"
    tail = energies[101 : 101 + 80 * 79].reshape(-1, 80).mean(axis=1)
    slope = np.polyfit(np.arange(len(tail)) * 80 / RATE, 10 * np.log10(tail), 1)[0]
    assert slope == pytest.approx(-60 / 0.4, rel=0.05)


def test_a_measured_room_is_the_convolution_with_its_file_from_the_direct_sound_on(tmp_path):
    response = np.zeros(600, np.float32)
    response[[50, 150, 500]] = [0.8, 0.4, -0.2]
    write_waveform(tmp_path / "hall.wav", response, RATE)
    heard = Room(str(tmp_path), least_wet=1.0, most_wet=1.0)(voice(), RATE, generator())
    expected = np.convolve(voice(), read_waveform(tmp_path / "hall.wav", RATE)[50:])[: len(voice())]
    expected *= np.sqrt(np.mean(voice() ** 2) / np.mean(expected**2))
    np.testing.assert_allclose(heard, expected, atol=1e-4)


def test_a_dry_room_is_the_clip_and_a_wet_one_is_as_loud():
    assert np.allclose(Room(least_wet=0, most_wet=0)(voice(), RATE, generator()), voice(), atol=1e-6)
    assert level_db(Room(least_wet=0.7, most_wet=0.7)(voice(), RATE, generator())) == pytest.approx(level_db(voice()), abs=0.01)


def test_each_part_comes_with_its_probability():
    augmentation = Augmentation(gain=Gain(-10, -10, probability=0.3))
    changed = [not np.array_equal(augmentation(voice(0.1), RATE, generator(seed)), voice(0.1)) for seed in range(500)]
    assert np.mean(changed) == pytest.approx(0.3, abs=0.06)
    never = Augmentation(gain=Gain(probability=0.0), noise=Noise(probability=0.0), room=Room(probability=0.0))
    assert all(np.array_equal(never(voice(0.1), RATE, generator(seed)), voice(0.1)) for seed in range(20))


def test_no_peak_is_pushed_over_full_scale():
    loud = voice() / np.abs(voice()).max()
    augmentation = Augmentation(
        noise=Noise(least_snr_db=0, most_snr_db=0, probability=1.0), room=Room(probability=1.0), gain=Gain(6, 6, 1.0)
    )
    for seed in range(10):
        assert np.abs(augmentation(loud, RATE, generator(seed))).max() <= 1.0 + 1e-6


@pytest.mark.parametrize("factor", [0.8, 0.9, 1.1, 1.25])
@pytest.mark.parametrize("pitch", [95.0, 150.0, 260.0])
def test_another_speed_keeps_the_pitch_and_the_loudness(pitch, factor):
    samples = voice(2.0, pitch)
    length = round(len(samples) / factor)
    faster = stretch(samples, length, RATE)
    assert faster.shape == (length,)
    assert faster.dtype == np.float32
    measured = np.median(track_pitch(faster, 60, 400).hertz)
    assert 1200 * abs(np.log2(measured / pitch)) < 10, "a tenth of a semitone"
    assert level_db(faster) == pytest.approx(level_db(samples), abs=0.5)
    assert np.array_equal(faster, stretch(samples, length, RATE))


def test_syllables_come_at_the_new_speed():
    envelope = np.abs(scipy.signal.hilbert(stretch(voice(4.0), round(4.0 * RATE / 1.25), RATE)))
    spectrum = np.abs(np.fft.rfft(envelope - envelope.mean()))
    slow = np.fft.rfftfreq(len(envelope), 1 / RATE) < 20
    assert spectrum[slow].argmax() / (len(envelope) / RATE) == pytest.approx(4 * 1.25, abs=0.35)


def test_real_speech_keeps_its_pitch_and_comes_back(real_speech):
    path = next(path for path in sorted((real_speech / "ljspeech_LJ").glob("*.flac")))
    samples = read_waveform(path, RATE)
    slower = stretch(samples, round(len(samples) * 1.1), RATE)
    back = stretch(slower, len(samples), RATE)
    pitches = [np.median(track_pitch(one, 60, 400).hertz) for one in (samples, slower)]
    assert 12 * abs(np.log2(pitches[0] / pitches[1])) < 0.5
    mels = [librosa.feature.melspectrogram(y=one, sr=RATE, n_fft=1024, hop_length=256) for one in (samples, back)]
    distance = np.abs(np.diff(np.log(np.maximum(mels, 1e-4)), axis=0)).mean()
    assert distance < 0.5, "a plain phase vocoder gives 1.2 on such clips"


def test_tempo_draws_within_its_range_and_as_often_as_asked():
    tempo = Tempo([1000] * 4000, [1] * 4000, 5000, Speed(0.8, 1.25, probability=0.5))
    frames = tempo.frames(range(4000), generator())
    assert frames.min() >= 800
    assert frames.max() <= 1250
    assert np.mean(frames != 1000) == pytest.approx(0.5, abs=0.03)


def test_tempo_leaves_clips_alone_that_would_not_fit_their_text_or_the_batch():
    tempo = Tempo([100, 100, 100], [100, 90, 1], 104, Speed(0.5, 2.0))
    drawn = np.array([tempo.frames([0, 1, 2], generator(seed)) for seed in range(300)])
    assert set(drawn[:, 0]) <= set(range(100, 105))
    assert drawn[:, 1].min() >= 90
    assert drawn[:, 2].min() < 60
    assert drawn.max() <= 104


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: Gain(3, -3), r"gain: least_db=3 and most_db=-3 must be dB"),
        (lambda: Gain(probability=1.5), r"gain\.probability=1\.5 is not between 0 and 1"),
        (lambda: Noise(least_snr_db=30, most_snr_db=10), r"noise: least_snr_db=30 and most_snr_db=10"),
        (lambda: Noise(least_colour=2, most_colour=1), r"noise: least_colour=2 and most_colour=1"),
        (lambda: Noise("nowhere"), r"noise\.folder=nowhere holds no audio"),
        (lambda: Noise(probability=-0.1), r"noise\.probability=-0\.1"),
        (lambda: Room(least_wet=0.5, most_wet=1.5), r"room: least_wet=0\.5 and most_wet=1\.5 must be shares from 0 to 1"),
        (lambda: Room(least_seconds=0), r"room: least_seconds=0 and most_seconds=0\.6 must be seconds from 0\.01 to 10"),
        (lambda: Room("nowhere"), r"room\.folder=nowhere holds no audio"),
        (lambda: Speed(1.2, 1.1), r"speed: least=1\.2 and most=1\.1 must be factors from 0\.5 to 2"),
        (lambda: Speed(0.1, 1.1), r"speed: least=0\.1"),
        (lambda: Speed(probability=2), r"speed\.probability=2"),
    ],
)
def test_values_that_make_no_sense_are_named(wrong, message):
    with pytest.raises(SovitsError, match=r"data\.augmentation\." + message):
        wrong()


def test_a_damaged_noise_file_is_named(tmp_path):
    Path(tmp_path / "bad.wav").write_text("not audio")
    with pytest.raises(SovitsError, match=r"bad\.wav is damaged or not audio"):
        Noise(str(tmp_path))(voice(), RATE, generator())
