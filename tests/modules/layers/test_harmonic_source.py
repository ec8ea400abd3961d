"""The source of a voice: harmonics where they belong, noise, and parts of a clip that go on from one another."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sovits.modules.layers.harmonic_source import STEPS, HarmonicSource, Start

RATE, HOP, MIDDLE = 16000, 160, 100.0
SOURCE = HarmonicSource(RATE, HOP, MIDDLE)


def voiced(pitch: torch.Tensor) -> torch.Tensor:
    return torch.ones_like(pitch).bool()


def test_every_harmonic_is_there_and_equally_strong() -> None:
    source, pitch = HarmonicSource(RATE, HOP, 390.0), torch.zeros(1, 1, 100)
    harmonics, _ = source(source.timeline(pitch, voiced(pitch), None), None)
    # One second: bins are Hz.
    power = np.abs(np.fft.rfft(harmonics[0, 0].double().numpy())) ** 2
    lines = np.arange(390, 8000, 390)
    assert power[lines] == pytest.approx(power[390], rel=1e-3)
    assert power[lines].sum() == pytest.approx(power.sum(), rel=1e-3)
    assert float(harmonics.square().mean()) == pytest.approx(1.0, rel=1e-3)


def test_the_phase_is_the_sum_of_a_gliding_pitch() -> None:
    steps = torch.arange(100, 150).view(1, 1, -1) / STEPS
    timeline = SOURCE.timeline(steps, voiced(steps), None)
    pitch = MIDDLE * steps[0, 0].exp2()
    # At each sample the pitch lies between that of its frame and that of the next; after the last frame it stays.
    each = np.interp(np.arange(50 * HOP) / HOP, np.arange(50), pitch.numpy())
    cycles = np.concatenate([[0.0], np.cumsum(each)])[: 50 * HOP : HOP] / RATE
    apart = timeline[0, 2].numpy() - cycles
    assert np.abs(apart - np.round(apart)).max() < 0.02
    assert timeline[0, 3].tolist() == list(range(50))
    # No step between the end of a frame and the beginning of the next: the harmonics are as smooth as those of a steady pitch.
    harmonics, _ = SOURCE(timeline, None)
    wanted = sum(np.cos(2 * np.pi * k * np.concatenate([[0.0], np.cumsum(each)])[:-1] / RATE) for k in range(1, 27))
    assert np.corrcoef(harmonics[0, 0, : 2 * HOP], wanted[: 2 * HOP])[0, 1] > 0.5


def test_a_voice_that_sets_in_has_a_phase_of_its_own() -> None:
    pitch = torch.full((1, 1, 30), 0.5)
    voicing = voiced(pitch)
    voicing[..., 4:6] = False  # too short to count
    voicing[..., 14:17] = False
    phase = SOURCE.timeline(pitch, voicing, None)[0, 2]
    cycles = 2**0.5
    wanted = [place * cycles % 1 if place < 17 else (place - 17) * cycles % 1 for place in range(30)]
    assert phase.tolist() == pytest.approx(wanted, abs=1e-5)


def test_noise_is_white_and_the_same_at_the_same_place() -> None:
    pitch = torch.zeros(1, 1, 200)
    timeline = SOURCE.timeline(pitch, voiced(pitch), None)
    _, noise = SOURCE(timeline, None)
    assert float(noise.std()) == pytest.approx(1.0, abs=0.02)
    assert float((noise[..., 1:] * noise[..., :-1]).mean()) == pytest.approx(0.0, abs=0.02)
    torch.testing.assert_close(SOURCE(timeline[..., 30:60], None)[1], noise[..., 30 * HOP : 60 * HOP])


@pytest.mark.parametrize("onset", [None, 60])
def test_a_part_goes_on_as_the_whole(onset: int | None) -> None:
    pitch = torch.rand(2, 1, 90, generator=torch.Generator().manual_seed(0))
    voicing = voiced(pitch)
    if onset is not None:
        voicing[..., onset - 5 : onset] = False
    whole = SOURCE.timeline(pitch, voicing, None)
    start = Start(torch.tensor([40, 40]), torch.tensor([5, 5]), whole[:, 2, 45])
    apart = SOURCE.timeline(pitch[..., 40:], voicing[..., 40:], None, start) - whole[..., 40:]
    assert float((apart[:, 2] - apart[:, 2].round()).abs().max()) < 1e-5
    assert float(apart[:, [0, 1, 3]].abs().max()) < 1e-6


def test_a_clip_in_a_padded_batch_sounds_as_alone() -> None:
    pitch = torch.rand(1, 1, 20, generator=torch.Generator().manual_seed(0))
    mask = torch.nn.functional.pad(torch.ones(1, 1, 20), (0, 8))
    padded = torch.cat([pitch, torch.full((1, 1, 8), 1.7)], -1)
    alone = SOURCE(SOURCE.timeline(pitch, voiced(pitch), None), None)
    together = SOURCE(SOURCE.timeline(padded, voiced(padded), mask), mask)
    for own, wanted in zip(together, alone, strict=True):
        torch.testing.assert_close(own[..., : 20 * HOP], wanted, rtol=0, atol=1e-6)
        assert not own[..., 20 * HOP :].any()


def test_what_batches_leave_of_single_precision_is_not_heard() -> None:
    generator = torch.Generator().manual_seed(0)
    # In the middle of the steps that it is rounded to.
    pitch = torch.randint(0, 2 * STEPS, (1, 1, 500), generator=generator) / STEPS
    apart = pitch + 1e-6 * torch.randn(pitch.shape, generator=generator)
    one, other = (SOURCE.timeline(own, voiced(pitch), None) for own in (pitch, apart))
    assert torch.equal(one, other)
