"""The page of a prepared set: who there is enough of, what the quality gate refused and why, and clips to listen to.

``<root>/index.html`` opens from disk and needs nothing from a network. Up to :data:`SPEAKERS_ON_ONE_PAGE` speakers are on it with their
clips; of a larger set it is the overview, and every speaker has a page of its own in ``<root>/page``, where the pictures are too.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from html import escape
from pathlib import Path

from sovits.reporting.histograms import histogram
from sovits.reporting.html import address, anchor, asset, document, link, number, write_if_changed
from sovits.reporting.measures import MEASURES, heading
from sovits.reporting.set_contents import SetContents, SpeakerContents, seconds_of
from sovits.reporting.set_pictures import make_pictures
from sovits.reporting.set_sections import Places, SpeakerSection, advice_list, table

PAGE_NAME = "index.html"
FOLDER = "page"
SPEAKERS_ON_ONE_PAGE = 8
_MOST_ROWS = 30
"""Reasons listed for what was left out."""
_FILTER = "<p class='filter'><input type='search' placeholder='Filter by speaker, text or reason' aria-label='Filter'></p>"
_KEY = "<span class='key kept'></span> kept <span class='key out'></span> quarantined"


def write_set_page(
    root: Path, *, clips_per_speaker: int | None = 20, quarantined_per_speaker: int | None = 100, workers: int | None = None
) -> Path:
    """Writes the page of the set in ``root`` and returns its path. Files that would not change are not touched.

    Args:
        root: the set, with its manifest, quarantine and report.
        clips_per_speaker: kept clips shown of each speaker; ``None``: all.
        quarantined_per_speaker: quarantined ones, those with most reasons first; ``None``: all.
        workers: threads that draw the clips not drawn before; ``None``: one for each core.

    Raises:
        SovitsError: as ``SetContents.load``.
    """
    contents = SetContents.load(root)
    sections = [SpeakerSection(speaker, clips_per_speaker, quarantined_per_speaker) for speaker in contents.speakers]
    shown = [utterance for section in sections for utterance in (*section.kept, *section.quarantined)]
    folder = root / FOLDER
    pictures = make_pictures(root, folder, shown, contents.sample_rate, workers)
    names = {picture.name for picture in pictures.values() if not isinstance(picture, str)}
    one_page = len(sections) <= SPEAKERS_ON_ONE_PAGE
    body = _overview(contents, {section.speaker.name: _target(section.speaker.name, one_page) for section in sections})
    if one_page:
        for section in sections:
            body.append(_folded(section.speaker, section.html(pictures, Places("", f"{FOLDER}/")), unfolded=len(sections) == 1))
    else:
        for index, section in enumerate(sections):
            parts = _speaker_page(contents, index, section.html(pictures, Places("../", "")))
            name = page_name(section.speaker.name)
            names.add(name)
            write_if_changed(folder / name, _document(f"{section.speaker.name} in {contents.name}", parts))
    write_if_changed(root / PAGE_NAME, _document(f"Prepared set {contents.name}", body))
    for path in folder.glob("*"):
        if path.suffix in (".png", ".html", ".partial") and path.name not in names:
            path.unlink()
    return root / PAGE_NAME


def page_name(speaker: str) -> str:
    """The file of a speaker's own page: the name itself where a file can be called so."""
    plain = "/" not in speaker and len(speaker.encode()) <= 200
    return f"{speaker if plain else hashlib.sha256(speaker.encode()).hexdigest()[:16]}.html"


def _target(speaker: str, one_page: bool) -> str:
    return f"#{anchor(speaker)}" if one_page else address(f"{FOLDER}/{page_name(speaker)}")


def _document(title: str, parts: list[str]) -> str:
    return document(title, parts, style=asset("set_page.css"), script=asset("set_page.js"))


def _overview(contents: SetContents, targets: dict[str, str]) -> list[str]:
    """What comes before the clips: the set in figures, its speakers, the reasons, the histograms."""
    enough = sum(speaker.enough for speaker in contents.speakers)
    parts = [f"<h1>Prepared set <em>{escape(contents.name)}</em></h1>", _tiles(contents.speakers)]
    few = f"{enough} of {len(contents.speakers)} speakers have enough for few-shot training."
    parts += [f"<h2>Speakers</h2><p>{few} {_KEY}</p>", _FILTER, _speaker_table(contents.speakers, targets)]
    if contents.quarantined:
        parts += ["<h2>Why clips are quarantined</h2>", _reason_table(contents)]
    if contents.left_out:
        parts += ["<h2>What was left out before it was a clip</h2>", _left_out_table(contents)]
    charts = [_histogram(contents, index) for index in range(len(MEASURES))]
    if any(charts):
        parts.append(f"<h2>Figures of all clips</h2><p>{_KEY} <span class='key limit'></span> the gate's limits</p>")
        parts.append(f"<div class='histograms'>{''.join(charts)}</div>")
    return parts


def _tiles(speakers: tuple[SpeakerContents, ...]) -> str:
    """The first figures to look at."""
    kept, quarantined = sum(len(speaker.kept) for speaker in speakers), sum(len(speaker.quarantined) for speaker in speakers)
    share = f", {100 * quarantined / (kept + quarantined):.1f} % of all" if quarantined else ""
    tiles = [
        ("kept", duration(sum(speaker.seconds for speaker in speakers)), f"{kept} clips"),
        ("quarantined", duration(sum(speaker.quarantined_seconds for speaker in speakers)), f"{quarantined} clips{share}"),
        ("left out", str(sum(len(speaker.left_out) for speaker in speakers)), "recordings or parts of them"),
    ]
    if len(speakers) > 1:
        tiles.insert(0, ("speakers", str(len(speakers)), f"{sum(speaker.enough for speaker in speakers)} with enough"))
    return "<div class='tiles'>" + "".join(f"<p><span>{name}</span><b>{value}</b>{more}</p>" for name, value, more in tiles) + "</div>"


def _speaker_table(speakers: tuple[SpeakerContents, ...], targets: dict[str, str]) -> str:
    most = max((speaker.seconds + speaker.quarantined_seconds for speaker in speakers), default=0.0) or 1.0
    rows = []
    for speaker in speakers:
        splits = Counter(utterance.split for utterance in speaker.kept)
        languages = " ".join(sorted({utterance.language for utterance in speaker.kept}))
        verdict = "<span class='good'>yes</span>" if speaker.enough else "<span class='bad'>no</span>"
        widths = [100 * seconds / most for seconds in (speaker.seconds, speaker.quarantined_seconds)]
        bar = (
            f"<div class='bar'><i class='kept' style='width:{widths[0]:.1f}%'></i><i class='out' style='width:{widths[1]:.1f}%'></i></div>"
        )
        rows.append(
            f"<tr class='row'><td>{link(targets[speaker.name], speaker.name)}</td>"
            f"<td class='amount' data-value='{speaker.seconds:.2f}'>{bar}{duration(speaker.seconds)}</td>"
            + number(str(len(speaker.kept)))
            + number(f"{splits['train']} / {splits['val']} / {splits['test']}", splits["train"])
            + f"<td>{escape(languages)}</td>"
            + number(f"{len(speaker.quarantined)} <small>{duration(speaker.quarantined_seconds)}</small>", len(speaker.quarantined))
            + number(str(len(speaker.left_out)))
            + f"<td>{verdict}</td><td>{advice_list(speaker.advice)}</td></tr>"
        )
    names = ("speaker", "kept", "clips", "train / val / test", "languages", "quarantined", "left out", "enough", "what to do")
    head = "".join(f"<th><button type='button'>{name}</button></th>" for name in names)
    return f"<table class='speakers'><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _reason_table(contents: SetContents) -> str:
    """What each reason costs, the dearest first."""
    clips, alone, seconds = Counter[str](), Counter[str](), defaultdict[str, float](float)
    for utterance in contents.quarantined:
        measures = {reason.measure for reason in utterance.reasons}
        for measure in measures:
            clips[measure] += 1
            alone[measure] += len(measures) == 1
            seconds[measure] += utterance.duration
    total = seconds_of(contents.kept) + seconds_of(contents.quarantined)
    rows = []
    for measure in sorted(clips, key=lambda name: (-seconds[name], name)):
        share = 100 * seconds[measure] / total if total else 0.0
        bar = f"<div class='bar'><i class='out' style='width:{share:.1f}%'></i></div>"
        rows.append(
            f"<tr><td>{escape(heading(measure))}</td><td>{_limit_text(contents, measure)}</td>{number(str(clips[measure]))}"
            f"{number(str(alone[measure]))}<td class='amount' data-value='{seconds[measure]:.2f}'>{bar}{duration(seconds[measure])}</td>"
            f"{number(f'{share:.1f} %', share)}</tr>"
        )
    names = ("reason", "limit", "clips", "for this alone", "length", "of the set")
    head = "".join(f"<th><button type='button'>{name}</button></th>" for name in names)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _limit_text(contents: SetContents, name: str) -> str:
    for measure in MEASURES:
        if measure.name == name:
            return ", ".join(f"{kind} {measure.shown(value)}" for kind, value in contents.limits(measure).items())
    return ""


def _left_out_table(contents: SetContents) -> str:
    names = defaultdict[str, list[str]](list)
    for omission in contents.left_out:
        names[omission.reason].append(omission.recording)
    order = sorted(names.items(), key=lambda item: (-len(item[1]), item[0]))
    rows = [(reason, str(len(found)), ", ".join(found[:3]) + (", …" if len(found) > 3 else "")) for reason, found in order[:_MOST_ROWS]]
    rest = f"<p>{len(order) - _MOST_ROWS} more reasons are in report.json.</p>" if len(order) > _MOST_ROWS else ""
    return table(("why, and what to do", "times", "recordings"), rows) + rest


def _histogram(contents: SetContents, index: int) -> str:
    measure = MEASURES[index]
    kept, quarantined = ([v for u in clips if (v := measure.of(u)) is not None] for clips in (contents.kept, contents.quarantined))
    return histogram(measure, kept, quarantined, contents.limits(measure)) if kept or quarantined else ""


def _folded(speaker: SpeakerContents, content: str, unfolded: bool) -> str:
    """A speaker's section on the common page. The link's target is inside, so that a browser unfolds it on the way there."""
    counts = f"{duration(speaker.seconds)} kept in {len(speaker.kept)} clips, {len(speaker.quarantined)} quarantined"
    summary = f"<summary><h2>{escape(speaker.name)}</h2> <small>{counts}</small></summary>"
    name = escape(speaker.name)
    target = f"<a class='target' id='{anchor(speaker.name)}'></a>"
    return f"<details class='speaker' data-speaker='{name}'{' open' * unfolded}>{summary}{target}{content}</details>"


def _speaker_page(contents: SetContents, index: int, content: str) -> list[str]:
    speaker = contents.speakers[index]
    around = [link(f"../{PAGE_NAME}", f"↑ {contents.name}")]
    if index > 0:
        around.append(link(address(page_name(contents.speakers[index - 1].name)), f"← {contents.speakers[index - 1].name}"))
    if index + 1 < len(contents.speakers):
        around.append(link(address(page_name(contents.speakers[index + 1].name)), f"{contents.speakers[index + 1].name} →"))
    head = f"<nav>{' '.join(around)}</nav><h1>{escape(speaker.name)}</h1>"
    return [head, _tiles((speaker,)), _FILTER, f"<main data-speaker='{escape(speaker.name)}'>{content}</main>"]


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
