"""What became of each recording in earlier runs, kept under a key of everything that it depends on."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from sovits.data.corpora.recording import Recording
from sovits.data.manifest import utterance_from
from sovits.data.preparation.content_cache import ContentCache, content_key, file_hash
from sovits.data.preparation.outcome import Note, Omission, Outcome

_VERSION = 2
"""Raise it when the same input would now give other clips."""


class OutcomeCache:
    """``<root>/cache/recordings/<key>.json``; the clips themselves lie under ``<root>/audio``.

    Args:
        root: the prepared set's folder.
        settings: what every clip depends on, beside its recording; plain values.
    """

    def __init__(self, root: Path, settings: dict[str, Any]) -> None:
        self.root = root
        self.settings = settings
        self.used: set[str] = set()
        self._kept = ContentCache(root / "cache" / "recordings")

    def key(self, recording: Recording, audio_hash: str) -> str:
        """A key of the recording's bytes and names, its transcript and the settings."""
        parts = [recording.name, recording.speaker, recording.stem, recording.text, recording.transcript, recording.language]
        return content_key(_VERSION, audio_hash, parts, self.settings)

    def load(self, key: str) -> Outcome | None:
        """The outcome kept under ``key``, if its clips are all there and unchanged."""
        kept = self._kept.load(key)
        outcome = None if kept is None else _outcome(kept)
        if outcome is None or any(file_hash(self.root / utterance.path) != utterance.content_hash for utterance in outcome.utterances):
            return None
        self.used.add(key)
        return outcome

    def save(self, key: str, outcome: Outcome) -> None:
        """Keeps ``outcome`` under ``key``, in one atomic step."""
        self._kept.save(key, asdict(outcome))
        self.used.add(key)

    def sweep(self, needed: set[str]) -> None:
        """Deletes the outcomes that this run did not use, and the clips that only they name; never a file it did not write.

        Args:
            needed: the paths, relative to the root, of the clips that this run's outcomes name.
        """
        for path in self._kept.folder.glob("*.json"):
            if path.stem in self.used:
                continue
            outcome = _outcome(self._kept.load(path.stem) or {})
            for clip in {utterance.path for utterance in outcome.utterances} - needed if outcome else ():
                (self.root / clip).unlink(missing_ok=True)
            path.unlink(missing_ok=True)


def _outcome(kept: dict[str, Any]) -> Outcome | None:
    """The outcome whose ``asdict`` was kept; ``None`` if another version wrote it."""
    try:
        return Outcome(
            tuple(utterance_from(row) for row in kept["utterances"]),
            tuple(Omission(**row) for row in kept["omissions"]),
            tuple(Note(**row) for row in kept["notes"]),
        )
    except (KeyError, TypeError):
        return None
