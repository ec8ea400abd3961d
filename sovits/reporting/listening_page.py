"""A page to listen to: one HTML file beside its audio and pictures, opened from disk, with nothing from the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from sovits.reporting.html import address, anchor, document, link, number, pairs, player, write_if_changed
from sovits.reporting.scores import FIGURES, ClipScores, by_speaker, overall, shown


@dataclass(frozen=True)
class ClipSounds:
    """Where a clip's audio lies, relative to the page."""

    recording: str
    reconstruction: str
    synthesis: str


def write_page(
    path: Path,
    clips: Sequence[ClipScores],
    sounds: Mapping[str, ClipSounds],
    pictures: Mapping[str, str],
    about: Mapping[str, Any],
    left_out: Mapping[str, str],
) -> Path:
    """Writes the page and returns its path.

    Args:
        path: of the page.
        clips: what was measured.
        sounds: by clip id.
        pictures: by speaker, relative to the page.
        about: what was evaluated, a line for each.
        left_out: why, by what is missing.
    """
    speakers = by_speaker(clips)
    parts = [
        "<h1>What the model sounds like</h1>",
        pairs(about),
        _speaker_table(clips, speakers),
        pairs({figure.heading: figure.meaning for figure in FIGURES}),
        *(_speaker_section(name, [clip for clip in clips if clip.speaker == name], sounds, pictures.get(name)) for name in speakers),
    ]
    if left_out:
        parts += ["<h2>Left out</h2>", pairs(left_out)]
    write_if_changed(path, document("What the model sounds like", parts))
    return path


def _speaker_table(clips: Sequence[ClipScores], speakers: Mapping[str, Mapping[str, float]]) -> str:
    rows = []
    for name, figures in speakers.items():
        own = [clip for clip in clips if clip.speaker == name]
        label = link(f"#{anchor(name)}", name) + (" (zero-shot)" if own[0].zero_shot else "")
        rows.append(f"<tr><td>{label}</td>{number(str(len(own)))}{''.join(number(shown(figures[f.name])) for f in FIGURES)}</tr>")
    means = "".join(number(shown(value)) for value in overall(speakers).values())
    rows.append(f"<tr class='mean'><td>mean of speakers</td>{number(str(len(clips)))}{means}</tr>")
    headings = "".join(f"<th class='number' title='{escape(figure.meaning)}'>{figure.heading}</th>" for figure in FIGURES)
    return f"<table><tr><th>speaker</th><th class='number'>clips</th>{headings}</tr>{''.join(rows)}</table>"


def _speaker_section(name: str, clips: Sequence[ClipScores], sounds: Mapping[str, ClipSounds], picture: str | None) -> str:
    zero_shot = " <small>zero-shot: not trained on, voice from one clip</small>" if clips[0].zero_shot else ""
    shown_picture = f"<p><img src='{address(picture)}' alt='Mel spectrograms of {escape(name)}'></p>" if picture else ""
    headings = "".join(f"<th>{heading}</th>" for heading in ("text", "recording", "reconstruction", "synthesis"))
    figures = "".join(f"<th class='number'>{heading}</th>" for heading in ("mel rec.", "mel syn.", "voice syn.", "MOS syn."))
    rows = "".join(_clip_row(clip, sounds[clip.id]) for clip in clips)
    return f"<h2 id='{anchor(name)}'>{escape(name)}{zero_shot}</h2>{shown_picture}<table><tr>{headings}{figures}</tr>{rows}</table>"


def _clip_row(clip: ClipScores, sounds: ClipSounds) -> str:
    players = "".join(f"<td>{player(source)}</td>" for source in (sounds.recording, sounds.reconstruction, sounds.synthesis))
    values = (clip.mel_distance, clip.mel_distance_warped, clip.similarity_synthesis, clip.mos_synthesis)
    numbers = "".join(number(shown(value)) for value in values)
    return f"<tr><td title='{escape(clip.id)}'>{escape(clip.text)}</td>{players}{numbers}</tr>"
