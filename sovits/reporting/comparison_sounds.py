"""The audio and the mel pictures of a comparison, copied into the report: its folder can be moved or sent."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import soundfile

from sovits.data.manifest import Utterance
from sovits.reporting.comparison import Comparison
from sovits.reporting.run_reading import EVALUATION, ClipRow, EvaluatedRun
from sovits.reporting.set_pictures import ClipPicture, make_pictures

AUDIO, PICTURES = "audio", "pictures"
RECORDING = "recording"
"""What the real speech is called beside the keys of settings."""


@dataclass(frozen=True)
class Sound:
    """A copied sound.

    Args:
        audio: relative to the report.
        picture: its mel spectrogram, likewise; None where the audio cannot be read.
        seconds: how long it is.
        run: the run that spoke it.
    """

    audio: str
    picture: str | None
    seconds: float
    run: str


@dataclass(frozen=True)
class Sounds:
    """What can be listened to.

    Args:
        sentences: those chosen, with their sound under ``recording`` and each setting's key; none where the file is not there.
        pictures: of each speaker, by the key of the setting: what `sovits evaluate` drew.
    """

    sentences: Mapping[str, Mapping[str, Sound]]
    pictures: Mapping[str, Mapping[str, str]]


def copy_sounds(comparison: Comparison, folder: Path, max_sentences: int) -> Sounds:
    """Copies what is listened to into ``folder`` and draws it; files of an earlier report that nothing uses any more are removed.

    Args:
        comparison: what is compared.
        folder: of the report.
        max_sentences: most sentences in all, shared out over the speakers.
    """
    chosen = share_out(comparison.sentences, max_sentences)
    copies = _Copies(folder)
    sources: dict[str, dict[str, str]] = {}
    runs: dict[tuple[str, str], EvaluatedRun] = {}
    for clip in chosen:
        own = sources.setdefault(clip.id, {})
        for setting in comparison.settings:
            run = setting.run_of(clip.id, 0)
            if run is None:
                continue
            for key, kind in ((RECORDING, RECORDING), (setting.key, "synthesis")):
                path = run.sound(run.clips[clip.id], kind)
                if key not in own and path.is_file():
                    own[key] = copies.take(path, AUDIO)
                    runs[clip.id, key] = run
    drawn = _draw(folder, {audio: clip for clip in chosen for audio in sources[clip.id].values()})
    sentences = {
        id_: {key: _sound(folder, audio, drawn, runs[id_, key].name) for key, audio in own.items()} for id_, own in sources.items() if own
    }
    pictures = _evaluated_pictures(comparison, [clip.speaker for clip in chosen], copies)
    used = copies.used | {f"{PICTURES}/{one.name}" for one in drawn.values() if isinstance(one, ClipPicture)}
    for path in [*(folder / AUDIO).glob("*"), *(folder / PICTURES).glob("*")]:
        if path.relative_to(folder).as_posix() not in used:
            path.unlink()
    return Sounds(sentences, pictures)


def share_out(sentences: Sequence[ClipRow], most: int) -> list[ClipRow]:
    """Up to ``most`` sentences, as many of each speaker as there is room for, a speaker's together."""
    own: dict[str, list[ClipRow]] = defaultdict(list)
    for clip in sentences:
        own[clip.speaker].append(clip)
    rounds = max((len(clips) for clips in own.values()), default=0)
    in_turn = [clips[number] for number in range(rounds) for clips in own.values() if number < len(clips)]
    chosen = {clip.id for clip in in_turn[:most]}
    return [clip for clips in own.values() for clip in clips if clip.id in chosen]


class _Copies:
    """Copies named by their content: the same recording in every run is one file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.used: set[str] = set()

    def take(self, source: Path, below: str) -> str:
        """Copies a file and returns where it is, relative to the report."""
        data = source.read_bytes()
        name = f"{below}/{hashlib.sha256(data).hexdigest()[:16]}{source.suffix}"
        target = self.folder / name
        if not target.is_file() or target.stat().st_size != len(data):
            target.parent.mkdir(parents=True, exist_ok=True)
            partial = target.with_suffix(".partial")
            partial.write_bytes(data)
            partial.replace(target)
        self.used.add(name)
        return name


def _draw(folder: Path, sounds: Mapping[str, ClipRow]) -> dict[str, ClipPicture | str]:
    """Mel strips of copied files, by file."""
    utterances = []
    for audio, clip in sounds.items():
        digest = Path(audio).stem
        about = (0.0, clip.seconds, clip.seconds, "test", "", "")
        utterances.append(Utterance(audio, audio, clip.speaker, clip.language, clip.text, *about, digest))
    if not utterances:
        return {}
    return make_pictures(folder, folder / PICTURES, utterances, _lowest_rate(folder, list(sounds)), workers=None)


def _lowest_rate(folder: Path, files: Sequence[str]) -> int:
    """Hz: so that all pictures show the same band."""
    rates = []
    for file in files:
        try:
            rates.append(int(soundfile.info(folder / file).samplerate))
        except soundfile.LibsndfileError:
            continue
    return min(rates, default=16000)


def _sound(folder: Path, audio: str, drawn: Mapping[str, ClipPicture | str], run: str) -> Sound:
    picture = drawn.get(audio)
    readable = isinstance(picture, ClipPicture)
    seconds = float(soundfile.info(folder / audio).duration) if readable else 0.0
    return Sound(audio, f"{PICTURES}/{picture.name}" if isinstance(picture, ClipPicture) else None, seconds, run)


def _evaluated_pictures(comparison: Comparison, speakers: Sequence[str], copies: _Copies) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for speaker in dict.fromkeys(speakers):
        for setting in comparison.settings:
            for run in setting.replicates[0]:
                own = next((clip for clip in run.clips.values() if clip.speaker == speaker), None)
                path = None if own is None else run.folder / EVALUATION / PICTURES / f"{run.sound(own, RECORDING).parent.name}.png"
                if path is not None and path.is_file():
                    found.setdefault(speaker, {})[setting.key] = copies.take(path, PICTURES)
    return found
