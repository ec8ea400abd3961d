"""``sovits train``: a prepared set -> a checkpoint with its speaker bank, samples and figures."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import lightning
import torch
from hydra.utils import instantiate
from lightning import Callback, Trainer
from lightning.pytorch.loggers import Logger
from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict

from sovits.data.clips import MOST_NAMED
from sovits.data.corpora.recording import some
from sovits.data.datamodule import SpeechDataModule
from sovits.errors import SovitsError
from sovits.launching.ranks import cluster_environment
from sovits.modules import PretrainedSpeakerEncoder, SemanticEncoder
from sovits.reporting.loss_curves import loss_figure
from sovits.reporting.pictures import save_figure
from sovits.runs.comparison import Reproduction
from sovits.runs.lock import alone_in
from sovits.runs.provenance import data_told
from sovits.runs.recorded import OpenRecord, first_process, recorded_run
from sovits.text import SemanticTokenizer
from sovits.training.lightning_module import VoiceTraining
from sovits.training.loggers import wandb_id
from sovits.training.parts import part_name
from sovits.training.resuming import finished_checkpoint, load_finished, named_losses, resume_from
from sovits.training.warm_start import require_alike, warm_start
from sovits.verbs.add_speaker import Addition
from sovits.verbs.budgeting import keep_within_budget
from sovits.verbs.distil import Distillation
from sovits.verbs.evaluate import evaluate
from sovits.voice.base import BASE
from sovits.voice.checkpoint import Checkpoint
from sovits.voice.exported import is_export
from sovits.voice.speaker_bank import SpeakerBank

log = logging.getLogger(__name__)


def train(config: DictConfig) -> Path:
    """Composes, trains and says what was made; returns the last checkpoint.

    Raises:
        SovitsError: a mistake in the configuration or the prepared set, before the first step.
    """
    with alone_in(Path(config.paths.run)):
        return _alone(config)


def _alone(config: DictConfig) -> Path:
    if config.resume is True and (finished := finished_checkpoint(Path(config.paths.run), config.training.steps)):
        log.info("resume=true: %s is finished already; nothing is left to do.", config.paths.run)
        return finished
    reproduction = Reproduction.of(config)
    # Before the record is touched: a folder that may not be used stays as it is.
    resume = resume_from(config.resume, Path(config.paths.run))
    with recorded_run(Path(config.paths.run), config.reproduces) as record:
        checkpoint = _train(config, record, reproduction, resume)
    if reproduction is not None and record.finished and first_process():
        reproduction.conclude()
    return checkpoint


def _train(config: DictConfig, record: OpenRecord, reproduction: Reproduction | None, resume: Path | None) -> Path:
    run = Path(config.paths.run)
    _check_accelerator(config.trainer.accelerator)
    lightning.seed_everything(config.seed, workers=True, verbose=False)
    distillation = Distillation.asked_for(config)
    addition = Addition.asked_for(config)
    data: SpeechDataModule = instantiate(config.data)
    data.setup("fit")
    if not data.utterances("val"):
        raise SovitsError(
            f"data.root={data.root} has no usable val utterance, so nothing could be judged or saved; "
            "a speaker needs three utterances or more: record more and run `sovits prepare` again, or set data.evaluate_on_train=true."
        )
    if not data.taught:
        config.training.steps = 0
        log.warning("Nobody has enough speech to learn from: nothing is trained, the voices are read as the model is.")
    record.note(speakers=data.speakers, data=data_told(data), teacher=distillation.told if distillation else None)
    if config.training.guided_steps and not data.align_phones:
        raise SovitsError(f"training.guided_steps={config.training.guided_steps} needs alignments to go by; add data.align_phones=true.")
    if reproduction is not None:
        reproduction.begin(record.record)
    timekeepers = keep_within_budget(config, data)
    training = build_training(config, data.speakers)
    if resume is None or config.resume is not True:
        _warm_start(config, training)
    if addition is not None:
        addition.begin(training, data)
    training.carried_config = carried_config(config, training, data.front_end.tokenizer)
    if distillation is not None:
        distillation.begin(training, data)
    callbacks: list[Callback] = [*(instantiate(node) for node in config.callbacks.values() if node), *timekeepers]
    loggers: list[Logger] = [instantiate(node) for node in config.logger.values() if node]
    for logger in loggers:
        logger.log_hyperparams(training.carried_config)
    record.note(wandb_id=wandb_id(loggers))
    log.info("Parameters in millions: %s", _sizes(training))
    trainer: Trainer = instantiate(
        config.trainer,
        callbacks=callbacks,
        logger=loggers,
        plugins=_plugins(config),
        val_check_interval=_batches(config.trainer.val_check_interval, training),
        _convert_="all",
    )
    checkpoint = run / "checkpoints" / "last.ckpt"
    try:
        with named_losses(run):
            if not training.steps:
                # An untrained model is a figure's point of departure.
                trainer.validate(training, data, verbose=False)
                trainer.save_checkpoint(checkpoint, weights_only=False)
            elif not (config.resume is True and resume and load_finished(resume, training)):
                trainer.fit(training, data, ckpt_path=resume, weights_only=True)
    finally:
        record.note(generator_step=training.generator_step)
    if trainer.is_global_zero:
        with named_losses(run):
            _keep(training, run)
            _evaluate(config, data, checkpoint)
        if addition is not None:
            addition.conclude(checkpoint, data)
        _tell(config, training, checkpoint, data.speakers)
    return checkpoint


def _plugins(config: DictConfig) -> list[Any] | None:
    """Those of the trainer's configuration, and how the ranks are told where something else than Lightning starts them."""
    own = list(instantiate(config.trainer.get("plugins")) or [])
    devices = config.trainer.devices
    environment = cluster_environment(config.trainer.num_nodes, list(devices) if isinstance(devices, ListConfig) else devices)
    return [*own, environment] if environment else own or None


def build_training(config: DictConfig, speakers: list[str]) -> VoiceTraining:
    """The Lightning module of ``config`` for these speakers, whose number enters the configuration."""
    with open_dict(config):
        config.n_speakers = len(speakers)
    return instantiate(config.training, carried_config={}, speakers=speakers)


def carried_config(config: DictConfig, training: VoiceTraining, tokenizer: SemanticTokenizer) -> dict[str, Any]:
    """``config`` as plain values, with the language model and its tokenizer in place of their source: a checkpoint needs no hub to load."""
    plain: dict[str, Any] = OmegaConf.to_container(config, resolve=True)  # type: ignore[assignment]
    for part in ("semantic_encoder", "speaker_encoder"):
        encoder = getattr(training.synthesizer, part)
        if isinstance(encoder, SemanticEncoder | PretrainedSpeakerEncoder):
            plain["model"][part] |= {"source": None, "architecture": encoder.architecture}
    plain["text"]["tokenizer"] |= {"source": None, "definition": None if tokenizer.is_default else tokenizer.to_json()}
    return plain


def _warm_start(config: DictConfig, training: VoiceTraining) -> None:
    """Takes what fits from ``config.warm_start``, and says what that was."""
    if config.warm_start is None:
        return
    # With resume=true the same command starts warm and goes on later; that a recipe begins with the base voice is no wish of the user's.
    if config.resume not in (None, False, True):
        if config.warm_start == BASE:
            return
        raise SovitsError(f"resume={config.resume} and warm_start={config.warm_start} both give the weights to start from; choose one.")
    checkpoint = Checkpoint.read(config.warm_start)
    if is_export(checkpoint.path):
        # Made to be gone on from: what would not be that is a mistake. From a run's checkpoint researchers take what fits.
        require_alike(checkpoint, OmegaConf.to_container(config, resolve=True))  # type: ignore[arg-type]
    parts = None if config.warm_start_parts is None else [part_name(training, name) for name in config.warm_start_parts]
    for line in warm_start(training, checkpoint.state, parts).lines():
        log.info("Warm start from %s: %s", checkpoint.path.name, line)


def _batches(interval: int | float, training: VoiceTraining) -> int | float:
    """Lightning counts batches from one validation to the next, users generator steps."""
    return interval * training.rounds.batches_each_step() if isinstance(interval, int) else interval


def _sizes(training: VoiceTraining) -> str:
    """``decoder 3.8, flow 1.9, ...``."""
    parts = [*training.synthesizer.named_children(), ("discriminators", training.discriminators)]
    return ", ".join(f"{name} {sum(weight.numel() for weight in part.parameters()) / 1e6:.1f}" for name, part in parts)


def _check_accelerator(accelerator: str) -> None:
    if accelerator in ("gpu", "cuda") and not (torch.cuda.is_available() or torch.backends.mps.is_available()):
        raise SovitsError(
            f"trainer.accelerator={accelerator}, but torch sees no GPU on this machine; use trainer=cpu, or check its driver."
        )


def _keep(training: VoiceTraining, run: Path) -> None:
    """The voices and the curves, beside the checkpoint."""
    SpeakerBank.from_embeddings({name: voice.cpu().numpy() for name, voice in training.speaker_bank.items()}).save(run / "speakers")
    figures = run / "csv" / "metrics.csv"
    if figures.is_file() and training.generator_step:
        save_figure(loss_figure(figures, f"{run.name}: {training.generator_step} steps"), run / "losses.png")


def _evaluate(config: DictConfig, data: SpeechDataModule, checkpoint: Path) -> None:
    """Takes the figures of the run's held-out sentences, into ``evaluation/``, from what the run saved."""
    if config.evaluation.split is None:
        return
    split = config.evaluation.split
    if not data.utterances(split):
        log.warning("data.root=%s has no usable %s utterance: the run ends without final figures (evaluation.split).", data.root, split)
        return
    settings = {
        "checkpoint": str(checkpoint),
        "bank": None,
        "data": {"root": str(data.root)},
        "device": "cuda" if torch.cuda.is_available() and config.trainer.accelerator in ("gpu", "cuda", "auto") else "cpu",
        "output": str(Path(config.paths.run) / "evaluation"),
        **OmegaConf.to_container(config.evaluation, resolve=True),  # type: ignore[dict-item]
    }
    settings["speakers"] = settings["speakers"] or data.speakers
    if data.evaluate_on_train:
        settings["split"] = "train"
    evaluate(OmegaConf.create(settings))


def _tell(config: DictConfig, training: VoiceTraining, checkpoint: Path, speakers: list[str]) -> None:
    run = Path(config.paths.run)
    log.info("Trained %d generator steps on %s.", training.generator_step, some(speakers, MOST_NAMED))
    log.info("Checkpoint:        %s", checkpoint)
    log.info("Voices:            %s", run / "speakers")
    log.info("Samples, pictures: %s", run / "samples")
    if (run / "evaluation" / "index.html").is_file():
        log.info("Held-out test set: %s  (listen and compare; figures beside it)", run / "evaluation" / "index.html")
    log.info("Figures:           %s, %s  (also TensorBoard and W&B beside them)", run / "csv", run / "losses.png")
    log.info("Hear it:           sovits synthesize checkpoint=%s speaker=%s text='...'", checkpoint, speakers[0])
