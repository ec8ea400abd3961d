"""The page of a report: ``index.html`` beside its tables, audio and pictures; opened from disk, with nothing from the network."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from sovits.errors import SovitsError
from sovits.reporting.comparison import Comparison
from sovits.reporting.comparison_listening import listening_section
from sovits.reporting.comparison_plots import curves_section, plots_section
from sovits.reporting.comparison_sections import figures_section, left_out_section, settings_section, speakers_section, tests_section
from sovits.reporting.comparison_sounds import Sounds
from sovits.reporting.comparison_tables import CLIPS, COMPARISONS, RUNS, SETTINGS, SPEAKERS
from sovits.reporting.html import address, asset, document, link, write_if_changed
from sovits.reporting.listening_test import MARKS, PREFERENCE, PREFIX, ListeningTest
from sovits.reporting.ratings import Ratings
from sovits.reporting.ratings_tables import ratings_section

PAGE_NAME = "index.html"
MARKER = "report.json"
FORMAT = 1
_BEGIN, _END = "<!--ratings-->", "<!--/ratings-->"
_FILES = {
    RUNS: "every run: its configuration's differences and its means; those left out with the reason",
    SETTINGS: "every setting: its means with intervals",
    SPEAKERS: "every figure of every speaker in every setting",
    CLIPS: "every sentence in every run",
    COMPARISONS: "every pair of settings, tested",
}


def require_report_folder(folder: Path) -> None:
    """Makes sure that a report may be written there.

    Raises:
        SovitsError: it is a file, or holds something that is no report.
    """
    if folder.is_file():
        raise SovitsError(f"output={folder} is a file; give a folder that is new, empty, or holds an earlier report.")
    if folder.is_dir() and any(folder.iterdir()) and not is_report(folder):
        raise SovitsError(f"output={folder} holds something that is no report, and nothing is overwritten; give another folder.")


def is_report(folder: Path) -> bool:
    """Whether a report was written there."""
    try:
        content = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.get("made by") == "sovits report"


def write_marker(folder: Path, comparison: Comparison) -> None:
    """Writes what tells a later report that the folder is one."""
    content = {
        "made by": "sovits report",
        "format": FORMAT,
        "settings": {setting.key: setting.label for setting in comparison.settings},
        "runs": {run.name: str(run.folder) for run in comparison.runs},
        "left_out": {run.run: run.status for run in comparison.left_out},
    }
    write_if_changed(folder / MARKER, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def write_page(
    folder: Path, title: str, comparison: Comparison, sounds: Sounds, test: ListeningTest | None, ratings: Sequence[Ratings]
) -> Path:
    """Writes the page and returns its path.

    Args:
        folder: of the report; tables, audio and test are there already.
        title: what is compared.
        comparison: what is told.
        sounds: what can be listened to.
        test: the listening test beside it, if there is one.
        ratings: what listeners said so far, one for each test.
    """
    several = len(comparison.settings) > 1
    sections = {
        "What this can and cannot show": _notes(comparison.notes),
        "Settings": settings_section(comparison),
        "Left out": left_out_section(comparison) if comparison.left_out else "",
        "Figures": _method(comparison) + figures_section(comparison),
        "Speakers": speakers_section(comparison),
        "Tests": _about_tests(comparison) + tests_section(comparison) if several else "",
        "Plots": plots_section(comparison) if several else "",
        "Curves": curves_section(comparison),
        "Listen": listening_section(comparison, sounds) if sounds.sentences else "<p>No run kept its audio.</p>",
        "Listening test": _test(test) + _between(ratings),
        "Files": _files(bool(comparison.pairs)),
    }
    shown = {name: content for name, content in sections.items() if content}
    contents = " ".join(link(f"#{_target(name)}", name) for name in shown)
    body = [f"<h1>{escape(title)}</h1>", _tiles(comparison), f"<nav class='contents'>{contents}</nav>"]
    body += [f"<section id='{_target(name)}'><h2>{name}</h2>{content}</section>" for name, content in shown.items()]
    style = asset("set_page.css") + asset("comparison.css")
    path = folder / PAGE_NAME
    write_if_changed(path, document(title, body, style=style, script=asset("set_page.js")))
    return path


def put_ratings(folder: Path, ratings: Sequence[Ratings]) -> Path:
    """Puts what listeners said into a page that is there already.

    Raises:
        SovitsError: the page is missing or was changed by hand.
    """
    path = folder / PAGE_NAME
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    if text.count(_BEGIN) != 1 or text.count(_END) != 1:
        raise SovitsError(f"{path} is not the page that `sovits report` wrote; write it again with runs=.")
    before, _, rest = text.partition(_BEGIN)
    write_if_changed(path, before + _between(ratings) + rest.partition(_END)[2])
    return path


def _between(ratings: Sequence[Ratings]) -> str:
    parts = [ratings_section(one) for one in ratings if one.sittings]
    return _BEGIN + ("".join(parts) or "<p>Nobody's answers were read yet.</p>") + _END


def _target(name: str) -> str:
    return name.lower().replace(" ", "-")


def _tiles(comparison: Comparison) -> str:
    seeds = sorted({len(setting.replicates) for setting in comparison.settings})
    told = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    tiles: Mapping[str, tuple[str, str]] = {
        "settings": (str(len(comparison.settings)), "compared"),
        "runs": (str(len(comparison.runs)), f"{told} seed{'s' * (seeds[-1] > 1)} each"),
        "speakers": (str(len(comparison.speakers)), "judged"),
        "sentences": (str(len(comparison.sentences)), "the same for all"),
    }
    if comparison.left_out:
        tiles = {**tiles, "left out": (str(len(comparison.left_out)), "failed, unfinished or repeated")}
    return (
        "<div class='tiles'>"
        + "".join(f"<p><span>{name}</span><b>{value}</b>{more}</p>" for name, (value, more) in tiles.items())
        + "</div>"
    )


def _notes(notes: Sequence[str]) -> str:
    return "<ul class='notes'>" + "".join(f"<li>{escape(note)}</li>" for note in notes) + "</ul>"


def _method(comparison: Comparison) -> str:
    percent = f"{100 * comparison.statistics.confidence:g} %"
    runs = "sentences within each speaker, and runs of a setting where it has two or more"
    return (
        f"<p>Means over speakers, in brackets the {percent} interval of {comparison.statistics.resamples} bootstrap draws: what is drawn "
        f"again are {runs}; speakers stay as they are. ↑ more is better, ↓ less is better; the best is bold. In the pictures a dot is the "
        "mean, the line its interval, thin ticks the single runs.</p>"
    )


def _about_tests(comparison: Comparison) -> str:
    family = "all pairs in a figure" if comparison.statistics.family == "figure" else "all pairs in all figures"
    return (
        "<p>Paired permutation tests: for each test sentence the two settings' values, averaged over seeds, are exchanged at random; p is "
        f"how often a difference so large comes of that (all exchanges where they are {comparison.statistics.permutations} at most, else "
        f"so many drawn). p (Holm) is corrected for {family}. Effect is Cohen's d of the paired differences. p over seeds exchanges whole "
        "runs instead, and so speaks of training again; few runs cannot make it small.</p>"
    )


def _test(test: ListeningTest | None) -> str:
    if test is None:
        return "<p>There is no listening test: it was switched off, or no sentence has its audio in every setting.</p>"
    kinds = [trial.kind for trial in test.trials.values()]
    told = f"{kinds.count(PREFERENCE)} pairs to choose from and {kinds.count(MARKS)} clips to mark from 1 to 5"
    folder = f"{PREFIX}{test.id}"
    return (
        f"<p>{link(address(f'{folder}/index.html'), 'Take the blind test')}: {told}. The folder <code>{folder}</code> alone can be sent to "
        "listeners; it does not tell which clip is whose. What they send back: <code>sovits report ratings=answers.json</code></p>"
    )


def _files(compared: bool) -> str:
    names = {name: told for name, told in _FILES.items() if compared or name != COMPARISONS}
    return "<ul>" + "".join(f"<li>{link(address(name), name)}: {told}</li>" for name, told in names.items()) + "</ul>"
