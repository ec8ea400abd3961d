"""When every word is said, in the formats that other programs read."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from sovits.errors import SovitsError
from sovits.voice.speech import Passage, Timed

SUFFIXES = (".json", ".srt", ".textgrid")


def write_timestamps(path: Path | str, passage: Passage) -> Path:
    """Writes the times of ``passage`` in the format of the suffix, in one atomic step, and returns ``path``.

    ``.srt``: a subtitle for each sentence. ``.TextGrid``: tiers of sentences, words and phones, for Praat. ``.json``: all of them.

    Raises:
        SovitsError: another suffix.
    """
    path = Path(path)
    require_format(path)
    write = {".json": _write_json, ".srt": _write_subtitles, ".textgrid": _write_text_grid}[path.suffix.lower()]
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        write(passage, partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def require_format(path: Path) -> None:
    """Raises a ``SovitsError`` where the suffix is no format of time stamps."""
    if path.suffix.lower() not in SUFFIXES:
        raise SovitsError(f"Cannot write time stamps to {path}: the name must end in .json, .srt or .TextGrid.")


def as_dict(passage: Passage) -> dict[str, Any]:
    """Seconds of every sentence, word and phone, as JSON has them."""
    return {
        "sample_rate": passage.sample_rate,
        "seconds": round(passage.seconds, 4),
        "sentences": _rows(passage.timed_sentences),
        "words": _rows(passage.words),
        "phones": _rows(passage.phones),
    }


def _rows(times: Sequence[Timed]) -> list[dict[str, Any]]:
    return [{"text": one.text, "start": round(one.start, 4), "end": round(one.end, 4)} for one in times]


def _write_json(passage: Passage, path: Path) -> None:
    path.write_text(json.dumps(as_dict(passage), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _write_subtitles(passage: Passage, path: Path) -> None:
    import srt

    cues = enumerate(passage.timed_sentences, start=1)
    subtitles = [srt.Subtitle(n, timedelta(seconds=one.start), timedelta(seconds=one.end), one.text) for n, one in cues]
    path.write_text(srt.compose(subtitles), encoding="utf-8")


def _write_text_grid(passage: Passage, path: Path) -> None:
    from praatio.data_classes.interval_tier import IntervalTier
    from praatio.data_classes.textgrid import Textgrid

    grid = Textgrid()
    tiers = {"sentences": passage.timed_sentences, "words": passage.words, "phones": passage.phones}
    for name, times in tiers.items():
        grid.addTier(IntervalTier(name, [(one.start, one.end, one.text) for one in times], 0, passage.seconds))
    grid.save(str(path), "long_textgrid", includeBlankSpaces=True)
