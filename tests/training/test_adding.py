"""Adding a voice to a trained model, piece by piece: low-rank updates, the free voice, rehearsal, the table of what was forgotten."""

from __future__ import annotations

import copy
import csv
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

from sovits.data.sampler import Draw, FrameBudgetBatchSampler, SpeakerBalancedSampler
from sovits.errors import SovitsError
from sovits.metrics import Figure
from sovits.modules import SpeakerTable, UpsamplingDecoder
from sovits.modules.added_voice import AddedVoice
from sovits.training.adding import AllWeights, LowRank, VoiceAddition, VoiceOnly, own_state
from sovits.training.forgetting import Change, ForgettingCheck, with_mean, write_changes
from sovits.training.low_rank import LowRankUpdate, add_low_rank, merged_state
from sovits.training.rehearsal import JoinedClips, RehearsalBatchSampler
from tests.builders import EMBEDDING, tiny_batch, tiny_synthesizer, tiny_text, tiny_training

FLOW_PARTS = ["text_encoder", "posterior_encoder", "flow", "duration_predictor", "decoder"]


def stirred(module: nn.Module) -> nn.Module:
    """Updates that do something."""
    for part in module.modules():
        if isinstance(part, LowRankUpdate):
            nn.init.normal_(part.up, std=0.3)
    return module


def test_an_update_adds_a_matrix_of_its_rank_and_nothing_at_first() -> None:
    layer = nn.Linear(12, 10)
    before = layer.weight.detach().clone()
    assert add_low_rank(layer, rank=3, alpha=6.0) == 1
    assert torch.equal(layer.weight, before)
    stirred(layer)
    difference = layer.weight.detach() - before
    update = layer.parametrizations.weight[0]
    torch.testing.assert_close(difference, 2.0 * update.up.detach() @ update.down.detach(), rtol=1e-4, atol=1e-6)
    assert np.linalg.matrix_rank(difference.numpy(), tol=1e-4) == 3
    assert [name for name, weight in layer.named_parameters() if weight.requires_grad] == [
        "parametrizations.weight.0.down",
        "parametrizations.weight.0.up",
    ]


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv1d(8, 12, 5, padding=6, dilation=3),
        nn.ConvTranspose1d(8, 12, 4, 2),
        weight_norm(nn.Conv1d(8, 12, 3, padding=1)),
        weight_norm(nn.ConvTranspose1d(8, 12, 4, 2)),
    ],
)
def test_merged_convolutions_sound_like_unmerged_ones(layer: nn.Module) -> None:
    plain = copy.deepcopy(layer)
    names = list(plain.state_dict())
    model = nn.Sequential(layer)
    assert add_low_rank(model, rank=2, alpha=4.0) == 1
    stirred(model)
    merged = {name.removeprefix("0."): value for name, value in merged_state(model).items()}
    assert sorted(merged) == sorted(names)
    signal = torch.randn(2, 8, 20)
    assert not torch.allclose(plain(signal), layer(signal), atol=1e-3)
    plain.load_state_dict(merged)
    torch.testing.assert_close(plain(signal), layer(signal), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("decoder", ["frame_rate", "upsampling"])
def test_a_merged_synthesizer_speaks_like_the_unmerged_one(decoder: str) -> None:
    torch.manual_seed(0)
    changes = {} if decoder == "frame_rate" else {"decoder": UpsamplingDecoder(8, 64, [8, 8], 32, [3], [[1, 3]], EMBEDDING)}
    plain = tiny_synthesizer(**changes).eval()
    taught = copy.deepcopy(plain)
    frozen = LowRank(rank=2, alpha=4.0, parts=FLOW_PARTS).open(taught)
    assert all(not any(weight.requires_grad for weight in part.parameters()) for part in frozen)
    stirred(taught)
    text, voice = tiny_text(9, 6), F.normalize(torch.randn(2, EMBEDDING), dim=1)

    def said(model: nn.Module) -> torch.Tensor:
        return model.synthesize(text, voice, generators=torch.Generator().manual_seed(3)).audio

    expected = said(taught)
    untaught = said(plain)
    plain.load_state_dict(merged_state(taught))
    torch.testing.assert_close(said(plain), expected, rtol=1e-4, atol=1e-5)
    assert untaught.shape != expected.shape or not torch.allclose(untaught, expected, atol=1e-3)


def test_a_free_voice_is_the_new_speakers_alone_and_of_norm_one() -> None:
    table = SpeakerTable(2, EMBEDDING)
    added = AddedVoice(table, number=2, start=torch.randn(EMBEDDING))
    voices = added(None, torch.tensor([1, 2, 0, 2]))
    torch.testing.assert_close(voices.norm(dim=1), torch.ones(4))
    torch.testing.assert_close(voices[[0, 2]], table(None, torch.tensor([1, 0])))
    assert torch.equal(voices[1], voices[3])
    voices.sum().backward()
    assert table.table.weight.grad is None
    assert added.vector.grad is not None
    state = own_state(added)
    assert torch.equal(state["table.weight"][:2], table.table.weight)
    torch.testing.assert_close(state["table.weight"][2], F.normalize(added.vector.detach(), dim=0))


def addition(way: VoiceOnly | LowRank | AllWeights) -> VoiceAddition:
    torch.manual_seed(0)
    training = tiny_training(adversary_from=99)
    training.__class__ = VoiceAddition
    start = F.normalize(torch.randn(EMBEDDING), dim=0)
    training.add_voice("cleo", start, way, ["ana", "bo"], {"ana": start, "bo": -start})
    return training


def test_only_the_voice_is_open_and_nothing_drops_out_where_only_the_voice_learns() -> None:
    training = addition(VoiceOnly())
    training.train()
    assert [name for name, weight in training.synthesizer.named_parameters() if weight.requires_grad] == ["speaker_encoder.vector"]
    assert not any(part.training for name, part in training.synthesizer.named_modules() if name not in ("", "speaker_encoder"))


def test_old_voices_stay_what_they_were_whatever_is_heard_of_them() -> None:
    training = addition(AllWeights())
    heard = F.normalize(torch.randn(EMBEDDING), dim=0)
    training.speaker_bank = {"ana": heard, "cleo": heard}
    assert torch.equal(training.speaker_bank["bo"], -training.speaker_bank["ana"])
    assert not torch.equal(training.speaker_bank["ana"], heard)
    assert torch.equal(training.speaker_bank["cleo"], heard)
    assert training.speakers == ["ana", "bo", "cleo"]


def test_clips_are_numbered_by_who_speaks_them_whichever_set_they_are_from() -> None:
    training = addition(VoiceOnly())
    batch = tiny_batch()
    batch.ids = ["cleo/1", "bo/7"]
    with torch.no_grad():
        _, voices = training._forward(batch)
    torch.testing.assert_close(voices[0], F.normalize(training.synthesizer.speaker_encoder.vector, dim=0))
    assert not torch.allclose(voices[0], voices[1], atol=1e-2)


def batch_sampler(clips: int, seed: int = 0, rank: int = 0, world_size: int = 1) -> FrameBudgetBatchSampler:
    sampler = SpeakerBalancedSampler([0] * clips, balance=1.0, seed=seed)
    return FrameBudgetBatchSampler(sampler, [10] * clips, frame_budget=20, max_clips=2, rank=rank, world_size=world_size)


@pytest.mark.parametrize(("share", "rehearsed"), [(0.0, 0), (0.5, 6), (0.25, 2), (0.8, 24)])
def test_a_share_of_the_batches_are_rehearsals_and_every_new_clip_still_comes_once(share: float, rehearsed: int) -> None:
    mixed = RehearsalBatchSampler(batch_sampler(12), batch_sampler(6, seed=1), share, offset=100)
    for epoch in range(3):
        mixed.sampler.set_epoch(epoch)
        batches = list(mixed)
        assert len(batches) == len(mixed) == 6 + rehearsed
        assert sorted(draw.clip for batch in batches for draw in batch if draw.clip < 100) == list(range(12))
        assert sum(batch[0].clip >= 100 for batch in batches) == rehearsed
        assert batches[-1][0].clip < 100
        assert all(len({draw.clip >= 100 for draw in batch}) == 1 for batch in batches)


def test_old_epochs_go_on_from_one_new_epoch_to_the_next() -> None:
    mixed = RehearsalBatchSampler(batch_sampler(8), batch_sampler(12, seed=1), 0.5, offset=100)
    seen = []
    for epoch in range(3):
        mixed.sampler.set_epoch(epoch)
        seen += [draw.clip - 100 for batch in mixed for draw in batch if draw.clip >= 100]
    assert sorted(seen[:12]) == list(range(12))
    assert sorted(seen[12:]) == list(range(12))


def test_rehearsal_goes_on_at_any_batch_and_depends_on_both_sets() -> None:
    mixed = RehearsalBatchSampler(batch_sampler(8), batch_sampler(12, seed=1), 0.5, offset=100)
    whole = list(mixed)
    mixed.start = 3
    assert list(mixed) == whole[3:]
    other = RehearsalBatchSampler(batch_sampler(8), batch_sampler(12, seed=2), 0.5, offset=100)
    assert other.fingerprint() != mixed.fingerprint()


def test_joined_clips_are_found_in_their_own_set() -> None:
    class Clips(list):
        def __getitem__(self, draw: Draw) -> str:
            return f"{super().__getitem__(draw.clip)} in epoch {draw.epoch}"

    joined = JoinedClips(Clips(["a", "b"]), Clips(["x", "y", "z"]))
    assert [joined[Draw(clip, 4, 0)] for clip in (1, 2, 4)] == ["b in epoch 4", "x in epoch 4", "z in epoch 4"]
    assert len(joined) == 5


FIGURES = [Figure("similarity", "similarity", "", True), Figure("distance", "distance", "", False)]
CHANGES = [
    Change("ana", False, 2, {"similarity": 0.8, "distance": 1.0}, {"similarity": 0.7, "distance": 1.5}, {"similarity": 0.9}),
    Change("bo", False, 3, {"similarity": 0.6, "distance": 2.0}, {"similarity": 0.6, "distance": 2.1}, {"similarity": 0.9}),
    Change("cleo", True, 1, {}, {"similarity": 0.5, "distance": 3.0}, {"similarity": 0.8}),
]


def test_what_was_forgotten_is_a_row_a_speaker_with_the_old_ones_mean(tmp_path: Path) -> None:
    with write_changes(CHANGES, FIGURES, tmp_path / "forgetting.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["speaker"], row["is"], row["clips"]) for row in rows] == [
        ("ana", "old", "2"), ("bo", "old", "3"), ("(mean of the old)", "old", "5"), ("cleo", "new", "1"),
    ]  # fmt: skip
    assert float(rows[0]["similarity_change"]) == pytest.approx(-0.1)
    assert float(rows[2]["similarity_change"]) == pytest.approx(-0.05)
    assert float(rows[2]["distance_after"]) == pytest.approx(1.8)
    assert (rows[3]["similarity_before"], rows[3]["similarity_change"], rows[3]["similarity_real"]) == ("", "", "0.8")
    assert math.isnan(CHANGES[2].of("distance"))


def test_one_old_speaker_needs_no_mean() -> None:
    assert [change.speaker for change in with_mean([CHANGES[0], CHANGES[2]])] == ["ana", "cleo"]


def test_training_sentences_say_nothing_about_forgetting() -> None:
    with pytest.raises(SovitsError, match=r"forgetting.splits=\['train'\]"):
        ForgettingCheck(None, splits=["train"])


def test_rehearsals_are_spread_evenly() -> None:
    mixed = RehearsalBatchSampler(batch_sampler(24), batch_sampler(12, seed=1), 0.25, offset=100)
    places = [place for place, batch in enumerate(mixed) if batch[0].clip >= 100]
    assert {b - a for a, b in pairwise(places)} == {4}
