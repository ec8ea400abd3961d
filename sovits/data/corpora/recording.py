"""A raw recording: which file, who speaks, and what is said where a file tells.

Every corpus is a class with ``find() -> list[Recording]``. What is wrong with one file or with one line of a table is a recording's
``problem``, for the report; an error is only what leaves nothing at all to prepare.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from sovits.data.corpora.listing import UNREADABLE, Listing, folded, is_absolute
from sovits.data.corpora.names import checked_name
from sovits.data.corpora.text_file import read_text
from sovits.errors import SovitsError

_CUT_NAME = re.compile(r"(.+)_\d{4}")
_LONGEST_STEM = 180
"""Bytes of UTF-8: a file's name may have 255, and a number and endings are added."""


@dataclass(frozen=True)
class Recording:
    """One raw audio file, not opened yet; or, with a ``problem``, whatever else of a corpus cannot be used."""

    path: Path
    """The audio file; for a problem also the folder or the table that has it."""
    name: str
    """The path relative to the corpus's folder, with forward slashes, or the absolute path of a file outside it; unique."""
    speaker: str
    """Empty only beside a problem, where it is nobody's."""
    stem: str
    """What its clips are called, unique among the speaker's usable recordings."""
    text: str | None = None
    """What is said, where a file tells; not checked yet."""
    transcript: str | None = None
    """Where ``text`` comes from, as in ``Utterance.transcript``."""
    language: str | None = None
    """``en``, ``zh`` or ``mixed``, where the corpus tells."""
    problem: str | None = None
    """Why this cannot be used, and what to do about it, where that shows before it is opened."""


def stem_of(name: str) -> str:
    """What a recording's clips are called by its name: its file, and the folders between that and the first."""
    path = PurePosixPath(name)
    return path.stem if is_absolute(name) else "_".join([*path.parts[1:-1], path.stem])


def with_sidecar(recording: Recording, sidecar: Path) -> Recording:
    """The recording with the text of the file beside it, or with what is wrong with that file."""
    try:
        text = " ".join(read_text(sidecar).split())
    except SovitsError as error:
        return replace(recording, problem=str(error).replace(str(sidecar), f"its transcript {sidecar.name}").rstrip("."))
    if not text:
        return replace(recording, problem=f"its transcript {sidecar.name} is empty; write what is said, or remove it")
    return replace(recording, text=text, transcript=f"sidecar:{sidecar.name}")


def undescribed(listing: Listing, names: Iterable[str], speaker_of: Callable[[str], str], language: str | None = None) -> list[Recording]:
    """Recordings of listed files that no table tells anything of."""
    return [Recording(Path(listing.audio[n]), n, speaker_of(n), PurePosixPath(n).stem, language=language) for n in names]


def troubled(listing: Listing, speaker_of: Callable[[str], str]) -> list[Recording]:
    """The listing's troubles as recordings that cannot be used; ``speaker_of`` tells whose a file of some name is."""
    return [
        Recording(
            trouble.path,
            trouble.name,
            speaker_of(f"{trouble.name}/" if trouble.is_folder else trouble.name),
            trouble.path.stem,
            problem=trouble.reason,
        )
        for trouble in listing.troubles
    ]


def finished(recordings: Iterable[Recording]) -> list[Recording]:
    """A corpus's recordings as ``find`` returns them: sorted by name, stems unique, what cannot be read or named told as a problem."""
    names: dict[str, tuple[str, str | None]] = {}
    checked = []
    for recording in recordings:
        suffix = recording.path.suffix.lower()
        if recording.problem is None and suffix in UNREADABLE:
            recording = replace(recording, problem=f"{suffix} cannot be read; convert it to .wav or .flac")
        if recording.speaker not in names:
            names[recording.speaker] = _name_or_problem(recording.speaker)
        name, problem = names[recording.speaker]
        if recording.problem is None and problem is not None:
            recording = replace(recording, problem=problem)
        checked.append(recording if name == recording.speaker else replace(recording, speaker=name))
    return _with_unique_stems(sorted(checked, key=lambda recording: recording.name))


def select_speakers(recordings: Sequence[Recording], speakers: Sequence[str] | None) -> list[Recording]:
    """The recordings of these speakers, and the problems that are nobody's; ``None``: all.

    Raises:
        SovitsError: an unknown speaker; says which there are.
    """
    if speakers is None:
        return list(recordings)
    chosen = {_name_or_problem(speaker)[0] for speaker in speakers}
    known = sorted({recording.speaker for recording in recordings if recording.speaker})
    if unknown := sorted(chosen - set(known)):
        raise SovitsError(f"speakers: there is no {', '.join(unknown)}; the recordings have {some(known, 20)}.")
    return [recording for recording in recordings if not recording.speaker or recording.speaker in chosen]


def some(names: Sequence[str], most: int = 3) -> str:
    """The first of ``names``, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _name_or_problem(speaker: str) -> tuple[str, str | None]:
    if not speaker:
        return speaker, "it lies outside a speaker's folder; move it into one"
    try:
        return checked_name(speaker), None
    except SovitsError as error:
        return speaker, str(error).rstrip(".")


def _with_unique_stems(recordings: list[Recording]) -> list[Recording]:
    """Renames the clips of recordings that would write to the same file: ``a.wav`` beside ``a.flac``, or beside ``a_0001.wav``.

    Also where a file system does not tell ``A`` from ``a``. What has a problem makes no clips.
    """
    stems = Counter(_key(recording, recording.stem) for recording in recordings if recording.problem is None)

    def is_free(recording: Recording, stem: str, own: int) -> bool:
        speaker, name = _key(recording, stem)
        cut = _CUT_NAME.fullmatch(name)
        return stems[speaker, name] <= own and (cut is None or (speaker, cut[1]) not in stems) and len(stem.encode()) <= _LONGEST_STEM

    unique = []
    for recording in recordings:
        if recording.problem is None and not is_free(recording, recording.stem, own=1):
            stem = re.sub(r"[/\\.:]", "-", recording.name)
            if not is_free(recording, stem, own=0):
                stem = f"{stem[:40]}-{hashlib.sha256(recording.name.encode()).hexdigest()[:12]}"
            stems[_key(recording, stem)] += 1
            recording = replace(recording, stem=stem)
        unique.append(recording)
    return unique


def _key(recording: Recording, stem: str) -> tuple[str, str]:
    return folded(recording.speaker), folded(stem)
