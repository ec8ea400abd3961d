"""``csv/metrics.csv``: one table of a run, however often it was interrupted."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.loggers.csv_logs import ExperimentWriter
from lightning.pytorch.utilities import rank_zero_only

from sovits.errors import SovitsError

STEP = "step"


class CsvTable(CSVLogger):
    """Lightning's table, but what is there already stays: :meth:`cut_off` says how much of it counts.

    Args:
        folder: of ``metrics.csv``.
        flush_every: calls are written at the latest after so many steps.
    """

    def __init__(self, folder: str, flush_every: int = 20) -> None:
        path = Path(folder)
        super().__init__(str(path.parent), name=path.name, version="", flush_logs_every_n_steps=flush_every)

    @property
    def path(self) -> Path:
        """The table."""
        return Path(self.log_dir) / ExperimentWriter.NAME_METRICS_FILE

    @property
    def experiment(self) -> Any:
        """The writer of this process; on other ranks than the first Lightning never asks for it."""
        if self._experiment is None:
            Path(self.log_dir).mkdir(parents=True, exist_ok=True)
            self._experiment = _Writer(self.log_dir)
        return self._experiment

    @rank_zero_only
    def cut_off(self, step: int) -> None:
        """Drops the rows from ``step`` on, which will be logged again; also a last row that a killed run left half-written.

        Raises:
            SovitsError: a row in the middle is damaged.
        """
        self.experiment.cut_off(step)

    @rank_zero_only
    def to_disk(self) -> None:
        """Returns when all rows so far would survive a power cut."""
        self.save()
        if self.path.is_file():
            with self.path.open("rb") as file:
                os.fsync(file.fileno())


class _Writer(ExperimentWriter):
    def __init__(self, log_dir: str) -> None:
        super().__init__(log_dir)
        # Or the first row would leave out the columns that it does not have.
        path = Path(self.metrics_file_path)
        self.metrics_keys = sorted({key for row in _whole_rows(path) for key in row}) if path.is_file() else []

    def _check_log_dir_exists(self) -> None:
        """The parent deletes the table of an earlier process here."""

    def cut_off(self, step: int) -> None:
        path = Path(self.metrics_file_path)
        if not path.is_file():
            return
        rows = [row for row in _whole_rows(path) if int(row[STEP]) < step]
        # A column that only the dropped rows used comes again when it is logged again.
        self.metrics_keys = sorted({key for row in rows for key, cell in row.items() if cell})
        if rows:
            _replace(path, self.metrics_keys, rows)
        else:
            path.unlink()

    def _rewrite_with_new_header(self, fieldnames: list[str]) -> None:
        path = Path(self.metrics_file_path)
        _replace(path, fieldnames, _whole_rows(path))


def _whole_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        lines = list(csv.reader(file))
    if not lines or STEP not in lines[0]:
        return []
    header, *rows = lines
    if rows and not _is_whole(rows[-1], header, path):
        rows.pop()
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header) or not row[header.index(STEP)].isdigit():
            raise SovitsError(f"{path}, line {number} is damaged; delete the line, or the whole file to begin it anew.")
    return [dict(zip(header, row, strict=True)) for row in rows]


def _is_whole(last: Sequence[str], header: Sequence[str], path: Path) -> bool:
    """A number cut off in its middle is still a number; only the end of the line tells."""
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return len(last) == len(header) and file.read(1) == b"\n"


def _replace(path: Path, header: Sequence[str], rows: Sequence[dict[str, str]]) -> None:
    partial = path.with_name(f"{path.name}.partial")
    with partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=header, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
