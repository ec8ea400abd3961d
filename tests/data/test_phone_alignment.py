"""Phones aligned with sound before any training: against espeak-ng's own word times, and on sounds with a known answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sovits.data.aligned_clips import FOLDER, with_durations
from sovits.data.demo_sentences import ALICE
from sovits.data.espeak import open_espeak
from sovits.data.phone_alignment import Cepstra, PhoneAligner, Spoken, stretched
from sovits.text import EnglishPhonemizer, MandarinPhonemizer, SemanticTokenizer, TextFrontEnd

RATE, HOP = 22050, 512


def test_sounds_that_differ_are_found_where_they_are() -> None:
    random = torch.Generator().manual_seed(0)
    means = torch.randn(6, 12, generator=random)
    clips, truths = [], []
    for _ in range(30):
        units = torch.randint(0, 6, (9,), generator=random)
        units = units[torch.cat([torch.tensor([True]), units[1:] != units[:-1]])]
        durations = torch.randint(1, 12, units.shape, generator=random)
        frames = means[units].repeat_interleave(durations, 0)
        clips.append(Spoken((frames + 0.3 * torch.randn(frames.shape, generator=random)).T, units.numpy()))
        truths.append(durations.numpy())
    found = PhoneAligner(6).align(clips)
    for clip, own in zip(clips, found, strict=True):
        assert own.sum() == clip.features.shape[1]
        assert own.min() >= 1
    exact = np.concatenate([own == truth for own, truth in zip(found, truths, strict=True)])
    assert exact.mean() > 0.95


def test_words_begin_where_espeak_says() -> None:
    front_end = TextFrontEnd(EnglishPhonemizer("en-us"), MandarinPhonemizer(), SemanticTokenizer(None, 128))
    cepstra, clips, texts, events = Cepstra(RATE, HOP), [], [], []
    with open_espeak() as espeak:
        for sentence in ALICE:
            speech = espeak.speak(sentence, "en-us+f5", rate=150)
            text = front_end(sentence, "en")
            samples = speech.samples[: len(speech.samples) // HOP * HOP]
            clips.append(Spoken(cepstra(samples), np.array(text.phones)))
            texts.append(text)
            events.append(speech.words)
    found = PhoneAligner(512).align(clips)
    errors, even = [], []
    for text, durations, own in zip(texts, found, events, strict=True):
        starts = np.concatenate([[0], np.cumsum(durations)]) * HOP / RATE
        evenly = np.linspace(0, durations.sum(), len(durations) + 1) * HOP / RATE
        words = {word.text: word.first for word in text.words}
        for event in own:
            # What espeak speaks as one ("in the") has no single word of that name.
            if (first := words.get(event.text.lower().strip(".,?!"))) is not None and sum(e.text == event.text for e in own) == 1:
                errors.append(abs(starts[first] - event.start))
                even.append(abs(evenly[first] - event.start))
    assert len(errors) > 60
    assert np.median(errors) < 0.04
    assert np.mean(errors) < 0.5 * np.mean(even)


def test_a_clip_spoken_at_another_pace_keeps_its_proportions() -> None:
    durations = np.array([3, 10, 1, 6])
    assert stretched(durations, 20).tolist() == [3, 10, 1, 6]
    assert stretched(durations, 40).tolist() == [6, 20, 2, 12]
    random = np.random.default_rng(0)
    for _ in range(300):
        durations = random.integers(1, 30, random.integers(1, 20))
        frames = int(random.integers(len(durations), 300))
        faster = stretched(durations, frames)
        assert faster.sum() == frames
        assert faster.min() >= 1


def test_a_set_is_aligned_once(make_data, small_set, monkeypatch: pytest.MonkeyPatch) -> None:
    data = make_data(align_phones=True)
    first = [batch.durations for batch in data.train_dataloader()]
    batch = next(iter(data.train_dataloader()))
    assert torch.equal(batch.durations.sum(1), batch.frame_lengths)
    assert torch.equal((batch.durations > 0).sum(1), batch.text.lengths)
    kept = list((Path(small_set.root) / FOLDER).iterdir())
    assert [path.suffix for path in kept] == [".npz"]
    monkeypatch.setattr(PhoneAligner, "align", lambda *_: pytest.fail("aligned again"))
    again = [batch.durations for batch in make_data(align_phones=True).train_dataloader()]
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))


def test_a_file_of_alignments_that_was_cut_off_is_made_anew(make_data, small_set) -> None:
    data = make_data(align_phones=True)
    data.setup()
    (path,) = (Path(small_set.root) / FOLDER).iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    make_data(align_phones=True).setup()
    assert path.read_bytes() == whole


def test_without_alignments_there_are_no_durations(make_data) -> None:
    batch = next(iter(make_data().train_dataloader()))
    assert batch.durations.shape == batch.text.phones.shape
    assert not batch.durations.any()


def test_nothing_to_align_is_no_trouble(tmp_path: Path) -> None:
    assert with_durations({"train": []}, None, tmp_path, sample_rate=RATE, hop_length=HOP) == {"train": []}  # type: ignore[arg-type]
