"""A decoder that is told the pitch says it."""

from __future__ import annotations

import math

import pytest
import torch

from sovits.audio.pitch import PitchTracker
from sovits.modules.layers.harmonic_source import STEPS
from sovits.modules.pitch_predictor import MIDDLE_HERTZ
from tests.builders import EMBEDDING, HOP, SAMPLE_RATE, tiny_harmonic_decoder

FRAMES = 120


@pytest.mark.parametrize("hertz", [90.0, 210.0])
@torch.no_grad()
def test_what_it_is_told_is_heard_and_what_it_predicts_is_its_own(hertz: float) -> None:
    decoder = tiny_harmonic_decoder().eval()
    decoder.head.projection.weight *= 0.1
    decoder.head.projection.bias.view(3, -1)[2] -= 5  # hardly any noise
    latent, voice = torch.randn(1, 8, FRAMES), torch.randn(1, EMBEDDING)
    told = torch.full((1, FRAMES), hertz)
    told[:, 60:] = 0
    excited = decoder.excited(latent, None, voice, told)
    heard = PitchTracker(SAMPLE_RATE, HOP)(decoder.decode(excited, None, voice)[:, 0])[0]
    within = slice(5, 55)
    assert heard[within].tolist() == pytest.approx([hertz] * 50, rel=2 ** (1 / STEPS) - 1 + 0.005)
    own = decoder.pitch(decoder.excited(latent, None, voice))
    for with_it, without in zip(decoder.pitch(excited), own, strict=True):
        assert torch.equal(with_it, without)
    # Where nothing is voiced it goes on with what it predicts.
    timeline = decoder.source.timeline(*(part.unsqueeze(1) for part in (own.log_hertz - math.log2(MIDDLE_HERTZ), own.voicing > 0)), None)
    torch.testing.assert_close(excited[:, 10, 60:], timeline[:, 0, 60:], rtol=0, atol=1.01 / STEPS)
