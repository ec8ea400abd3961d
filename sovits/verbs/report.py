"""``sovits report``: runs side by side -> one page with tables and a blind listening test; and its answers, read back."""

from __future__ import annotations

import logging
import shutil
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from hydra.utils import instantiate
from omegaconf import DictConfig, ListConfig
from rich.console import Console
from rich.table import Table

from sovits.errors import SovitsError
from sovits.reporting.comparison import Comparison, compare
from sovits.reporting.comparison_page import PAGE_NAME, is_report, put_ratings, require_report_folder, write_marker, write_page
from sovits.reporting.comparison_parts import arrow
from sovits.reporting.comparison_sounds import copy_sounds
from sovits.reporting.comparison_tables import CLIPS, COMPARISONS, RUNS, SETTINGS, SPEAKERS, write_tables
from sovits.reporting.listening_test import KEY_ENDING, PREFIX, ListeningTest
from sovits.reporting.ratings import Ratings, Sitting, find_key, rate, rating_files, read_sitting
from sovits.reporting.ratings_tables import ANSWERS, shown, terminal_tables, write_ratings
from sovits.reporting.run_finding import FoundRuns, find_runs
from sovits.reporting.statistics import Estimate, Statistics

log = logging.getLogger(__name__)

ANSWERS_FOLDER = "ratings"
"""Where a report keeps the files of answers that it has read."""


def report(config: DictConfig) -> Path:
    """Runs ``conf/report.yaml``, prints what was found and where everything is, and returns the page.

    Raises:
        SovitsError: runs that are not there or cannot be compared, answers that do not fit, or a folder that holds something else.
    """
    runs, ratings = _places(config.runs), _places(config.ratings)
    if not runs and not ratings:
        raise SovitsError("runs is not given; for example: sovits report runs=outputs/train/DATE_TIME")
    if config.audio.max_sentences < 0:
        raise SovitsError(f"audio.max_sentences={config.audio.max_sentences} must not be negative; 0 copies no audio.")
    statistics: Statistics = instantiate(config.statistics)
    output = None if config.output is None else Path(config.output).expanduser()
    sittings = [read_sitting(path) for path in rating_files(ratings)]
    page = None
    if runs:
        output, page = _compare(config, runs, output, statistics)
    if sittings:
        output, page = _rate(sittings, output, Path(config.paths.outputs), statistics)
    assert page is not None
    log.info("Page:     open %s in a browser", page)
    return page


def _places(given: str | ListConfig | None) -> list[str]:
    if given is None:
        return []
    return [str(one) for one in given] if isinstance(given, ListConfig) else [str(given)]


def _compare(config: DictConfig, runs: Sequence[str], output: Path | None, statistics: Statistics) -> tuple[Path, Path]:
    if output is not None:
        require_report_folder(output)
    found = find_runs(runs, config.include_unfinished)
    output = output or found.first / "report"
    require_report_folder(output)
    ignored = [str(key) for key in config.ignore]
    comparison = compare(found, statistics, ignored, config.common_sentences, None if config.baseline is None else str(config.baseline))
    # What says that the folder is a report comes first: whatever happens then, the next report may go on in it.
    write_marker(output, comparison)
    write_tables(comparison, output)
    sounds = copy_sounds(comparison, output, config.audio.max_sentences)
    plan = instantiate(config.listening_test)
    test = None if plan is None else plan.write(comparison, output)
    page = write_page(output, _title(found, comparison, len(runs) > 1), comparison, sounds, test, _earlier_ratings(output, statistics))
    _tell(comparison, output, test)
    return output, page


def _title(found: FoundRuns, comparison: Comparison, several_places: bool) -> str:
    count, name = len(comparison.settings), found.first.resolve().name
    if count == 1:
        return f"Report on {name}"
    return f"{count} settings compared" if several_places else f"{count} settings of {name}"


def _rate(sittings: Sequence[Sitting], output: Path | None, outputs: Path, statistics: Statistics) -> tuple[Path, Path]:
    """Reads answers into the report that made their test."""
    tests = sorted({sitting.test for sitting in sittings})
    if len(tests) > 1:
        files = ", ".join(f"{sitting.file.name} ({sitting.test})" for sitting in sittings)
        raise SovitsError(f"The answers belong to several listening tests: {files}; read those of each test by themselves.")
    if output is not None and not is_report(output):
        raise SovitsError(f"output={output} is no report; give the one that made the listening test {tests[0]}.")
    key = find_key(tests[0], [output] if output else _where_keys_are(tests[0], sittings, outputs))
    report_folder = key.parent
    test = ListeningTest.load(key)
    rate(test, sittings, statistics)
    folder = report_folder / ANSWERS_FOLDER
    folder.mkdir(exist_ok=True)
    for sitting in sittings:
        target = folder / f"{sitting.test}_{sitting.rater}.json"
        if not target.exists() or not target.samefile(sitting.file):
            shutil.copyfile(sitting.file, target)
    ratings = _earlier_ratings(report_folder, statistics)
    own = next(one for one in ratings if one.test.id == test.id)
    write_ratings(ratings, report_folder)
    page = put_ratings(report_folder, ratings)
    _print(terminal_tables(own))
    for note in own.notes:
        log.info("Note:     %s", note)
    log.info("Ratings:  %s, preferences.csv, marks.csv", report_folder / ANSWERS)
    return report_folder, page


def _where_keys_are(test: str, sittings: Sequence[Sitting], outputs: Path) -> Iterator[Path]:
    """Beside the answers, above them, and in any report below the folder of outputs."""
    for sitting in sittings:
        yield from list(sitting.file.resolve().parents)[:3]
    yield from sorted(path.parent for path in outputs.glob(f"**/{PREFIX}{test}{KEY_ENDING}"))


def _earlier_ratings(folder: Path, statistics: Statistics) -> list[Ratings]:
    """What was read into this report so far, test by test."""
    own: dict[str, list[Sitting]] = defaultdict(list)
    for path in sorted((folder / ANSWERS_FOLDER).glob("*.json")):
        sitting = read_sitting(path)
        own[sitting.test].append(sitting)
    return [rate(ListeningTest.load(find_key(test, [folder])), sittings, statistics) for test, sittings in own.items()]


def _tell(comparison: Comparison, output: Path, test: ListeningTest | None) -> None:
    figures = comparison.main_figures
    table = Table(
        "setting",
        "seeds",
        *(f"{figure.heading} {arrow(figure)}" for figure in figures),
        title="Means over speakers",
    )
    for setting in comparison.settings:
        own = [comparison.values.get((figure.name, setting.key)) for figure in figures]
        cells = [shown(value.mean if value else Estimate(float("nan")), figure.digits) for value, figure in zip(own, figures, strict=True)]
        table.add_row(f"{setting.key}: {setting.label}", str(len(setting.replicates)), *cells)
    if comparison.recordings:
        real = [comparison.recordings.get(figure.name) for figure in figures]
        cells = [shown(value.mean, figure.digits) if value else "–" for value, figure in zip(real, figures, strict=True)]
        table.add_row("recordings", "", *cells, style="dim")
    _print([table])
    for run in comparison.left_out:
        log.warning("Left out %s (%s): %s", run.run, run.status, run.reason)
    for note in comparison.notes:
        log.info("Note:     %s", note)
    tables = [SETTINGS, SPEAKERS, CLIPS, *([COMPARISONS] if comparison.pairs else [])]
    log.info("Tables:   %s, %s", output / RUNS, ", ".join(tables))
    if test is not None:
        log.info("Test:     open %s in a browser, or send its folder to listeners", output / f"{PREFIX}{test.id}" / PAGE_NAME)


def _print(tables: Sequence[Table]) -> None:
    console = Console()
    # A log file has no width of its own; the default would fold every column.
    for table in tables:
        (console if console.is_terminal else Console(width=170)).print(table)
