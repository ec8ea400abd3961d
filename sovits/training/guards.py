"""What is refused before the first step, and what stops a run that has gone wrong."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import torch
from lightning import Trainer
from torch import Tensor, nn

from sovits.audio.spectrogram import LinearSpectrogram, MelSpectrogram
from sovits.errors import SovitsError
from sovits.modules.synthesizer import Synthesizer
from sovits.training.parts import part_of

MOST_NAMED = 3
"""Weights of a part that an error names."""


def check_spectrograms(synthesizer: Synthesizer, mel: MelSpectrogram, posterior: MelSpectrogram | LinearSpectrogram) -> None:
    """Refuses spectrograms that the synthesizer cannot read or that keep another time.

    Raises:
        SovitsError: both numbers and both keys.
    """
    for key, spectrogram in {"mel_spectrogram": mel, "posterior_spectrogram": posterior}.items():
        if synthesizer.hop_length != spectrogram.hop_length:
            raise SovitsError(
                f"model.decoder.hop_length={synthesizer.hop_length} and audio.hop_length={spectrogram.hop_length} ({key}) differ; "
                "let both be ${audio.hop_length}."
            )
        if mel.sample_rate != spectrogram.sample_rate:
            raise SovitsError(
                f"audio.sample_rate={mel.sample_rate} (mel_spectrogram) and {spectrogram.sample_rate} ({key}) differ; "
                "let both be ${audio.sample_rate}."
            )
    if synthesizer.posterior_encoder.spec_channels != posterior.channels:
        raise SovitsError(
            f"model.posterior_encoder.spec_channels={synthesizer.posterior_encoder.spec_channels} and the {posterior.channels} channels of "
            "posterior_spectrogram (audio.n_mels or audio.n_bins) differ; choose posterior=mel or posterior=linear, which set both."
        )


def check_weights(
    weights: Mapping[str, float],
    known: Sequence[str],
    synthesizer: Synthesizer,
    classifier: nn.Module | None,
    pitch_tracker: nn.Module | None,
) -> None:
    """Refuses loss weights of unknown losses, or of losses that this model cannot have.

    Raises:
        SovitsError: the key, and what to choose instead.
    """
    if set(weights) != set(known):
        raise SovitsError(f"training.weights has the keys {sorted(weights)}, expected {sorted(known)}; 0 switches one off.")
    for name in ("pitch", "melody"):
        if weights[name] and not synthesizer.decoder.hears_pitch:
            raise SovitsError(
                f"training.weights.{name}={weights[name]} is for a decoder that is told the pitch, and this model.decoder is not; choose "
                f"decoder=harmonic, or training.weights.{name}=null."
            )
        if weights[name] and pitch_tracker is None:
            raise SovitsError(
                f"training.weights.{name}={weights[name]} needs training.pitch_tracker, which is null; take that away, or choose 0."
            )
    encoder = synthesizer.speaker_encoder
    if weights["consistency"] and not (encoder and encoder.zero_shot):
        raise SovitsError(
            f"training.weights.consistency={weights['consistency']} compares voices read from clips, which this model.speaker_encoder "
            "cannot do; choose speaker_encoder=ecapa or speaker_encoder=speechbrain, or speaker_loss=none."
        )
    if not weights["speaker"]:
        return
    if classifier is None:
        raise SovitsError(
            f"training.weights.speaker={weights['speaker']} needs training.speaker_classifier, which is null; choose speaker_loss=aam."
        )
    if not (isinstance(encoder, nn.Module) and any(weight.requires_grad for weight in encoder.parameters())):
        raise SovitsError(
            f"training.weights.speaker={weights['speaker']} teaches the speaker encoder, but nothing of model.speaker_encoder is trained; "
            "choose speaker_encoder=ecapa, or speaker_loss=consistency or none."
        )


def require_sane(losses: Mapping[str, Tensor], limit: float, step: int, clips: Sequence[str], trainer: Trainer) -> None:
    """Stops a run whose losses are not numbers any more, or have exploded; costs one synchronisation with the device.

    Args:
        losses: scalars by what they are called, gradient norms among them (these may be of any size).
        limit: most that a loss may be.
        step: generator steps made.
        clips: ids of the batch.

    Raises:
        SovitsError: a loss or norm is NaN or infinite, or a loss above ``limit``: the step, the clips and the last good checkpoint.
    """
    values = dict(zip(losses, torch.stack([loss.detach().float() for loss in losses.values()]).tolist(), strict=True))
    for name, value in values.items():
        # Not `value > limit`: a NaN is neither above nor below.
        if not abs(value) <= (torch.finfo(torch.float32).max if "norm" in name else limit):
            raise SovitsError(
                f"The {name} is {value:g} at step {step} on the clips {', '.join(clips)} (most allowed: training.loss_limit={limit:g}); "
                f"{_last_good(trainer)}, with a lower learning rate or training.clip_norm, or look at these clips."
            )


def _last_good(trainer: Trainer) -> str:
    paths = [getattr(callback, "last_model_path", "") for callback in trainer.checkpoint_callbacks]
    saved = next((path for path in paths if path), None)
    return f"the last good checkpoint is {saved}: resume={saved}" if saved else "no checkpoint was saved yet: start again"


def check_architecture(path: str, saved: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> None:
    """Refuses to resume from a checkpoint of another architecture.

    Raises:
        SovitsError: the parts that differ, each with how.
    """
    parts: dict[str, list[str]] = defaultdict(list)
    for name in saved.keys() | own.keys():
        part = part_of(name)
        if name not in own:
            parts[part].append(f"{name} is only in the checkpoint")
        elif name not in saved:
            parts[part].append(f"{name} is only in this model")
        elif saved[name].shape != own[name].shape:
            parts[part].append(f"{name} is {list(saved[name].shape)} there and {list(own[name].shape)} here")
    if parts:
        told = "; ".join(
            f"{part} ({', '.join(sorted(found)[:MOST_NAMED])}{f' and {len(found) - MOST_NAMED} more' if len(found) > MOST_NAMED else ''})"
            for part, found in sorted(parts.items())
        )
        raise SovitsError(
            f"{path} holds a model of another architecture; what differs: {told}. Resume with the overrides it was trained with, or take "
            "what fits with warm_start instead of resume."
        )
