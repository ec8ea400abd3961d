"""``sovits prepare``: recordings become a prepared set."""

from __future__ import annotations

from pathlib import Path

from hydra.utils import instantiate
from omegaconf import DictConfig
from rich.console import Console

from sovits.data.corpora.recording import select_speakers
from sovits.data.demo import generate_demo
from sovits.data.preparation.disk import disk_trouble
from sovits.data.preparation.preparation import Preparation
from sovits.data.preparation.sharding import Shard
from sovits.errors import SovitsError
from sovits.reporting.set_page import write_set_page
from sovits.voice.bank_building import build_bank

DEMO = "demo"


def prepare(config: DictConfig) -> Path:
    """Runs ``conf/prepare.yaml``, prints what was kept, quarantined and left out, and returns the set's folder."""
    console = Console()
    transcriber = instantiate(config.whisper) if config.whisper.model is not None else None
    preparation: Preparation = instantiate(config.preparation, transcriber=transcriber)
    shard: Shard = instantiate(config.shard)
    recordings = Path(str(config.recordings)).expanduser()
    if config.recordings == DEMO:
        recordings = generate_demo(Path(config.paths.outputs) / "recordings" / DEMO)
    # Where a table or a list is given, the set is called after its folder.
    named = recordings.resolve().parent if recordings.is_file() else recordings.resolve()
    output = Path(config.output or Path(config.paths.prepared) / str(config.name or named.name)).expanduser()
    if output.resolve().is_relative_to(recordings.resolve()):
        raise SovitsError(
            f"The output {output} lies inside the recordings {recordings} and would become a speaker; choose another output=DIR."
        )
    found = instantiate(config.corpus, root=str(recordings)).find()
    prepared = preparation.run(
        select_speakers(found, None if config.speakers is None else [str(speaker) for speaker in config.speakers]), output, shard
    )
    if prepared is None:
        console.print(f"Part {shard.index} of {shard.count} is done; the last one to end makes the set in {output}.", highlight=False)
        return output
    with disk_trouble(output):
        if preparation.encoder is not None:
            build_bank(output, prepared.report.kept, prepared.voices, preparation.encoder.settings, robust=config.bank.robust)
        page = write_set_page(output, workers=config.workers, **config.page)
    prepared.report.print(console)
    console.print(f"Look and listen: {page}", highlight=False, soft_wrap=True)
    return output
