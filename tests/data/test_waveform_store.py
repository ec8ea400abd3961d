"""Clips as files and as one packed memory map: what is read, what is refused, and what survives kills, races and full disks."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import resource
import shutil
import signal
import subprocess
import sys
import textwrap
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sovits.data import waveform_pack
from sovits.data.manifest import Manifest, Utterance
from sovits.data.waveform_pack import UNFINISHED, open_packed, pack_folder
from sovits.data.waveform_store import SAMPLES_NAME, PackedWaveforms, WaveformFiles
from sovits.errors import SovitsError


@pytest.fixture
def files(small_set) -> WaveformFiles:
    return WaveformFiles(small_set.root, small_set.sample_rate)


@pytest.fixture
def clips(small_set) -> tuple[Utterance, ...]:
    return Manifest.load(small_set.root).utterances


def packed(files: WaveformFiles, clips: tuple[Utterance, ...]) -> PackedWaveforms:
    return open_packed(files, clips, pack_folder(files.root, None), "kept")


def packs_of(files: WaveformFiles) -> list[Path]:
    return sorted(path for path in (files.root / "cache" / "waveforms").iterdir() if path.is_dir())


def test_the_pack_holds_what_the_files_hold(files, clips):
    store = packed(files, clips)
    for clip in clips:
        expected, _ = soundfile.read(files.root / clip.path, dtype="int16")
        for one in (store, files):
            assert one.samples(clip) == len(expected)
            assert one.read(clip).dtype == np.int16
            assert np.array_equal(one.read(clip), expected)


def test_clips_of_the_pack_are_views_that_cannot_be_written_to(files, clips):
    store = packed(files, clips)
    assert np.shares_memory(store.read(clips[0]), store.read(clips[0]))
    with pytest.raises(ValueError, match="read-only"):
        store.read(clips[0])[0] = 1


def test_a_pack_is_written_once_and_then_found(files, clips, monkeypatch):
    packed(files, clips)
    monkeypatch.setattr(files, "read_verified", None)
    store = packed(files, tuple(reversed(clips)))
    assert store.samples(clips[3]) == files.samples(clips[3])


def test_the_same_audio_twice_is_packed_once(files, clips):
    twin = replace(clips[0], id="ann/twin")
    store = packed(files, (*clips, twin))
    assert store.folder == packed(files, clips).folder
    assert np.array_equal(store.read(twin), store.read(clips[0]))


def test_other_clips_make_another_pack_and_the_stale_one_goes(small_set, files, clips):
    old = packed(files, clips).folder
    small_set.pitch["ann"] = 250.0
    small_set.write(list(clips))
    changed = Manifest.load(small_set.root).utterances
    store = packed(files, changed)
    assert store.folder != old
    assert packs_of(files) == [store.folder]
    assert np.array_equal(store.read(changed[0]), files.read(changed[0]))


def test_a_stale_pack_in_use_stays_and_stays_readable(files, clips):
    running = packed(files, clips)
    fewer = packed(files, clips[:4])
    assert packs_of(files) == sorted([running.folder, fewer.folder])
    copy = pickle.loads(pickle.dumps(running))
    assert np.array_equal(copy.read(clips[7]), files.read(clips[7]))
    del running, copy
    last = packed(files, clips[:3])
    assert packs_of(files) == sorted([fewer.folder, last.folder])


def test_packs_of_another_kind_are_left_alone(files, clips):
    folder = pack_folder(files.root, None)
    kept = open_packed(files, clips, folder, "kept").folder
    everything = open_packed(files, clips[:2], folder, "all").folder
    assert packs_of(files) == sorted([kept, everything])


@pytest.mark.parametrize("damage", ["cut", "no index", "bad index"])
def test_a_damaged_pack_is_written_anew(files, clips, damage):
    store = packed(files, clips)
    if damage == "cut":
        os.truncate(store.folder / SAMPLES_NAME, 1000)
    elif damage == "no index":
        (store.folder / "index.json").unlink()
    else:
        (store.folder / "index.json").write_text("{")
    again = packed(files, clips)
    assert all(np.array_equal(again.read(clip), files.read(clip)) for clip in clips)
    assert packs_of(files) == [again.folder]


KILLED = """
    import sys, time
    from pathlib import Path
    from sovits.data.manifest import Manifest
    from sovits.data.waveform_pack import open_packed, pack_folder
    from sovits.data.waveform_store import WaveformFiles

    root = Path(sys.argv[1])
    files = WaveformFiles(root, 8000)
    read, done = files.read_verified, []
    def stop_in_the_middle(clip):
        if len(done) == 10:
            print("half", flush=True)
            time.sleep(60)
        done.append(clip)
        return read(clip)
    files.read_verified = stop_in_the_middle
    open_packed(files, Manifest.load(root).utterances, pack_folder(root, None), "kept")
"""


def test_what_a_killed_process_left_is_never_used_and_cleaned_up(files, clips):
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(KILLED), str(files.root)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "half\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert [path.name.startswith(UNFINISHED) for path in packs_of(files)] == [True]
    store = packed(files, clips)
    assert all(np.array_equal(store.read(clip), files.read(clip)) for clip in clips)
    assert packs_of(files) == [store.folder]


def pack_and_sum(root: Path, start, results) -> None:
    files, clips, written = WaveformFiles(root, 8000), Manifest.load(root).utterances, []
    read = files.read_verified
    files.read_verified = lambda clip: written.append(clip) or read(clip)
    start.wait()
    store = packed(files, clips)
    results.put((len(written), sum(int(store.read(clip).astype(np.int64) @ np.arange(store.samples(clip))) for clip in clips)))


@pytest.mark.parametrize("locks", [True, False], ids=["locks", "no locks"])
def test_processes_that_start_together_share_one_pack(files, clips, locks, monkeypatch):
    if not locks:
        monkeypatch.setattr(waveform_pack, "lock", lambda *_: False)
    context = multiprocessing.get_context("fork")
    start, results = context.Barrier(4), context.Queue()
    processes = [context.Process(target=pack_and_sum, args=(files.root, start, results)) for _ in range(4)]
    for process in processes:
        process.start()
    found = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert len({total for _, total in found}) == 1
    if locks:
        assert sorted(count for count, _ in found) == [0, 0, 0, len({clip.content_hash for clip in clips})], "one writes, the others wait"
    assert [path.name.split("-")[0] for path in packs_of(files)] == ["kept"]


def test_a_folder_that_cannot_be_written_names_the_ways_out(files, clips):
    (files.root / "cache").write_text("in the way")
    with pytest.raises(SovitsError, match=r"cannot be packed into .*waveforms \(.+\); set data\.cache_folder=DIR .* data\.cache=false"):
        packed(files, clips)


def test_too_little_room_is_said_before_anything_is_written(files, clips, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: namedtuple("Usage", "total used free")(10, 10, 1000))
    with pytest.raises(SovitsError, match=r"\(0 MB are needed and 0 MB are free\); set data\.cache_folder="):
        packed(files, clips)
    assert packs_of(files) == []


def test_a_disk_that_fills_up_meanwhile_leaves_nothing_behind(files, clips):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        with pytest.raises(SovitsError, match=r"cannot be packed into .*\(File too large\)"):
            packed(files, clips)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, previous)
    assert packs_of(files) == []
    assert packed(files, clips).samples(clips[0]) == 4024


def test_a_clip_that_is_not_the_manifests_is_named(small_set, files, clips):
    small_set.pitch["bob"] = 510.0
    small_set.write_clip(clips[13])
    with pytest.raises(SovitsError, match=r"bob/01\.wav is not the one that the manifest was written for.*sovits prepare"):
        packed(files, clips)
    assert packs_of(files) == []


def test_sets_of_one_name_keep_their_packs_apart_in_a_shared_folder(tmp_path):
    folders = {pack_folder(tmp_path / parent / "set", str(tmp_path)) for parent in ("a", "b")}
    assert len(folders) == 2
    assert all(folder.parent == tmp_path and folder.name.startswith("set-") for folder in folders)


def test_an_unusable_clip_is_named(small_set, files, clips):
    clip = clips[0]
    for read in (files.samples, files.read):
        with pytest.raises(SovitsError, match=r"none\.wav cannot be read.*sovits prepare"):
            read(replace(clip, path="none.wav"))
    with pytest.raises(SovitsError, match=r"none\.wav cannot be read \(No such file"):
        files.read_verified(replace(clip, path="none.wav"))
    (small_set.root / "text.wav").write_text("not audio")
    with pytest.raises(SovitsError, match=r"text\.wav cannot be read"):
        files.read(replace(clip, path="text.wav"))
    other = replace(clip, path="other.wav")
    small_set.write_clip(other, sample_rate=16000)
    with pytest.raises(SovitsError, match=r"other\.wav has 1 channel\(s\) at 16000 Hz instead of 1 at 8000 Hz"):
        files.read(other)
    soundfile.write(small_set.root / "whole.flac", *soundfile.read(small_set.root / clip.path))
    flac = (small_set.root / "whole.flac").read_bytes()
    (small_set.root / "cut.flac").write_bytes(flac[: len(flac) // 2])
    with pytest.raises(SovitsError, match=r"cut\.flac"):
        files.read(replace(clip, path="cut.flac"))
