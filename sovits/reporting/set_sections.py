"""One speaker's part of a set's page: clips to listen to, with their pictures, figures and reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from sovits.data.manifest import FILE_NAME, QUARANTINE_NAME, Utterance
from sovits.reporting.html import address, player
from sovits.reporting.measures import MEASURES
from sovits.reporting.set_contents import REPORT_NAME, SpeakerContents
from sovits.reporting.set_pictures import ClipPicture

_UNSURE = 0.5
"""A word that the alignment is less confident of is marked."""
_MOST_LEFT_OUT = 200
"""Recordings named on a speaker's page; the report has all."""


@dataclass(frozen=True)
class Places:
    """Relative addresses as seen from one page, each with its slash at the end or empty."""

    root: str
    pictures: str


@dataclass(frozen=True)
class SpeakerSection:
    """What is shown of a speaker, on whichever page.

    Args:
        speaker: whose clips.
        kept_shown: kept clips to show, from the first; ``None``: all.
        quarantined_shown: quarantined ones, those with most reasons first; ``None``: all.
    """

    speaker: SpeakerContents
    kept_shown: int | None
    quarantined_shown: int | None

    @property
    def kept(self) -> tuple[Utterance, ...]:
        """The kept clips that are shown."""
        return self.speaker.kept[: self.kept_shown]

    @property
    def quarantined(self) -> tuple[Utterance, ...]:
        """The quarantined clips that are shown."""
        return self.speaker.quarantined[: self.quarantined_shown]

    def html(self, pictures: Mapping[str, ClipPicture | str], places: Places) -> str:
        """The advice, the quarantined clips, the kept ones, what was left out, and notes.

        Args:
            pictures: by clip id, as ``make_pictures`` gives them.
            places: where pictures and audio lie from the page this goes into.
        """
        speaker = self.speaker
        parts = [advice_list(speaker.advice)]
        for title, shown, clips, name in (
            ("Quarantined", self.quarantined, speaker.quarantined, QUARANTINE_NAME),
            ("Kept", self.kept, speaker.kept, FILE_NAME),
        ):
            if clips:
                cards = "".join(clip_card(utterance, pictures[utterance.id], places) for utterance in shown)
                parts.append(_folder(f"{title} <small>{_counted(shown, clips, name, places)}</small>", cards))
        if speaker.left_out:
            rows = [(row.recording, _span(row.start, row.end), row.reason) for row in speaker.left_out[:_MOST_LEFT_OUT]]
            more = len(speaker.left_out) - len(rows)
            rest = f"<p>{more} more are in <a href='{places.root}{REPORT_NAME}'>{REPORT_NAME}</a>.</p>" if more else ""
            title = f"Left out <small>{len(speaker.left_out)}</small>"
            parts.append(_folder(title, table(("recording", "part", "why, and what to do"), rows) + rest))
        if speaker.notes:
            parts.append(_folder("Notes", table(("recording", "note"), [(row.recording, row.note) for row in speaker.notes])))
        return "".join(parts) or "<p>Nothing was found of this speaker.</p>"


def clip_card(utterance: Utterance, picture: ClipPicture | str, places: Places) -> str:
    """A clip: text, player, picture with words, figures, where it comes from and why it is quarantined."""
    failed = {reason.measure for reason in utterance.reasons}
    figures = []
    for measure in MEASURES:
        value = measure.of(utterance)
        if value is not None:
            marked = " class='bad'" if measure.name in failed else ""
            figures.append(f"<span{marked}>{measure.heading} <b>{measure.shown(value)}</b></span>")
    language = " class='bad'" if "heard_language" in failed else ""
    heard = utterance.quality.heard_language
    figures.append(f"<span{language}>language <b>{utterance.language}{f', heard {heard}' if heard else ''}</b></span>")
    span = f"{utterance.start:.2f}–{utterance.end:.2f} s"
    source = [f"{utterance.recording}, {span}", f"text from {utterance.transcript}", utterance.split]
    if isinstance(picture, ClipPicture):
        source.append(f"level {picture.level:.1f} dBFS, peak {picture.peak:.1f} dBFS")
    reasons = "".join(f"<li>{escape(reason.text)}</li>" for reason in utterance.reasons)
    reasons = f"<ul class='reasons'>{reasons}</ul>" if reasons else ""
    return (
        f"<article class='clip{' refused' if reasons else ''}'><header><p class='text'>{escape(utterance.text)}</p>"
        f"{player(places.root + utterance.path)}</header>"
        f"{reasons}{_mel(utterance, picture, places)}<p class='figures'>{''.join(figures)}</p>"
        f"<p class='source'><b>{escape(utterance.id)}</b> · {escape(' · '.join(source))}</p></article>\n"
    )


def advice_list(advice: Sequence[str]) -> str:
    """What to record again, a line each; nothing for none."""
    return "<ul class='advice'>" + "".join(f"<li>{escape(sentence)}</li>" for sentence in advice) + "</ul>" if advice else ""


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A plain table of texts."""
    head = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _mel(utterance: Utterance, picture: ClipPicture | str, places: Places) -> str:
    """The picture as wide as the clip is long, with a tick each second, its words below where they are said."""
    if isinstance(picture, str):
        return f"<p class='missing'>There is no picture: {escape(picture)}</p>"
    seconds = max(utterance.duration, 0.01)
    words = utterance.words
    spans = []
    for index, word in enumerate(words):
        # Every other word stands in a second line: each has the room up to the next but one.
        end = words[index + 2].start if index + 2 < len(words) else seconds
        place = f"left:{100 * word.start / seconds:.2f}%;width:{max(100 * (end - word.start) / seconds, 0):.2f}%"
        unsure = " class='unsure'" if word.confidence < _UNSURE else ""
        title = f"{word.text}: {word.start:.2f}–{word.end:.2f} s, confidence {word.confidence:.2f}"
        spans.append(f"<span{unsure} data-start='{word.start:g}' style='{place}' title='{escape(title)}'>{escape(word.text)}</span>")
    alt = f"Mel spectrogram of {utterance.id}: {utterance.text}"
    image = f"<img loading='lazy' alt='{escape(alt)}' src='{address(places.pictures + picture.name)}'>"
    below = f"<div class='words'>{''.join(spans)}</div>" if spans else ""
    return f"<div class='mel' style='--s:{seconds:.3f}'><div class='picture'>{image}</div>{below}</div>"


def _folder(title: str, content: str) -> str:
    return f"<details open><summary>{title}</summary>{content}</details>"


def _counted(shown: Sequence[Utterance], clips: Sequence[Utterance], name: str, places: Places) -> str:
    """How many of the clips are here, and where the others are."""
    if len(shown) == len(clips):
        return f"{len(clips)} clip{'s' * (len(clips) > 1)}"
    which = "those with most reasons" if name == QUARANTINE_NAME else "the first"
    return f"{which}, {len(shown)} of {len(clips)} clips; {len(clips) - len(shown)} more are in <a href='{places.root}{name}'>{name}</a>"


def _span(start: float | None, end: float | None) -> str:
    return "all" if start is None or end is None else f"{start:.2f}–{end:.2f} s"
