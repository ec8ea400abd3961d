"""The speaker encoder by itself: what learns, what does not, and that a synthesizer can start with it."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader

from sovits.data.batch import Batch
from sovits.errors import SovitsError
from sovits.modules import EcapaSpeakerEncoder, TrainedSpeakerEncoder
from sovits.training.lightning_module import GENERATOR_LOSSES
from sovits.training.speaker_training import SpeakerTraining, _filled
from sovits.training.warm_start import warm_start
from tests.builders import EMBEDDING, HOP, N_MELS, tiny_mels, tiny_synthesizer, tiny_text, tiny_training
from tests.training.test_lightning_module import moved, trainer_in

ONLY_SPEAKER = {name: float(name == "speaker") for name in GENERATOR_LOSSES}
FRAMES = 40


def encoder() -> TrainedSpeakerEncoder:
    return TrainedSpeakerEncoder(tiny_mels(), EcapaSpeakerEncoder(N_MELS, EMBEDDING, [8, 8, 8, 8, 24], 8))


def speaker_training(steps: int = 4, **changes: Any) -> SpeakerTraining:
    settings = {"synthesizer": tiny_synthesizer(speaker_encoder=encoder()), "weights": ONLY_SPEAKER}
    return tiny_training(steps=steps, adversary_from=steps, kind=SpeakerTraining, **settings | changes)


def two_voices(seed: int, clips: int = 8) -> Batch:
    """Bursts of dull and of sharp noise, half of the clips each, over a steady hiss: voices that are easy to tell apart."""
    random = torch.Generator().manual_seed(seed)
    speakers = torch.arange(clips) % 2
    white = torch.randn(2 * clips, FRAMES * HOP, generator=random)
    dull = 3 * torch.nn.functional.avg_pool1d(white[:, None], 9, 1, 4).squeeze(1)
    bursts = (torch.rand(2 * clips, FRAMES, generator=random) < 0.5).float().repeat_interleave(HOP, 1)
    hiss = 0.01 * torch.randn(2 * clips, FRAMES * HOP, generator=random)
    noise = 0.1 * bursts * torch.where(speakers.repeat(2)[:, None] == 0, dull, white - dull / 3) + hiss
    return Batch(
        tiny_text(*[4] * clips),
        noise[:clips],
        torch.full((clips,), FRAMES),
        noise[clips:, : FRAMES // 2 * HOP],
        speakers,
        torch.ones(clips).bool(),
        torch.zeros(clips, 4).long(),
        torch.full((clips,), torch.inf),
        [f"{speaker}/{number}" for number, speaker in enumerate(speakers.tolist())],
        ["x"] * clips,
    )


def fit(training: SpeakerTraining, folder: Path, steps: int) -> None:
    loader = DataLoader([two_voices(seed) for seed in range(steps)], batch_size=None)  # type: ignore[arg-type]
    trainer_in(folder, limit_val_batches=0).fit(training, loader)


def test_only_the_encoder_and_what_teaches_it_learn(tmp_path: Path) -> None:
    training = speaker_training(steps=2)
    before = copy.deepcopy(training.state_dict())
    fit(training, tmp_path, 2)
    assert training.generator_step == 2
    changed = moved(before, training.state_dict())
    assert {name.split(".")[0] for name in changed} == {"synthesizer", "speaker_classifier"}
    assert all(name.startswith(("synthesizer.speaker_encoder.", "speaker_classifier.")) for name in changed)


def test_voices_come_to_be_told_apart(tmp_path: Path) -> None:
    torch.manual_seed(0)
    training = speaker_training(steps=120, generator_optimizer=lambda weights: torch.optim.AdamW(weights, lr=3e-3)).eval()
    unheard = two_voices(seed=99)
    with torch.no_grad():
        before = training._loss(unheard).item()
    fit(training, tmp_path, 120)
    training.eval()
    with torch.no_grad():
        after, voices = training._loss(unheard).item(), training.synthesizer.embed_speaker(unheard.references)
    assert after < 0.5 < 1 < before
    cosines, same = voices @ voices.T, unheard.speakers[:, None] == unheard.speakers
    assert cosines[same].mean() > cosines[~same].mean() + 0.5


def test_a_synthesizer_starts_with_the_encoder_and_nothing_else(tmp_path: Path) -> None:
    torch.manual_seed(1)
    taught = speaker_training(steps=1)
    fit(taught, tmp_path, 1)
    torch.manual_seed(2)
    other = tiny_training(synthesizer=tiny_synthesizer(speaker_encoder=encoder()))
    before = copy.deepcopy(other.state_dict())
    warm_start(other, taught.state_dict(), ["synthesizer.speaker_encoder"])
    changed = moved(before, other.state_dict())
    assert changed
    assert all(name.startswith("synthesizer.speaker_encoder.") for name in changed)
    batch = two_voices(seed=5)
    for module in (taught, other):
        module.eval()
    assert torch.equal(*(module.synthesizer.embed_speaker(batch.references) for module in (taught, other)))


def test_other_losses_are_refused() -> None:
    with pytest.raises(SovitsError, match=r"counts mel, speaker; leave them"):
        speaker_training(weights=ONLY_SPEAKER | {"mel": 1.0})


def test_a_short_clip_is_repeated_where_it_ends() -> None:
    filled = _filled(torch.tensor([[1.0, 2.0, 3.0, 0.0, 0.0, 0.0, 0.0], [1, 2, 3, 4, 5, 6, 7]]), torch.tensor([3, 20]))
    assert filled.tolist() == [[1, 2, 3, 1, 2, 3, 1], [1, 2, 3, 4, 5, 6, 7]]
