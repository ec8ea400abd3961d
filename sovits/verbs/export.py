"""``sovits export``: a checkpoint -> folders that speak elsewhere, smaller or without PyTorch."""

from __future__ import annotations

import csv
import logging
from dataclasses import asdict
from pathlib import Path

from omegaconf import DictConfig, ListConfig
from rich.console import Console
from rich.progress import track
from rich.table import Table

from sovits.errors import SovitsError
from sovits.voice.export import KINDS, Exporter, Figures

log = logging.getLogger(__name__)

EXAMPLE = "sovits export checkpoint=outputs/train/.../checkpoints/last.ckpt format=[onnx,int8] output=exported"


def export(config: DictConfig) -> Path:
    """Writes a folder for each format, with how it compares with the checkpoint, and returns the folder they are in.

    Raises:
        SovitsError: a key that is missing or wrong, or a format in which the model does not speak as it did.
    """
    if config.checkpoint is None:
        raise SovitsError(f"checkpoint is not given; for example: {EXAMPLE}")
    kinds = list(config.format) if isinstance(config.format, ListConfig) else [config.format]
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        raise SovitsError(f"format={unknown[0]} is none of {', '.join(KINDS)}; choose one, or [several,of,them].")
    output = Path(config.output)
    if present := [output / kind for kind in kinds if (output / kind).exists()]:
        raise SovitsError(f"{present[0]} is there already; choose another output, or move it away.")
    bank = None if config.bank is None else Path(config.bank)
    exporter = Exporter(Path(config.checkpoint), bank, list(config.sentences), dict(config.least_snr), config.rounds, config.part_megabytes)
    figures = {kind: exporter.write(kind, output / kind) for kind in track(kinds, "Exporting")}
    _write_table(figures, output / "export.csv")
    _tell(figures)
    log.info("Speak with one: sovits synthesize checkpoint=%s speaker=NAME text=TEXT", output / kinds[-1])
    return output


def _write_table(figures: dict[str, Figures], path: Path) -> None:
    rows = [{"format": kind, **asdict(own)} for kind, own in figures.items()]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _tell(figures: dict[str, Figures]) -> None:
    columns = ("format", "MB", "equal durations", "largest difference", "SNR [dB]", "voice from a clip", "real-time factor", "x faster")
    table = Table(*columns, title="Exported")
    for kind, own in figures.items():
        table.add_row(
            kind,
            f"{own.megabytes:.1f}",
            f"{own.equal_durations:.1%}",
            f"{own.speech_error:.1e}",
            f"{own.speech_snr:.0f}",
            "none" if own.voice_similarity is None else f"{own.voice_similarity:.4f}",
            f"{own.rtf:.3f}",
            f"{own.speedup:.2f}",
        )
    Console(width=120).print(table)
