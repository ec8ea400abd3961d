import librosa
import numpy as np
import pytest
import torch

from sovits.audio.spectrogram import LinearSpectrogram, MelSpectrogram, log_compress
from sovits.errors import SovitsError


@pytest.fixture
def mel_spectrogram() -> MelSpectrogram:
    return MelSpectrogram(22050, 2048, 512, 80)


def test_equals_librosa_frame_by_frame(mel_spectrogram: MelSpectrogram) -> None:
    samples = torch.randn(512 * 20)
    padded = np.pad(samples.numpy(), (768, 768))
    expected = librosa.feature.melspectrogram(y=padded, sr=22050, n_fft=2048, hop_length=512, n_mels=80, htk=True, norm=None, center=False)
    mel = mel_spectrogram(samples[None])[0].numpy()
    assert mel.shape == expected.shape == (80, 20)
    np.testing.assert_allclose(mel, expected, rtol=2e-4, atol=1e-3)


def test_a_tone_lands_in_the_band_of_its_frequency(mel_spectrogram: MelSpectrogram) -> None:
    tone = torch.sin(2 * torch.pi * 1000 * torch.arange(22050) / 22050)
    band = int(mel_spectrogram(tone[None])[0, :, 20].argmax())
    centres = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + 11025 / 700), 82)[1:-1] / 2595) - 1)
    assert abs(centres[band] - 1000) < 50


def test_a_padded_clip_has_the_frames_of_the_clip_alone(mel_spectrogram: MelSpectrogram) -> None:
    clip = torch.randn(1, 512 * 9)
    padded = torch.nn.functional.pad(clip, (0, 512 * 5))
    torch.testing.assert_close(mel_spectrogram(padded)[..., :9], mel_spectrogram(clip))


def test_stays_in_float32_under_autocast(mel_spectrogram: MelSpectrogram) -> None:
    clip = torch.randn(1, 5120)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mel = mel_spectrogram(clip)
    assert mel.dtype == torch.float32
    torch.testing.assert_close(mel, mel_spectrogram(clip))


def test_silence_compresses_to_the_floor(mel_spectrogram: MelSpectrogram) -> None:
    assert log_compress(mel_spectrogram(torch.zeros(1, 512))).allclose(torch.tensor(1e-5).log())


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"n_fft": 1024, "hop_length": 511}, ["511", "1024"]),
        ({"n_fft": 256, "hop_length": 512}, ["512", "256"]),
        ({"n_fft": 2048, "hop_length": 512, "f_max": 16000.0}, ["16000", "22050"]),
    ],
)
def test_numbers_that_contradict_are_named(settings: dict, named: list[str]) -> None:
    with pytest.raises(SovitsError) as error:
        MelSpectrogram(22050, n_mels=80, **settings)
    assert all(number in str(error.value) for number in named)


def test_the_linear_spectrogram_equals_librosa_in_the_same_frames() -> None:
    spectrogram, samples = LinearSpectrogram(22050, 1024, 256), torch.randn(256 * 12)
    expected = np.abs(librosa.stft(np.pad(samples.numpy(), (384, 384)), n_fft=1024, hop_length=256, center=False)) ** 2
    power = spectrogram(samples[None])[0]
    assert power.shape == (spectrogram.channels, 12) == (513, 12)
    np.testing.assert_allclose(power.numpy(), expected, rtol=2e-4, atol=1e-3)


def test_hops_that_do_not_fit_are_named() -> None:
    with pytest.raises(SovitsError, match=r"audio.hop_length=513 does not fit audio.n_fft=1024"):
        LinearSpectrogram(22050, 1024, 513)
