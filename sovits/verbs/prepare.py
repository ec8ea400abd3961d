"""``sovits prepare``: a folder of recordings becomes a prepared set."""

from __future__ import annotations

from pathlib import Path

from hydra.utils import instantiate
from omegaconf import DictConfig
from rich.console import Console

from sovits.data.demo import generate_demo
from sovits.data.preparation.preparation import Preparation

DEMO = "demo"


def prepare(config: DictConfig) -> Path:
    """Runs ``conf/prepare.yaml``, prints what was kept and what was left out, and returns the set's folder."""
    transcriber = instantiate(config.whisper) if config.whisper.model is not None else None
    preparation: Preparation = instantiate(config.preparation, transcriber=transcriber)
    if config.recordings == DEMO:
        recordings = generate_demo(Path(config.paths.outputs) / "recordings" / DEMO)
    else:
        recordings = Path(config.recordings).expanduser()
    output = Path(config.output or Path(config.paths.prepared) / str(config.name or recordings.resolve().name))
    report = preparation.run(
        recordings,
        output.expanduser(),
        metadata=Path(config.metadata).expanduser() if config.metadata else None,
        speakers=None if config.speakers is None else [str(speaker) for speaker in config.speakers],
    )
    report.print(Console())
    return report.output
