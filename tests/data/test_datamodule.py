"""The data module: which speakers and clips, its errors, and its loaders under Lightning."""

from __future__ import annotations

import json
import logging
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import hydra
import lightning
import pytest
import torch
from lightning.fabric.utilities.apply_func import move_data_to_device

from sovits.data.augmentation import Augmentation, Gain, Noise, Room
from sovits.data.batch import Batch
from sovits.data.datamodule import SpeechDataModule
from sovits.data.manifest import QUARANTINE_NAME, SPLITS
from sovits.data.quality.quality import Reason
from sovits.data.tempo import Speed
from sovits.data.waveform_store import WaveformFiles
from sovits.errors import SovitsError


def ids_of(loader) -> list[str]:
    return [name for batch in loader for name in batch.ids]


def test_speakers_are_sorted_and_number_the_batches(make_data):
    data = make_data()
    assert data.speakers == ["ann", "bob", "cy"]
    for batch in data.train_dataloader():
        assert [data.speakers[speaker] for speaker in batch.speakers.tolist()] == [name.split("/")[0] for name in batch.ids]


@pytest.mark.parametrize(
    ("choice", "speakers"),
    [({"speaker": "bob"}, ["bob"]), ({"speakers": ["cy", "ann"]}, ["ann", "cy"]), ({"speakers": ["bob", "bob"]}, ["bob"])],
)
def test_chosen_speakers(make_data, choice, speakers):
    data = make_data(**choice)
    assert data.speakers == speakers
    assert {utterance.speaker for utterance in data.utterances("train")} == set(speakers)
    assert {name.split("/")[0] for name in ids_of(data.train_dataloader())} == set(speakers)


def test_a_name_of_digits_arrives_from_hydra_as_a_number(small_set, make_data):
    small_set.pitch["26"] = 300.0
    small_set.write([small_set.utterance("26", number) for number in range(3)])
    assert make_data(speaker=26).speakers == make_data(speakers=[26]).speakers == ["26"]


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"speaker": "bob", "speakers": ["ann"]}, r"data\.speaker=bob and data\.speakers=\['ann'\] are both set"),
        ({"speaker": "eve"}, r"no speaker eve; it has ann, bob, cy"),
        ({"speakers": ["ann", "eve", "mal"]}, r"no speaker eve, mal; it has ann, bob, cy"),
        ({"speakers": "ann"}, r"write data\.speakers=\[ann\]"),
        ({"speakers": []}, r"data\.speakers=\[\] chooses nobody"),
        ({"sample_rate": 22050}, r"prepared at 8000 Hz but audio\.sample_rate=22050"),
        ({"max_clips": 0}, r"data\.max_clips=0"),
        (
            {"frame_budget": 40},
            r"ann, bob, cy has no train utterance .the first of 21 refused: 50 frames: longer than data\.frame_budget=40",
        ),
    ],
)
def test_what_cannot_be_used_is_named(make_data, choice, message):
    with pytest.raises(SovitsError, match=message):
        make_data(**choice).setup()


def test_a_missing_set_says_how_to_make_one(tmp_path, front_end):
    with pytest.raises(SovitsError, match=r"nowhere: manifest\.jsonl is missing; make one with `sovits prepare"):
        SpeechDataModule(str(tmp_path / "nowhere"), front_end, 8000, 80).setup()


def test_a_speaker_with_nothing_to_train_on_is_named(small_set, make_data):
    long = small_set.utterance("cy", 0, text="x" * 60)
    small_set.write([small_set.utterance("ann", 0), small_set.utterance("bob", 0, "val"), long])
    with pytest.raises(SovitsError, match=r"bob, cy has no train utterance.*60 phones in 50 frames.*record more.*data\.speakers="):
        make_data().setup()
    assert make_data(speaker="ann").utterances("train")[0].id == "ann/00"


def test_refused_clips_are_named_at_set_up(small_set, make_data, caplog):
    small_set.write([small_set.utterance("ann", 0), small_set.utterance("ann", 1, text="x" * 61), small_set.utterance("ann", 2, "val", "")])
    data = make_data()
    with caplog.at_level(logging.WARNING, logger="sovits"):
        data.setup("fit")
        data.setup("test")
    assert data.refused.keys() == {"ann/01", "ann/02"}
    assert caplog.text.count("Not used for training or evaluation, 2 clip(s): ann/01 (61 phones in 60 frames") == 1
    assert ids_of(data.train_dataloader()) == ["ann/00"]
    assert data.val_dataloader() == []
    assert "no usable val utterance" in caplog.text


def test_summary_counts_what_is_there(make_data):
    summary = make_data().summary()
    assert "3 speaker(s), 16 train / 3 val / 2 test utterances, 0 refused, 0.2 minutes to train on (ann 0.1, bob 0.1, cy 0.0)" in summary


def test_limit_keeps_the_first_of_each_speaker_and_split(make_data):
    data = make_data(limit_utterances=2)
    assert [clip.id for clip in data.utterances("train")] == ["ann/00", "ann/01", "bob/00", "bob/01", "cy/00", "cy/01"]
    assert [clip.id for clip in data.utterances("val")] == ["ann/09", "ann/10", "bob/05"]


def test_only_so_much_speech_of_each_speaker_to_train_on(make_data):
    data = make_data(seconds_per_speaker=2.0)
    seconds = {name: sum(u.duration for u in data.utterances("train") if u.speaker == name) for name in data.speakers}
    assert all(0 < total <= 2.0 for total in seconds.values())
    assert len(data.utterances("train")) < len(make_data().utterances("train"))
    assert len(data.utterances("val")) == len(make_data().utterances("val"))


def test_the_training_clips_can_be_the_evaluation_clips_too(make_data):
    data = make_data(evaluate_on_train=True, limit_utterances=2)
    assert data.utterances("train") == data.utterances("val") == data.utterances("test")
    assert len(data.utterances("train")) == 6


def test_a_model_of_one_speaker_wants_one(make_data):
    with pytest.raises(SovitsError, match="single_speaker=true .* has ann, bob, cy; choose one with data.speaker=NAME"):
        make_data(single_speaker=True).setup()
    data = make_data(single_speaker=True, speaker="bob")
    assert {utterance.speaker for utterance in data.utterances("train")} == {"bob"}


def test_training_batches_stay_in_the_budget_and_cover_the_set(make_data):
    loader = make_data(balance=1.0).train_dataloader()
    batches = list(loader)
    assert all(len(batch) * int(batch.frame_lengths.max()) <= 250 and len(batch) <= 4 for batch in batches)
    assert all(batch.waveforms.shape == (len(batch), int(batch.frame_lengths.max()) * 80) for batch in batches)
    assert all(batch.references.shape == (len(batch), 80 * 80) for batch in batches)
    assert sorted(name for batch in batches for name in batch.ids) == sorted(clip.id for clip in make_data().utterances("train"))
    assert len(loader) == len(batches)


def test_the_log_says_how_many_batches_there_are_and_how_much_they_pad(make_data, caplog):
    with caplog.at_level(logging.INFO, logger="sovits"):
        loader = make_data().train_dataloader()
    padding = 100 * loader.batch_sampler.padding(0)
    assert f"{len(loader)} batches an epoch on each device, at most 4 clips in 250 frames, {padding:.1f} % of it padding" in caplog.text


def test_balance_reaches_the_loader(make_data):
    loader = make_data(balance=0.0).train_dataloader()
    drawn = Counter(name.split("/")[0] for name in ids_of(loader))
    assert all(count in (4, 5, 6) for count in drawn.values())
    assert drawn.total() <= 16


def test_evaluation_is_the_same_in_every_epoch(make_data):
    data = make_data(evaluation_clips=2, frame_budget=350)
    first, second = list(data.val_dataloader()), list(make_data(evaluation_clips=2, frame_budget=350).val_dataloader())
    assert [batch.ids for batch in first] == [["ann/09", "ann/10"], ["bob/05"]]
    assert all(torch.equal(one.references, other.references) for one, other in zip(first, second, strict=True))
    assert ids_of(data.test_dataloader()) == ["ann/11", "bob/06"]


def test_ranks_share_an_epoch(make_data):
    names = []
    for rank in range(2):
        data = make_data(balance=1.0)
        data.trainer = SimpleNamespace(global_rank=rank, world_size=2)
        loader = data.train_dataloader()
        names.append(ids_of(loader))
        assert len(loader) == len(list(loader.batch_sampler))
    assert len(set(names[0]) & set(names[1])) == 0
    assert len(names[0]) + len(names[1]) == 16


def test_lightning_moves_a_batch_with_its_text(make_data):
    batch = next(iter(make_data().train_dataloader()))
    moved = move_data_to_device(batch, torch.device("meta"))
    assert isinstance(moved, Batch)
    assert moved.ids == batch.ids
    assert {moved.waveforms.device.type, moved.references.device.type, moved.speakers.device.type, moved.frame_lengths.device.type} == {
        "meta"
    }
    assert all(value.device.type == "meta" for value in vars(moved.text).values())
    assert batch.waveforms.device.type == "cpu"


class TwoProcesses(lightning.LightningModule):
    """Gathers what both ranks saw; fails where they don't share the epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.seen: list[int] = []

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        self.seen += [hash_of(name) for name in batch.ids]
        return self.weight.sum() * 0

    def on_train_epoch_end(self) -> None:
        counts = self.all_gather(torch.tensor([len(self.seen)]))
        padded = torch.nn.functional.pad(torch.tensor(self.seen), (0, int(counts.max()) - len(self.seen)), value=-1)
        everything = self.all_gather(padded).flatten()
        assert sorted(everything[everything >= 0].tolist()) == sorted(
            hash_of(clip.id) for clip in self.trainer.datamodule.utterances("train")
        )
        self.seen.clear()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD([self.weight], 0.1)


def hash_of(name: str) -> int:
    return int.from_bytes(name.encode()[-6:], "big")


def two_processes(data: SpeechDataModule, **options: object) -> lightning.Trainer:
    trainer = lightning.Trainer(
        accelerator="cpu",
        devices=2,
        strategy="ddp_fork",
        max_epochs=2,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=0,
        **options,
    )
    trainer.fit(TwoProcesses(), data)
    return trainer


def test_two_real_processes_share_each_epoch(make_data):
    # What the ranks saw is compared inside them, at the end of each epoch; a difference there raises here.
    assert two_processes(make_data(balance=1.0), use_distributed_sampler=False).state.finished


def test_lightnings_own_sharding_is_refused(make_data):
    with pytest.raises(Exception, match="use_distributed_sampler=false"):
        two_processes(make_data(balance=1.0), use_distributed_sampler=True)


def test_evaluation_batches_stay_in_the_budget_too(make_data):
    data = make_data(evaluate_on_train=True, evaluation_clips=4, frame_budget=150)
    batches = list(data.val_dataloader())
    assert all(len(batch) * int(batch.frame_lengths.max()) <= 150 for batch in batches)
    assert [name for batch in batches for name in batch.ids] == [clip.id for clip in data.utterances("train")]


def test_a_clip_of_38_seconds_is_alone_in_its_batch_or_refused_by_name(small_set, make_data, caplog):
    long = replace(small_set.utterance("ann", 3), duration=38.0)
    small_set.write([long, *(small_set.utterance("ann", number) for number in (0, 1, 2))])
    batches = list(make_data(frame_budget=3800, balance=1.0).train_dataloader())
    assert [batch.waveforms.shape for batch in batches if "ann/03" in batch.ids] == [(1, 38 * 8000)]
    assert all(len(batch) * int(batch.frame_lengths.max()) <= 3800 for batch in batches)
    data = make_data(frame_budget=3799)
    with caplog.at_level(logging.WARNING, logger="sovits"):
        data.setup()
    assert "ann/03" not in ids_of(data.train_dataloader())
    assert data.refused.keys() == {"ann/03"}
    assert "3800 frames: longer than data.frame_budget=3799; raise it to 3800" in data.refused["ann/03"]
    assert "shorter clips" in data.refused["ann/03"]
    assert data.refused["ann/03"] in caplog.text


@pytest.fixture
def quarantined(small_set):
    """Two clips more of ann and one of somebody of whom nothing was kept; the first would be ann's first recording."""
    small_set.pitch["eve"] = 700.0
    early = replace(small_set.utterance("ann", 50, "test"), recording="a.wav", reasons=(Reason("snr", "3 dB"),))
    small_set.write([early, small_set.utterance("ann", 51), small_set.utterance("eve", 0)], QUARANTINE_NAME)


@pytest.mark.usefixtures("quarantined")
def test_quarantined_clips_stay_out_unless_wanted(make_data):
    assert not {"ann/50", "ann/51"} & {clip.id for split in SPLITS for clip in make_data().utterances(split)}
    assert make_data().refused == {}


@pytest.mark.usefixtures("quarantined")
@pytest.mark.parametrize("evaluate_on_train", [False, True])
def test_quarantined_clips_are_only_ever_trained_on(make_data, evaluate_on_train):
    data = make_data(include_quarantined=True, balance=1.0, evaluate_on_train=evaluate_on_train)
    assert {"ann/50", "ann/51"} <= set(ids_of(data.train_dataloader()))
    assert len(data.utterances("train")) == 18
    for split in ("val", "test"):
        assert not {"ann/50", "ann/51"} & {clip.id for clip in data.utterances(split)}
    assert data.refused.keys() == {"eve/00"}
    assert "no clip of eve was kept" in data.refused["eve/00"]


@pytest.mark.usefixtures("quarantined")
def test_limits_count_the_quarantined_clips_where_they_were_recorded(make_data):
    data = make_data(include_quarantined=True, limit_utterances=1, speaker="ann")
    assert [clip.id for clip in data.utterances("train")] == ["ann/50"]


def test_a_set_without_quarantine_has_nothing_to_include(make_data):
    assert make_data(include_quarantined=True).utterances("train") == make_data().utterances("train")


def test_preparing_the_data_packs_the_audio_and_set_up_finds_it(small_set, make_data, monkeypatch):
    make_data().prepare_data()
    packs = list((small_set.root / "cache" / "waveforms").glob("kept-*"))
    assert len(packs) == 1
    monkeypatch.setattr(WaveformFiles, "read_verified", None)
    assert len(ids_of(make_data().train_dataloader())) <= 16


def test_the_batches_are_the_same_with_and_without_the_cache(small_set, make_data, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("scratch")
    loaders = [make_data(**options).train_dataloader() for options in ({"cache": False}, {"cache_folder": str(elsewhere)})]
    assert not (small_set.root / "cache").exists()
    assert len(list(elsewhere.glob("*/kept-*/samples.i16"))) == 1
    for one, other in zip(*loaders, strict=True):
        assert torch.equal(one.waveforms, other.waveforms)
        assert torch.equal(one.references, other.references)


def test_a_cache_folder_without_a_cache_is_a_contradiction(make_data):
    with pytest.raises(SovitsError, match=r"data\.cache=false and data\.cache_folder=x contradict"):
        make_data(cache=False, cache_folder="x")


def test_changed_speed_keeps_the_budget_and_gives_each_clip_its_own_length(make_data):
    data = make_data(balance=1.0, augmentation=Augmentation(speed=Speed(0.8, 1.25)))
    own = {clip.id: int(clip.duration * 8000) // 80 for clip in data.utterances("train")}
    factors = []
    for batch in data.train_dataloader():
        assert len(batch) * int(batch.frame_lengths.max()) <= 250
        assert batch.waveforms.shape[1] == int(batch.frame_lengths.max()) * 80
        factors += [own[name] / frames for name, frames in zip(batch.ids, batch.frame_lengths.tolist(), strict=True)]
    assert len(factors) == 16
    assert all(0.79 < factor < 1.27 for factor in factors)
    assert max(factors) - min(factors) > 0.2


def test_a_clip_with_hardly_more_frames_than_phones_is_not_sped_up(small_set, make_data):
    small_set.write([small_set.utterance("ann", number, text="x" * 49) for number in (0, 10)])
    loader = make_data(augmentation=Augmentation(speed=Speed(1.2, 1.3))).train_dataloader()
    for epoch in range(4):
        loader.batch_sampler.sampler.set_epoch(epoch)
        assert all(batch.frame_lengths.tolist() == [50] * len(batch) for batch in loader)


def test_evaluation_clips_are_never_varied(make_data):
    varied = make_data(augmentation=Augmentation(speed=Speed(1.2, 1.3), noise=Noise(probability=1.0), references=True))
    for one, other in zip(varied.val_dataloader(), make_data().val_dataloader(), strict=True):
        assert torch.equal(one.waveforms, other.waveforms)
        assert torch.equal(one.references, other.references)


def shipped(*overrides: str) -> SpeechDataModule:
    with hydra.initialize_config_dir(str(Path(__file__).parents[2] / "conf"), version_base="1.3"):
        config = hydra.compose("train", ["audio.sample_rate=8000", "audio.hop_length=80", *overrides])
    config.data.front_end = {"_target_": "builtins.dict"}
    return hydra.utils.instantiate(config.data)


def test_the_shipped_config_builds_it(small_set):
    data = shipped(f"data.root={small_set.root}", "data.speakers=[bob]", "seed=3")
    assert isinstance(data, SpeechDataModule)
    assert data.speakers == ["bob"]
    assert data.reference_frames == 300
    assert data.augmentation is None
    assert json.loads((small_set.root / "manifest.jsonl").read_text().splitlines()[0])["sample_rate"] == data.sample_rate


def test_the_shipped_augmentation_builds_and_its_parts_can_be_left_out(small_set):
    whole = shipped(f"data.root={small_set.root}", "data/augmentation=all").augmentation
    assert [type(change) for change in whole.changes] == [Room, Noise, Gain]
    assert (whole.speed.least, whole.speed.most, whole.references) == (0.9, 1.1, False)
    part = shipped(f"data.root={small_set.root}", "data/augmentation=all", "data.augmentation.room=null", "data.augmentation.speed=null")
    assert [type(change) for change in part.augmentation.changes] == [Noise, Gain]
    assert part.augmentation.speed is None


def test_who_has_too_little_is_not_trained_on_but_has_a_voice(make_data, caplog):
    data = make_data()
    seconds = {name: sum(u.duration for u in data.utterances("train") if u.speaker == name) for name in data.speakers}
    scarce = min(seconds, key=seconds.__getitem__)
    bound = sorted(seconds.values())[1]
    with caplog.at_level(logging.WARNING):
        data = make_data(least_seconds=bound)
        data.setup()
    assert f"less than data.least_seconds={bound:g}: {scarce} ({seconds[scarce]:.1f} s). Only the voice is read" in caplog.text
    assert data.taught == [name for name in data.speakers if name != scarce]
    assert {name.split("/")[0] for name in ids_of(data.train_dataloader())} == set(data.taught)
    assert {utterance.speaker for utterance in data.utterances("train")} == set(data.speakers)
    assert {data.speakers[s] for batch in data.train_dataloader() for s in batch.speakers.tolist()} == set(data.taught)


def test_where_nobody_is_trained_on_everything_is_held_out(small_set, make_data):
    small_set.pitch["dee"] = 300.0
    small_set.write([replace(small_set.utterance("dee", 0), split="train")])
    data = make_data(least_seconds=100.0)
    assert data.taught == []
    assert data.utterances("val") == data.utterances("train") != []
