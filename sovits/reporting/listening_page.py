"""A page to listen to: one HTML file beside its audio and pictures, opened from disk, with nothing from the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sovits.reporting.scores import FIGURES, ClipScores, by_speaker, overall, shown

STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 78rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; display: block; overflow-x: auto; }
th, td { border: 1px solid #8886; padding: .3rem .6rem; text-align: left; vertical-align: middle; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
tr.mean { font-weight: 600; }
audio { width: 15rem; height: 2.2rem; }
img { max-width: 100%; }
dt { font-weight: 600; float: left; clear: left; min-width: 9rem; }
dd { margin-left: 9.5rem; }
"""


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
        _pairs(about),
        _speaker_table(clips, speakers),
        _pairs({figure.heading: figure.meaning for figure in FIGURES}),
        *(_speaker_section(name, [clip for clip in clips if clip.speaker == name], sounds, pictures.get(name)) for name in speakers),
    ]
    if left_out:
        parts += ["<h2>Left out</h2>", _pairs(left_out)]
    title = "What the model sounds like"
    head = f"<meta charset='utf-8'><meta name='viewport' content='width=device-width'><title>{title}</title><style>{STYLE}</style>"
    path.write_text(
        f"<!doctype html>\n<html lang='en'><head>{head}</head>\n<body>\n" + "\n".join(parts) + "\n</body></html>\n", encoding="utf-8"
    )
    return path


def _pairs(values: Mapping[str, Any]) -> str:
    return "<dl>" + "".join(f"<dt>{escape(str(key))}</dt><dd>{escape(str(value))}</dd>" for key, value in values.items()) + "</dl>"


def _speaker_table(clips: Sequence[ClipScores], speakers: Mapping[str, Mapping[str, float]]) -> str:
    rows = []
    for name, figures in speakers.items():
        own = [clip for clip in clips if clip.speaker == name]
        label = f"<a href='#{quote(name)}'>{escape(name)}</a>{' (zero-shot)' if own[0].zero_shot else ''}"
        rows.append(f"<tr><td>{label}</td>{_number(str(len(own)))}{''.join(_number(shown(figures[f.name])) for f in FIGURES)}</tr>")
    means = "".join(_number(shown(value)) for value in overall(speakers).values())
    rows.append(f"<tr class='mean'><td>mean of speakers</td>{_number(str(len(clips)))}{means}</tr>")
    headings = "".join(f"<th class='number' title='{escape(figure.meaning, quote=True)}'>{figure.heading}</th>" for figure in FIGURES)
    return f"<table><tr><th>speaker</th><th class='number'>clips</th>{headings}</tr>{''.join(rows)}</table>"


def _speaker_section(name: str, clips: Sequence[ClipScores], sounds: Mapping[str, ClipSounds], picture: str | None) -> str:
    zero_shot = " <small>zero-shot: not trained on, voice from one clip</small>" if clips[0].zero_shot else ""
    shown_picture = f"<p><img src='{quote(picture)}' alt='Mel spectrograms of {escape(name, quote=True)}'></p>" if picture else ""
    headings = "".join(f"<th>{heading}</th>" for heading in ("text", "recording", "reconstruction", "synthesis"))
    figures = "".join(f"<th class='number'>{heading}</th>" for heading in ("mel rec.", "mel syn.", "voice syn.", "MOS syn."))
    rows = "".join(_clip_row(clip, sounds[clip.id]) for clip in clips)
    return f"<h2 id='{quote(name)}'>{escape(name)}{zero_shot}</h2>{shown_picture}<table><tr>{headings}{figures}</tr>{rows}</table>"


def _clip_row(clip: ClipScores, sounds: ClipSounds) -> str:
    players = "".join(f"<td>{_player(source)}</td>" for source in (sounds.recording, sounds.reconstruction, sounds.synthesis))
    values = (clip.mel_distance, clip.mel_distance_warped, clip.similarity_synthesis, clip.mos_synthesis)
    numbers = "".join(_number(shown(value)) for value in values)
    return f"<tr><td title='{escape(clip.id, quote=True)}'>{escape(clip.text)}</td>{players}{numbers}</tr>"


def _player(source: str) -> str:
    return f"<audio controls preload='none' src='{quote(source)}'></audio>"


def _number(text: str) -> str:
    return f"<td class='number'>{text}</td>"
