"""``sovits train experiment=add_speaker``: a trained model's checkpoint and a new speaker's set -> a checkpoint that has the voice too."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, open_dict
from rich.console import Console
from rich.table import Table
from torch import Tensor

from sovits.data.datamodule import SpeechDataModule
from sovits.data.manifest import FILE_NAME, Manifest
from sovits.errors import SovitsError
from sovits.metrics import Figure
from sovits.training.adding import VoiceAddition, first_voice
from sovits.training.forgetting import Change, ForgettingCheck, HeldOut, with_mean, write_changes
from sovits.training.lightning_module import VoiceTraining
from sovits.training.rehearsal import RehearsingData
from sovits.verbs.adopting import adopt
from sovits.voice import Voice
from sovits.voice.checkpoint import Checkpoint

log = logging.getLogger(__name__)


@dataclass
class Addition:
    """One voice on its way into a model."""

    config: DictConfig
    base: Checkpoint
    name: str
    check: ForgettingCheck | None
    old: list[HeldOut]
    start: Tensor | None = None
    """The new voice [E] as the untaught model would speak it; None where its voices are a table."""

    @classmethod
    def asked_for(cls, config: DictConfig) -> Addition | None:
        """What ``config.addition`` asks for, None without it; the checkpoint's model, audio and text take the place of the config's.

        Raises:
            SovitsError: something is missing, contradicts the checkpoint, or the model has that voice already.
        """
        if config.addition is None:
            return None
        if "checkpoint" not in config:
            raise SovitsError("The group `addition` is a part of experiment=add_speaker; give that too.")
        base = _checked_base(config)
        name = _checked_name(config, base)
        given = HydraConfig.get().overrides.task if HydraConfig.initialized() else []
        adopt(config, base, given)
        with open_dict(config):
            config.addition.old_roots = old_roots(base.config)
        rate = config.audio.sample_rate
        prepared_at = Manifest.load(config.data.root).sample_rate
        if prepared_at != rate:
            raise SovitsError(
                f"The set data.root={config.data.root} was prepared at {prepared_at} Hz and the model of {base.path} speaks at {rate} Hz; "
                f"run `sovits prepare` again with audio.sample_rate={rate}."
            )
        check: ForgettingCheck | None = instantiate(config.forgetting, _convert_="all") if config.forgetting is not None else None
        log.info("Adding %s to the voices of %s: %s", name, base.path, ", ".join(sorted(base.speaker_bank)))
        return cls(config, base, name, check, [] if check is None else _old_sentences(check, base, name, rate))

    def rehearse(self, data: SpeechDataModule) -> None:
        """Brings the old speakers' clips among those of the new one, where ``addition.rehearsal`` asks for them.

        Raises:
            SovitsError: their set is not on this machine, or has none of them.
        """
        share = self.config.addition.rehearsal
        if not share:
            return
        assert isinstance(data, RehearsingData)
        root = self.config.addition.rehearsal_root or old_roots(self.base.config)[0]
        if not (Path(root) / FILE_NAME).is_file():
            raise SovitsError(
                f"addition.rehearsal={share} needs the old speakers' set, and {root} is not on this machine; give it with "
                "addition.rehearsal_root=DIR, or set addition.rehearsal=0."
            )
        known = Manifest.load(root).speakers
        speakers = [speaker for speaker in self.base.speakers if speaker in known and speaker != self.name]
        if not speakers:
            raise SovitsError(
                f"addition.rehearsal={share}: {root} has none of {', '.join(self.base.speakers)}; give their set with "
                "addition.rehearsal_root=DIR."
            )
        settings = {"_target_": "sovits.data.datamodule.SpeechDataModule", "root": str(root), "speaker": None, "single_speaker": False}
        old: SpeechDataModule = instantiate(self.config.data, **settings, speakers=speakers)
        old.setup("fit")
        data.rehearse(old, share)
        log.info("Rehearsing %s in %.0f %% of the batches, from %s", ", ".join(speakers), 100 * share, root)

    def begin(self, training: VoiceTraining, data: SpeechDataModule) -> None:
        """Puts the checkpoint's weights and the new voice into a freshly built ``training``, and the old speakers' clips into ``data``."""
        assert isinstance(training, VoiceAddition)
        self.rehearse(data)
        self.base.fill(training.synthesizer)
        training.discriminators.load_state_dict(_of(self.base, "discriminators."))
        start = first_voice(training.synthesizer, data, self.name)
        if training.synthesizer.speaker_encoder.zero_shot:  # type: ignore[union-attr]
            self.start = start
        training.add_voice(
            self.name, start, instantiate(self.config.addition.way, _convert_="all"), self.base.speakers, self.base.speaker_bank
        )
        learns = sum(weight.numel() for weight in training.synthesizer.parameters() if weight.requires_grad)
        log.info("Numbers of the synthesizer that learn: %d", learns)

    def conclude(self, checkpoint: Path, data: SpeechDataModule) -> Path | None:
        """Says what the old speakers lost and the new one gained, and writes it to ``forgetting.csv``."""
        if self.check is None or not self.old:
            return None
        before, after = (Voice.load(path, device=_device(self.config)) for path in (self.base.path, checkpoint))
        new = self.check.held_out(data.root, [self.name], after.sample_rate)
        changes = self.check.compare(before, after, [*self.old, new], self.name, None if self.start is None else self.start.cpu().numpy())
        figures = [figure for judge in self.check.panel.judges.values() for figure in judge.figures]
        path = write_changes(changes, figures, Path(self.config.paths.run) / "forgetting.csv")
        shown = [judge.figures[0] for judge in self.check.panel.judges.values()]
        console = Console()
        (console if console.is_terminal else Console(width=170)).print(_table(changes, shown))
        for figure in shown:
            log.info("%s", _sentence(changes, figure))
        log.info("What was forgotten: %s", path)
        return path


def old_roots(carried: dict[str, Any]) -> list[str]:
    """The sets that a checkpoint's speakers come from, the last first: a voice that was added came from a set of its own."""
    roots = [carried.get("data", {}).get("root"), *((carried.get("addition") or {}).get("old_roots") or [])]
    return list(dict.fromkeys(str(root) for root in roots if root is not None))


def _checked_base(config: DictConfig) -> Checkpoint:
    if config.warm_start is not None:
        raise SovitsError(
            f"warm_start={config.warm_start} and checkpoint={config.checkpoint} both give the weights to start from; leave warm_start out."
        )
    if config.checkpoint is None:
        raise SovitsError(
            "checkpoint is not given; for example: sovits train experiment=add_speaker "
            "checkpoint=outputs/train/.../checkpoints/last.ckpt data.root=outputs/prepared/NAME data.speaker=NAME"
        )
    if config.training.weights.speaker:
        raise SovitsError(
            f"training.weights.speaker={config.training.weights.speaker} would teach the speaker encoder, which the old voices come from; "
            "leave speaker_loss=none."
        )
    base = Checkpoint.read(config.checkpoint)
    for key in ("audio", "discriminators", "size", "embedding_size"):
        if key not in base.config:
            raise SovitsError(f"{base.path} carries a config without `{key}`; train again with this version.")
    if not _of(base, "discriminators."):
        raise SovitsError(f"{base.path} has no weights of the discriminators, which teach; give the checkpoint that `sovits train` wrote.")
    return base


def _checked_name(config: DictConfig, base: Checkpoint) -> str:
    if config.data.speaker is None:
        raise SovitsError("data.speaker is not given; name the one speaker of data.root whose voice is to be added.")
    # Hydra reads a name of digits as a number.
    name = str(config.data.speaker)
    if name in base.speaker_bank and not config.addition.replace:
        raise SovitsError(
            f"The model of {base.path} has a voice {name} already; replace it with addition.replace=true, or prepare the new one under "
            "another name."
        )
    return name


def _old_sentences(check: ForgettingCheck, base: Checkpoint, name: str, rate: int) -> list[HeldOut]:
    """Those of the old speakers; none, with a warning, where their sets are not on this machine.

    Raises:
        SovitsError: a set that was named is not there.
    """
    old = [speaker for speaker in sorted(base.speaker_bank) if speaker != name]
    roots = [Path(root).expanduser() for root in ([check.root] if check.root else old_roots(base.config))]
    found = []
    for root in roots:
        if (root / FILE_NAME).is_file() or check.root:
            held_out = check.held_out(root, old, rate)
            old = [speaker for speaker in old if speaker not in {sentence.speaker for sentence in held_out.sentences}]
            found += [held_out] if held_out.sentences else []
        else:
            log.warning("%s, which old speakers were trained on, is not on this machine; forgetting.root=DIR says where it is.", root)
    if not found:
        log.warning("What the old speakers lose is NOT measured: no held-out sentence of %s was found.", ", ".join(old) or "anybody else")
    elif old:
        log.warning("What %s lose is NOT measured: no held-out sentence was found.", ", ".join(old))
    return found


def _of(base: Checkpoint, prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): weight for name, weight in base.state.items() if name.startswith(prefix)}


def _device(config: DictConfig) -> str:
    import torch

    return "cuda" if torch.cuda.is_available() and config.trainer.accelerator in ("gpu", "cuda", "auto") else "cpu"


def _table(changes: Sequence[Change], figures: Sequence[Figure]) -> Table:
    result = Table(
        "speaker", "", "clips", *(figure.heading for figure in figures), title="Held-out sentences: before -> after (recordings)"
    )
    for change in with_mean(changes):
        cells = [
            f"{_shown(change.before.get(figure.name), figure)} -> {_shown(change.after.get(figure.name), figure)}"
            f" ({_shown(change.real.get(figure.name), figure)})"
            for figure in figures
        ]
        result.add_row(change.speaker, "new" if change.is_new else "old", str(change.clips), *cells)
    return result


def _sentence(changes: Sequence[Change], figure: Figure) -> str:
    """``speaker similarity (higher is better): ana -0.03, bo +0.00; new cleo +0.12``."""

    def told(wanted: bool) -> str:
        return ", ".join(f"{one.speaker} {_shown(one.of(figure.name), figure, sign='+')}" for one in changes if one.is_new == wanted) or "–"

    better = "higher" if figure.higher_is_better else "lower"
    return f"Change of {figure.heading} ({better} is better): {told(False)}; new: {told(True)}"


def _shown(value: float | None, figure: Figure, sign: str = "") -> str:
    return "–" if value is None or math.isnan(value) else f"{value:{sign}.{figure.digits}f}"
