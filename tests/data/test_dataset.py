"""Items and batches: audio cut to frames, references of the same voice, clips that cannot be aligned set aside."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch

from sovits.data.augmentation import Augmentation, Noise
from sovits.data.clips import select_clips
from sovits.data.dataset import ClipDataset, as_float, collate, padded
from sovits.data.manifest import Manifest
from sovits.data.quality.quality import Quality
from sovits.data.sampler import Draw
from sovits.data.waveform_store import WaveformFiles

HOP = 80


def store_of(small_set) -> WaveformFiles:
    return WaveformFiles(small_set.root, small_set.sample_rate)


@pytest.fixture
def dataset_of(small_set, front_end):
    def make(reference_frames: int = 64, augmentation: Augmentation | None = None) -> ClipDataset:
        manifest, store = Manifest.load(small_set.root), store_of(small_set)
        clips, refused = select_clips(manifest.utterances, manifest.speakers, store, front_end, hop_length=HOP, most_frames=200)
        assert not refused
        train = [clip for clip in clips if clip.utterance.split == "train"]
        references = {speaker: [clip for clip in train if clip.speaker == speaker] for speaker in range(3)}
        return ClipDataset(
            clips, references, store, sample_rate=8000, hop_length=HOP, reference_frames=reference_frames, seed=1, augmentation=augmentation
        )

    return make


def test_an_item_is_whole_frames_of_the_file(small_set, dataset_of):
    dataset = dataset_of()
    item = dataset[Draw(3, 0, 0)]
    whole, _ = soundfile.read(small_set.root / item.clip.utterance.path, dtype="float32")
    assert item.clip.frames == len(whole) // HOP == 80
    assert len(whole) == 6424
    assert np.array_equal(as_float(item.waveform), whole[: 80 * HOP])


@pytest.mark.parametrize("reference_frames", [20, 64, 500])
def test_references_are_other_clips_of_the_same_voice_in_one_length(small_set, reference_frames, dataset_of):
    dataset = dataset_of(reference_frames)
    for index, clip in enumerate(dataset.clips):
        reference = dataset[Draw(index, 0, 0)].reference
        assert reference.shape == (reference_frames * HOP,)
        assert small_set.pitch_of(reference) == pytest.approx(small_set.pitch[clip.utterance.speaker], abs=12)


def test_a_reference_is_never_the_clip_itself_while_there_is_another(small_set, dataset_of):
    dataset = dataset_of()
    asked: list[str] = []
    read = dataset.store.read
    dataset.store.read = lambda clip: asked.append(clip.path) or read(clip)  # type: ignore[method-assign]
    for epoch in range(20):
        for index, clip in enumerate(dataset.clips):
            asked.clear()
            dataset[Draw(index, epoch, 0)]
            assert asked[0] == clip.utterance.path != asked[1]
            assert asked[1].split("/")[1] == clip.utterance.speaker
    alone = ClipDataset(
        dataset.clips[:1], {0: dataset.clips[:1]}, dataset.store, sample_rate=8000, hop_length=HOP, reference_frames=20, seed=1
    )
    assert small_set.pitch_of(alone[Draw(0, 0, 0)].reference) == pytest.approx(small_set.pitch["ann"], abs=12)


def test_references_come_from_training_clips_only(dataset_of):
    dataset = dataset_of()
    asked: set[str] = set()
    validation = [index for index, clip in enumerate(dataset.clips) if clip.utterance.split == "val"]
    read = dataset.store.read
    dataset.store.read = lambda clip: asked.add(clip.path) or read(clip)  # type: ignore[method-assign]
    for index in validation:
        for epoch in range(10):
            dataset[Draw(index, epoch, 0)]
    own = {dataset.clips[index].utterance.path for index in validation}
    assert asked - own <= {clip.utterance.path for clip in dataset.clips if clip.utterance.split == "train"}


def test_the_same_draw_gives_the_same_item_and_another_epoch_another_reference(dataset_of):
    one, same = dataset_of(20), dataset_of(20)
    assert np.array_equal(one[Draw(0, 4, 1)].reference, same[Draw(0, 4, 1)].reference)
    references = [one[Draw(0, epoch, turn)].reference for epoch in range(4) for turn in range(2)]
    assert len({reference.tobytes() for reference in references}) == 8


def test_collate_pads_with_zeros(dataset_of):
    dataset = dataset_of()
    batch = collate([dataset[Draw(index, 0, 0)] for index in (0, 5, 12)])
    assert batch.frame_lengths.tolist() == [50, 100, 50]
    assert len(batch) == 3
    assert batch.waveforms.shape == (3, 8000)
    assert batch.references.shape == (3, 5120)
    assert batch.waveforms.dtype == batch.references.dtype == torch.float32
    assert batch.waveforms[0, 4000:].abs().max() == 0
    assert batch.waveforms[0, :4000].abs().max() == pytest.approx(0.5, abs=1e-3)
    assert batch.speakers.tolist() == [0, 0, 1]
    assert batch.ids == ["ann/00", "ann/05", "bob/00"]
    assert batch.texts == ["hello"] * 3
    assert batch.text.lengths.tolist() == [5, 5, 5]


def test_a_batch_says_what_its_recordings_can_hold(dataset_of):
    dataset = dataset_of()
    items = [dataset[Draw(index, 0, 0)] for index in (0, 5)]
    of_a_file = replace(items[1].clip.utterance, quality=Quality(source_rate=6000))
    items[1] = replace(items[1], clip=replace(items[1].clip, utterance=of_a_file))
    assert collate(items).bandwidths.tolist() == [float("inf"), 3000.0]


def test_pinning_reaches_every_tensor(monkeypatch, dataset_of):
    pinned = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: pinned.append(tensor) or tensor)
    batch = collate([dataset_of()[Draw(0, 0, 0)]])
    copy = torch.utils.data._utils.pin_memory.pin_memory(batch)
    assert copy is not batch
    assert copy.ids == batch.ids
    assert torch.equal(copy.text.phones, batch.text.phones)
    assert len(pinned) == 7 + 7


def test_clips_that_cannot_be_aligned_are_refused_with_the_reason(small_set, front_end):
    texts = ["fine", "x" * 51, "", "x" * 50]
    utterances = [small_set.utterance("ann", number, "train", text) for number, text in zip((0, 10, 20, 30), texts, strict=True)]
    utterances.append(small_set.utterance("ann", 9, "train"))
    for clip in utterances:
        small_set.write_clip(clip)
    clips, refused = select_clips(utterances, ["ann"], store_of(small_set), front_end, hop_length=HOP, most_frames=100)
    assert [clip.utterance.id for clip in clips] == ["ann/00", "ann/30"], "as many phones as frames can still be aligned"
    assert refused.keys() == {"ann/10", "ann/20", "ann/09"}
    assert "51 phones in 50 frames" in refused["ann/10"]
    assert "text is empty" in refused["ann/20"]
    assert "data.frame_budget=100" in refused["ann/09"]


def test_padding_converts_sixteen_bits_and_leaves_numbers_as_they_are():
    rows = padded([np.array([-32768, 16384, 1], dtype=np.int16), np.array([0.25, -2.0], dtype=np.float32)])
    assert rows.dtype == torch.float32
    assert rows.tolist() == [[-1.0, 0.5, 1 / 32768], [0.25, -2.0, 0.0]]


def test_a_faster_draw_is_as_many_frames_as_it_says_at_the_same_pitch(small_set, dataset_of):
    item = dataset_of()[Draw(8, 0, 0, frames=110)]
    assert item.clip.frames == 130
    assert item.frames == 110
    assert item.waveform.shape == (110 * HOP,)
    assert small_set.pitch_of(item.waveform) == pytest.approx(small_set.pitch["ann"], abs=2)
    assert collate([item]).frame_lengths.tolist() == [110]


def test_references_are_varied_only_where_wanted(dataset_of):
    plain = dataset_of()[Draw(0, 0, 0)]
    for wanted in (False, True):
        dataset = dataset_of(augmentation=Augmentation(noise=Noise(probability=1.0), references=wanted))
        item = dataset[Draw(0, 0, 0)]
        assert not np.array_equal(item.waveform, as_float(plain.waveform))
        assert np.array_equal(as_float(item.reference), as_float(plain.reference)) is not wanted
        other = dataset[Draw(0, 0, 1)]
        assert not np.array_equal(item.waveform, other.waveform), "another turn, another noise"
