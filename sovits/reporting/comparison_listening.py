"""The sentences of a comparison's page to listen to: the recording first, then every setting."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape

from sovits.metrics.judge import REAL
from sovits.reporting.comparison import Comparison
from sovits.reporting.comparison_parts import badge_of, folded, named
from sovits.reporting.comparison_sounds import RECORDING, Sound, Sounds
from sovits.reporting.html import address, anchor, player


def listening_section(comparison: Comparison, sounds: Sounds) -> str:
    """The chosen sentences, speaker by speaker: the recording first, then every setting."""
    parts = []
    clips = {clip.id: clip for clip in comparison.sentences}
    for speaker in dict.fromkeys(clips[id_].speaker for id_ in sounds.sentences):
        parts.append(f"<h3 id='{anchor(f'speaker {speaker}')}'>{escape(speaker)}</h3>")
        for id_, own in sounds.sentences.items():
            if clips[id_].speaker == speaker:
                parts.append(_sentence(comparison, id_, clips[id_].text, own))
        if speaker in sounds.pictures:
            alt = escape(f"Mel spectrograms of {speaker}")
            drawn = "".join(
                f"<p>{badge_of(comparison, key)}<br><img loading='lazy' src='{address(path)}' alt='{alt}, {key}'></p>"
                for key, path in sounds.pictures[speaker].items()
            )
            parts.append(folded(f"Mel spectrograms of {escape(speaker)} <small>as the evaluation drew them</small>", drawn))
    return "".join(parts)


def _sentence(comparison: Comparison, id_: str, text: str, own: Mapping[str, Sound]) -> str:
    longest = max((sound.seconds for sound in own.values()), default=0.0) or 1.0
    recorded = own.get(RECORDING)
    cells = [_sound_cell("<b>recording</b>", recorded, _clip_figures(comparison, recorded, id_, REAL))]
    for setting in comparison.settings:
        sound = own.get(setting.key)
        cells.append(_sound_cell(named(comparison, setting), sound, _clip_figures(comparison, sound, id_, "")))
    return (
        f"<section class='sentence' style='--longest:{longest:.3f}'><p class='text'>{escape(text)} <small>{escape(id_)}</small></p>"
        f"<div class='sounds'>{''.join(cells)}</div></section>"
    )


def _clip_figures(comparison: Comparison, sound: Sound | None, id_: str, ending: str) -> str:
    """The figures of one sound, in the run that it is from."""
    run = next((run for run in comparison.runs if sound is not None and run.name == sound.run), None)
    if run is None:
        return ""
    known = ((figure, run.clips[id_].figures.get(figure.name + ending, math.nan)) for figure in comparison.main_figures)
    spans = (f"<span>{escape(figure.heading)} <b>{value:.{figure.digits}f}</b></span>" for figure, value in known if not math.isnan(value))
    return f"<p class='figures'>{''.join(spans)}</p>"


def _sound_cell(heading: str, sound: Sound | None, figures: str) -> str:
    if sound is None:
        return f"<article class='clip'><p class='who'>{heading}</p><p class='missing'>There is no audio of it.</p></article>"
    image = f"<img loading='lazy' alt='' src='{address(sound.picture)}'>" if sound.picture else ""
    mel = f"<div class='mel' style='--s:{max(sound.seconds, 0.01):.3f}'><div class='picture'>{image}</div></div>" if image else ""
    return f"<article class='clip'><p class='who'>{heading}</p>{mel}{player(sound.audio)}{figures}</article>"
