"""Packs the audio of a prepared set into one file of 16-bit samples, which every process maps into memory.

A pack is a folder ``<name>-<fingerprint>`` with ``samples.i16`` (all clips one after the other, little-endian) and ``index.json`` (how many
samples there are, and where each clip lies, by its content hash). The fingerprint is of the clips' content hashes: other clips make another
pack. A pack gets its name when it is whole, in one atomic step, and is never written to again.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sovits.data.manifest import Utterance
from sovits.data.waveform_store import (
    INDEX_NAME,
    SAMPLE_BYTES,
    SAMPLE_TYPE,
    SAMPLES_NAME,
    IncompletePack,
    PackedWaveforms,
    WaveformFiles,
    lock,
)
from sovits.errors import SovitsError

log = logging.getLogger(__name__)

LOCK_NAME = "lock"
UNFINISHED = ".unfinished-"
_ATTEMPTS = 5
"""A pack can vanish between being written and being opened only while others write theirs; so often in a row is a mistake of ours."""


def pack_folder(root: Path, cache_folder: str | None) -> Path:
    """Where the packs of the set at ``root`` lie: in it, or in a folder of their own under ``cache_folder``."""
    if cache_folder is None:
        return root / "cache" / "waveforms"
    own = hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:12]
    return Path(cache_folder) / f"{root.name}-{own}"


def open_packed(files: WaveformFiles, utterances: Sequence[Utterance], folder: Path, name: str) -> PackedWaveforms:
    """The pack ``folder/<name>-<fingerprint>`` of these clips, written first if it is not there; safe from any number of processes.

    Writing one removes the packs of the same name and other clips, unless a process has them open.

    Args:
        files: of the clips.
        utterances: the clips.
        folder: of the set's packs.
        name: what these clips are, such as ``kept``.

    Raises:
        SovitsError: a clip that cannot be read or is not the one the manifest tells of, or a folder that cannot be written or is full.
    """
    hashes = "\n".join(sorted({utterance.content_hash for utterance in utterances}))
    pack = folder / f"{name}-{hashlib.sha256(hashes.encode()).hexdigest()[:24]}"
    for _ in range(_ATTEMPTS):
        with suppress(IncompletePack):
            return PackedWaveforms(pack)
        _write(files, utterances, pack)
    raise SovitsError(f"The packed audio {pack} vanishes whenever it is written; let no other program clean that folder.")


def _write(files: WaveformFiles, utterances: Sequence[Utterance], pack: Path) -> None:
    try:
        pack.parent.mkdir(parents=True, exist_ok=True)
        with _alone(pack.parent) as alone:
            if _is_whole(pack):
                return
            if alone:
                _remove_unfinished(pack.parent)
            needed = sum(files.samples(utterance) for utterance in utterances) * SAMPLE_BYTES
            if needed > (free := shutil.disk_usage(pack.parent).free):
                raise _cannot(files, pack, f"{needed / 1e6:,.0f} MB are needed and {free / 1e6:,.0f} MB are free")
            unfinished = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=pack.parent))
            try:
                _fill(files, utterances, unfinished)
                _rename(unfinished, pack)
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)
            _remove_stale(pack)
    except OSError as error:
        raise _cannot(files, pack, error.strerror or str(error)) from error


def _fill(files: WaveformFiles, utterances: Sequence[Utterance], folder: Path) -> None:
    places: dict[str, tuple[int, int]] = {}
    position = 0
    columns = TextColumn("Packing audio"), BarColumn(), MofNCompleteColumn(), TextColumn("clips, left:"), TimeRemainingColumn()
    console = Console(stderr=True)
    progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    with progress, (folder / SAMPLES_NAME).open("wb") as file:
        for utterance in progress.track(utterances):
            if utterance.content_hash in places:
                continue
            samples = files.read_verified(utterance).astype(SAMPLE_TYPE, copy=False)
            file.write(samples.tobytes())
            places[utterance.content_hash] = (position, len(samples))
            position += len(samples)
        file.flush()
        os.fsync(file.fileno())
    (folder / INDEX_NAME).write_text(json.dumps({"samples": position, "places": places}), encoding="utf-8")
    # mkdtemp makes it for one user alone, and a set may be shared.
    folder.chmod(0o755)
    megabytes = position * SAMPLE_BYTES / 1e6
    log.info("Packed the audio of %d clips, %.0f MB, for all processes to share: %s", len(utterances), megabytes, folder.parent)


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Waits until no other process writes a pack here; ``False`` where the file system has no locks, and others may be writing."""
    with (folder / LOCK_NAME).open("wb") as file:
        if not (alone := lock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)):
            log.info("Another process is packing audio into %s; waiting for it.", folder)
            alone = lock(file, fcntl.LOCK_EX)
        yield alone


def _is_whole(pack: Path) -> bool:
    try:
        PackedWaveforms(pack)
    except IncompletePack:
        return False
    return True


def _rename(unfinished: Path, pack: Path) -> None:
    """Puts a pack in its place, where a damaged one may lie, or the same one from a process that no lock could hold back."""
    try:
        unfinished.rename(pack)
    except OSError:
        if not _is_whole(pack):
            _discard(pack)
            unfinished.rename(pack)


def _remove_unfinished(folder: Path) -> None:
    """Removes what killed processes have left: whoever lives and writes has the lock."""
    for path in folder.glob(UNFINISHED + "*"):
        shutil.rmtree(path, ignore_errors=True)


def _remove_stale(pack: Path) -> None:
    kind = pack.name.split("-")[0]
    for path in pack.parent.glob(f"{kind}-*"):
        if path == pack or not (path / SAMPLES_NAME).is_file():
            continue
        # Opened for writing, as an exclusive lock needs it on network file systems; what another user made is his to remove.
        with suppress(OSError), (path / SAMPLES_NAME).open("rb+") as file:
            if lock(file, fcntl.LOCK_EX | fcntl.LOCK_NB):
                _discard(path)


def _discard(pack: Path) -> None:
    """Removes a pack so that nobody ever finds half of one."""
    doomed = pack.with_name(f"{UNFINISHED}{pack.name}-{os.getpid()}")
    pack.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def _cannot(files: WaveformFiles, pack: Path, why: str) -> SovitsError:
    return SovitsError(
        f"The audio of {files.root} cannot be packed into {pack.parent} ({why}); set data.cache_folder=DIR to a folder with room that can "
        "be written, or data.cache=false to read the clips' own files each time."
    )
