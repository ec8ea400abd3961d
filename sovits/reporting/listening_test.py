"""A blind listening test: two settings side by side, and marks for naturalness and likeness, taken in a browser from disk.

``<report>/listening_test_<id>/`` holds the page and its audio under names that tell nothing: it can be sent to listeners as it is. Which
setting a name stands for is written in ``<report>/listening_test_<id>.key.json`` alone, which no page leads to. The id changes with what is
played, so that answers always find the key they belong to; a later test lies beside an earlier one.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sovits.errors import SovitsError
from sovits.reporting.comparison import Comparison
from sovits.reporting.comparison_sounds import RECORDING, share_out
from sovits.reporting.html import asset, document, write_if_changed
from sovits.reporting.run_reading import ClipRow

FORMAT = 1
PREFERENCE, MARKS = "preference", "marks"
NATURALNESS, SIMILARITY = "naturalness", "similarity"
PREFIX, KEY_ENDING = "listening_test_", ".key.json"


@dataclass(frozen=True)
class BlindSound:
    """What a name stands for."""

    setting: str
    """Key of the setting, or ``recording``."""
    clip: str
    speaker: str
    run: str


@dataclass(frozen=True)
class Trial:
    """One question."""

    id: str
    kind: str
    """:data:`PREFERENCE` or :data:`MARKS`."""
    text: str
    sounds: tuple[str, ...]
    """Names of the two to choose from, or of the one to mark; in no telling order."""
    reference: str | None = None
    """Of marks: a recording of the speaker, of another sentence where there is one."""


@dataclass(frozen=True)
class ListeningTest:
    """A test with its key.

    Args:
        id: of the test.
        settings: labels by key, in the report's order.
        sounds: what each name stands for.
        trials: all questions; every listener gets them in an order of their own.
    """

    id: str
    settings: dict[str, str]
    sounds: dict[str, BlindSound]
    trials: dict[str, Trial]

    def save_key(self, report: Path) -> Path:
        """Writes the key beside the test's folder."""
        content = {
            "format": FORMAT,
            "test": self.id,
            "settings": self.settings,
            "sounds": {name: asdict(sound) for name, sound in self.sounds.items()},
            "trials": [asdict(trial) for trial in self.trials.values()],
        }
        path = report / f"{PREFIX}{self.id}{KEY_ENDING}"
        write_if_changed(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
        return path

    @classmethod
    def load(cls, path: Path) -> ListeningTest:
        """Reads a key.

        Raises:
            SovitsError: it is damaged or of another format.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content["format"] != FORMAT:
                raise SovitsError(f"{path} is of format {content['format']}, this version reads {FORMAT}; use the version that wrote it.")
            sounds = {name: BlindSound(**sound) for name, sound in content["sounds"].items()}
            trials = {one["id"]: Trial(**{**one, "sounds": tuple(one["sounds"])}) for one in content["trials"]}
            return cls(content["test"], content["settings"], sounds, trials)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise SovitsError(
                f"{path} is damaged ({error!r}); write the report again, which makes the same key from the same runs."
            ) from error


class ListeningTestPlan:
    """How long a test is.

    Args:
        sentences: test sentences in it, shared out over the speakers.
        max_preferences: most questions of the kind "which of the two"; over this, each pair of settings gets the same number.
        max_marks: most sounds to be marked from 1 to 5; over this, each setting gets the same number.
        seed: of the choice of questions.

    Raises:
        SovitsError: a number is negative.
    """

    def __init__(self, sentences: int, max_preferences: int, max_marks: int, seed: int) -> None:
        for name, value in (("sentences", sentences), ("max_preferences", max_preferences), ("max_marks", max_marks)):
            if value < 0:
                raise SovitsError(f"listening_test.{name}={value} must not be negative; listening_test=null makes a report without a test.")
        self.sentences, self.max_preferences, self.max_marks, self.seed = sentences, max_preferences, max_marks, seed

    def write(self, comparison: Comparison, report: Path) -> ListeningTest | None:
        """Writes the test's page, audio and key; None where no sentence has its audio in every setting."""
        sources = _Sources(comparison, self.seed)
        chosen = share_out([clip for clip in comparison.sentences if sources.has_all(clip)], self.sentences)
        if not chosen:
            return None
        trials = [*self._preferences(comparison, sources, chosen), *self._marks(comparison, sources, chosen)]
        if not trials:
            return None
        labels = {setting.key: setting.label for setting in comparison.settings}
        told = json.dumps([[asdict(trial) for trial in trials], {name: asdict(sound) for name, sound in sources.sounds.items()}])
        test = ListeningTest(hashlib.sha256(told.encode()).hexdigest()[:10], labels, sources.sounds, {trial.id: trial for trial in trials})
        folder = report / f"{PREFIX}{test.id}"
        for name in sources.sounds:
            _copy(sources.files[name], folder / "audio" / name)
        write_if_changed(folder / "index.html", _page(test))
        test.save_key(report)
        return test

    def _preferences(self, comparison: Comparison, sources: _Sources, clips: Sequence[ClipRow]) -> list[Trial]:
        couples = list(itertools.combinations([setting.key for setting in comparison.settings], 2))
        trials = []
        for number, (couple, clip) in enumerate(self._balanced(couples, clips, self.max_preferences), start=1):
            names = sorted(sources.name(key, clip) for key in couple)
            trials.append(Trial(f"{PREFERENCE}-{number:03d}", PREFERENCE, clip.text, tuple(names)))
        return trials

    def _marks(self, comparison: Comparison, sources: _Sources, clips: Sequence[ClipRow]) -> list[Trial]:
        systems = [RECORDING, *(setting.key for setting in comparison.settings)]
        trials = []
        # A recording beside itself would be no question.
        asked = [
            (system, clip)
            for system, clip in self._balanced(systems, clips, self.max_marks)
            if system != RECORDING or sources.another(clip) != clip
        ]
        for number, (system, clip) in enumerate(asked, start=1):
            reference = sources.name(RECORDING, sources.another(clip))
            trials.append(Trial(f"{MARKS}-{number:03d}", MARKS, clip.text, (sources.name(system, clip),), reference))
        return trials

    def _balanced(self, systems: Sequence[Any], clips: Sequence[ClipRow], most: int) -> list[tuple[Any, ClipRow]]:
        """Every system with every clip, or as many of each system as ``most`` has room for; in no telling order."""
        chance = random.Random(f"{self.seed} {len(systems)}")
        rounds = []
        for number in range(len(clips)):
            # In each round the systems have different clips, so that a short test still hears many.
            rounds += [(system, clips[(number + shift) % len(clips)]) for shift, system in enumerate(systems)]
        whole = most // len(systems) * len(systems) if systems else 0
        kept = rounds[: whole or most]
        chance.shuffle(kept)
        return kept


class _Sources:
    """Files of sounds and the names they get."""

    def __init__(self, comparison: Comparison, seed: int) -> None:
        self.comparison, self.seed = comparison, seed
        self.sounds: dict[str, BlindSound] = {}
        self.files: dict[str, Path] = {}
        self._positions = {clip.id: number for number, clip in enumerate(comparison.sentences)}

    def has_all(self, clip: ClipRow) -> bool:
        systems = [RECORDING, *(setting.key for setting in self.comparison.settings)]
        return all((found := self._find(system, clip)) is not None and found[0].is_file() for system in systems)

    def another(self, clip: ClipRow) -> ClipRow:
        """The next sentence of the same speaker, or the same one where there is no other."""
        own = [one for one in self.comparison.sentences if one.speaker == clip.speaker and self.has_all(one)]
        return own[(next(at for at, one in enumerate(own) if one.id == clip.id) + 1) % len(own)]

    def name(self, system: str, clip: ClipRow) -> str:
        """The name under which the test knows this sound."""
        found = self._find(system, clip)
        assert found is not None, f"{clip.id} of {system} was chosen without its audio"
        path, run = found
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        name = hashlib.sha256(f"{self.seed}|{system}|{clip.id}|{content}".encode()).hexdigest()[:16] + path.suffix
        self.sounds[name] = BlindSound(system, clip.id, clip.speaker, run)
        self.files[name] = path
        return name

    def _find(self, system: str, clip: ClipRow) -> tuple[Path, str] | None:
        """Seeds take turns over the sentences, so that a setting is heard in all of its runs."""
        settings = [setting for setting in self.comparison.settings if system in (setting.key, RECORDING)]
        run = settings[0].run_of(clip.id, self._positions[clip.id])
        kind = RECORDING if system == RECORDING else "synthesis"
        return None if run is None else (run.sound(run.clips[clip.id], kind), run.name)


def _copy(source: Path, target: Path) -> None:
    if target.is_file() and target.stat().st_size == source.stat().st_size:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
    partial.write_bytes(source.read_bytes())
    partial.replace(target)


def _page(test: ListeningTest) -> str:
    trials = [
        {"id": one.id, "kind": one.kind, "text": one.text, "sounds": one.sounds, "reference": one.reference} for one in test.trials.values()
    ]
    content = json.dumps({"format": FORMAT, "test": test.id, "trials": trials}, ensure_ascii=False).replace("<", "\\u003c")
    body = [
        "<main><h1>Listening test</h1><noscript><p>This page needs JavaScript, which this browser has switched off.</p></noscript>",
        f"<div id='screen' aria-live='polite'></div></main><script type='application/json' id='content'>{content}</script>",
    ]
    return document("Listening test", body, style=asset("listening_test.css"), script=asset("listening_test.js"))
