"""A page to listen to: one HTML file beside its audio and pictures, opened from disk, with nothing from the network."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from sovits.metrics import REAL, RECONSTRUCTION, Figure
from sovits.reporting.html import address, anchor, document, link, number, pairs, player, write_if_changed
from sovits.reporting.scores import ClipScores, Scores, shown

CONFUSION = "confusion.png"
"""Beside the page, where a judge tells who was taken for whom."""
SPEED = "<td>seconds of work for a second of synthesised speech; below 1 is faster than speech</td>"


@dataclass(frozen=True)
class ClipSounds:
    """Where a clip's audio lies, relative to the page."""

    recording: str
    reconstruction: str
    synthesis: str


def write_page(
    path: Path,
    scores: Scores,
    sounds: Mapping[str, ClipSounds],
    pictures: Mapping[str, str],
    about: Mapping[str, Any],
    left_out: Mapping[str, str],
) -> Path:
    """Writes the page and returns its path.

    Args:
        path: of the page.
        scores: what was measured.
        sounds: by clip id.
        pictures: by speaker, relative to the page.
        about: what was evaluated, a line for each.
        left_out: why, by what is missing.
    """
    parts = [
        "<h1>What the model sounds like</h1>",
        pairs(about),
        _figure_table(scores),
        _speaker_table(scores),
        *([f"<h2>Who is taken for whom</h2><p><img src='{CONFUSION}' alt='Confusion matrix'></p>"] if scores.confusion is not None else []),
        *(_speaker_section(name, scores, sounds, pictures.get(name)) for name in scores.by_speaker()),
    ]
    if left_out:
        parts += ["<h2>Left out</h2>", pairs(left_out)]
    write_if_changed(path, document("What the model sounds like", parts))
    return path


def _figure_table(scores: Scores) -> str:
    """A figure a row: the synthesis beside the reconstruction and the recordings."""
    means = scores.overall()
    rows = []
    for figure in scores.shown:
        values = "".join(number(shown(means.get(figure.name + ending, math.nan), figure.digits)) for ending in ("", RECONSTRUCTION, REAL))
        worst = scores.worst(figure)
        told = "–" if worst is None else f"{shown(worst[1], figure.digits)} {escape(worst[0])}"
        rows.append(f"<tr><td>{figure.heading}</td>{values}{number(told)}<td>{escape(figure.meaning)}</td></tr>")
    rows.append(f"<tr><td>real-time factor</td>{number(shown(scores.real_time_factor()))}{number('')}{number('')}{number('')}{SPEED}</tr>")
    headings = "".join(f"<th class='number'>{heading}</th>" for heading in ("synthesis", "reconstruction", "recording", "worst speaker"))
    return f"<h2>Means over speakers</h2><table><tr><th>figure</th>{headings}<th>meaning</th></tr>{''.join(rows)}</table>"


def _speaker_table(scores: Scores) -> str:
    rows = []
    for name, figures in scores.by_speaker().items():
        own = scores.of(name)
        label = link(f"#{anchor(name)}", name) + (" (zero-shot)" if own[0].zero_shot else "")
        rows.append(f"<tr><td>{label}</td>{number(str(len(own)))}{''.join(_beside(f, figures) for f in scores.shown)}</tr>")
    headings = "".join(f"<th class='number' title='{escape(figure.meaning)}'>{figure.heading}</th>" for figure in scores.shown)
    heading = "<h2>Speakers</h2><p>Synthesis; below it, where there is such a figure, the speaker's own recordings.</p>"
    return f"{heading}<table><tr><th>speaker</th><th class='number'>clips</th>{headings}</tr>{''.join(rows)}</table>"


def _beside(figure: Figure, figures: Mapping[str, float]) -> str:
    """A figure of the synthesis, and below it that of the recording."""
    real = figures.get(figure.name + REAL, math.nan)
    below = "" if math.isnan(real) else f"<br><small>{shown(real, figure.digits)}</small>"
    return number(shown(figures.get(figure.name, math.nan), figure.digits) + below)


def _speaker_section(name: str, scores: Scores, sounds: Mapping[str, ClipSounds], picture: str | None) -> str:
    clips = scores.of(name)
    zero_shot = " <small>zero-shot: not trained on, voice from one clip</small>" if clips[0].zero_shot else ""
    shown_picture = f"<p><img src='{address(picture)}' alt='Mel spectrograms of {escape(name)}'></p>" if picture else ""
    headings = "".join(f"<th>{heading}</th>" for heading in ("text", "recording", "reconstruction", "synthesis"))
    figures = "".join(f"<th class='number' title='{escape(figure.meaning)}'>{figure.heading}</th>" for figure in scores.shown)
    rows = "".join(_clip_row(clip, scores.shown, sounds[clip.id]) for clip in clips)
    return f"<h2 id='{anchor(name)}'>{escape(name)}{zero_shot}</h2>{shown_picture}<table><tr>{headings}{figures}</tr>{rows}</table>"


def _clip_row(clip: ClipScores, figures: Sequence[Figure], sounds: ClipSounds) -> str:
    players = "".join(f"<td>{player(source)}</td>" for source in (sounds.recording, sounds.reconstruction, sounds.synthesis))
    numbers = "".join(_beside(figure, clip.figures) for figure in figures)
    return f"<tr><td title='{escape(clip.id)}'>{escape(clip.text)}</td>{players}{numbers}</tr>"
