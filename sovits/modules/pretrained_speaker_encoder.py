"""Who to sound like, read by an encoder that already knows thousands of voices and is never trained here."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from speechbrain.lobes.features import Fbank
from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN
from torch import Tensor, nn
from torch.nn import functional as F
from torchaudio.transforms import Resample

from sovits.errors import SovitsError
from sovits.modules.speaker_conditioning import readable_clips
from sovits.modules.speaker_encoder import MIN_FRAMES

TOLERANCE = 1e-3
"""Largest distance between two voices of norm 1 that count as the same reading of one clip."""


class PretrainedSpeakerEncoder(nn.Module):
    """ECAPA-TDNN (Desplanques et al. 2020) as published for speechbrain, frozen and always in eval mode.

    See :class:`~sovits.modules.speaker_conditioning.SpeakerConditioning`. Its weights get no gradient, but waveforms do, so that it
    can judge synthetic speech in a loss.

    Args:
        source: hub name (reference: ``speechbrain/spkrec-ecapa-voxceleb``) or local folder with ``hyperparams.yaml``; the file is
            code, so load only what you trust. None builds the network from ``architecture``, with random weights to be loaded over.
        architecture: what :attr:`architecture` of another instance gave; used when ``source`` is None.
        sample_rate: Hz of the waveforms; they are resampled to the encoder's own rate.
        embedding_size: must be the encoder's own, 192 for the reference.

    Raises:
        SovitsError: the source cannot be loaded or is of another kind, there is neither source nor architecture, or
            ``embedding_size`` differs from the encoder's.
    """

    zero_shot = True

    def __init__(self, source: str | None, architecture: dict[str, Any] | None, sample_rate: int, embedding_size: int = 192) -> None:
        super().__init__()
        published = load_speechbrain(source, "model.speaker_encoder.source") if source else None
        self.architecture = _read_off(published, source) if published else _checked(architecture)
        """Plain values that rebuild this encoder without its source: a checkpoint carries them beside the weights."""
        features, network = self.architecture["features"], self.architecture["network"]
        if embedding_size != network["lin_neurons"]:
            raise SovitsError(
                f"embedding_size={embedding_size} differs from the {network['lin_neurons']} values of the pretrained "
                f"speaker encoder; set embedding_size={network['lin_neurons']}."
            )
        self.embedding_size = embedding_size
        self.shortest = math.ceil(MIN_FRAMES * features["hop_length"] / 1000 * sample_rate)
        self.resample = Resample(sample_rate, features["sample_rate"])
        self.features = Fbank(**features)
        self.network = ECAPA_TDNN(features["n_mels"], **network)
        self.requires_grad_(False)
        self.eval()
        if published:
            self.network.load_state_dict(published.mods.embedding_model.state_dict())
            self._check_same_reading(published, source)

    def train(self, mode: bool = True) -> PretrainedSpeakerEncoder:
        """Stays in eval mode: training clips must not move its batch statistics."""
        return super().train(False)

    def forward(self, references: Tensor | None, speakers: Tensor | None = None) -> Tensor:
        """Waveforms [B, T_samples] in [-1, 1] at ``sample_rate`` -> voices [B, E] of norm 1; ``speakers`` have no say.

        Raises:
            SovitsError: there are no waveforms, or they have another shape.
        """
        waveforms = readable_clips(references, self.shortest)
        with torch.autocast(waveforms.device.type, enabled=False):
            return self._read(self.resample(waveforms.float()))

    def _read(self, waveforms: Tensor) -> Tensor:
        """[B, T_samples] at the encoder's own rate -> [B, E]."""
        features = self.features(waveforms)
        centred = features - features.mean(1, keepdim=True)
        return F.normalize(self.network(centred).squeeze(1), dim=-1)

    @torch.no_grad()
    def _check_same_reading(self, published: Any, source: str | None) -> None:
        """Refuses an encoder with parts that :func:`_read_off` does not know, such as another activation or normalisation."""
        rate = self.architecture["features"]["sample_rate"]
        noise = torch.randn(1, rate, generator=torch.Generator().manual_seed(0))
        if (self._read(noise) - F.normalize(published.encode_batch(noise).flatten(1), dim=-1)).norm() > TOLERANCE:
            raise SovitsError(
                f"model.speaker_encoder.source={source!r} reads clips in another way than speechbrain's ECAPA-TDNN recipe; "
                "give one made by that recipe, such as speechbrain/spkrec-ecapa-voxceleb."
            )


def load_speechbrain(source: str, setting: str, savedir: str | None = None, device: str = "cpu") -> Any:
    """What speechbrain's ``EncoderClassifier.from_hparams`` makes of a local folder or a hub name.

    Args:
        source: local folder with ``hyperparams.yaml``, or hub name.
        setting: the key that ``source`` was given under, for the message.
        savedir: where files from the hub are kept; unused for a local folder.
        device: ``cpu`` or ``cuda``.

    Raises:
        SovitsError: it cannot be loaded.
    """
    from speechbrain.inference.speaker import EncoderClassifier

    overrides = {}
    place = source
    local = Path(source).expanduser()
    if local.is_dir():
        place = savedir = str(local.resolve())
        # A published file names its weights by their place on the hub; these lie beside it.
        overrides["pretrained_path"] = place
    try:
        return EncoderClassifier.from_hparams(
            source=place, savedir=savedir, overrides=overrides, overrides_must_match=False, run_opts={"device": device}
        )
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise SovitsError(
            f"{setting}={source!r} could not be loaded ({error}); give a folder with hyperparams.yaml, or a hub name online."
        ) from error


def _read_off(published: Any, source: str | None) -> dict[str, Any]:
    """The arguments that its features and network were made with."""
    features, network = published.mods.compute_features, published.mods.embedding_model
    if not isinstance(features, Fbank) or not isinstance(network, ECAPA_TDNN):
        raise SovitsError(
            f"model.speaker_encoder.source={source!r} holds {type(network).__name__} on {type(features).__name__}, "
            "not ECAPA_TDNN on Fbank; give an ECAPA-TDNN such as speechbrain/spkrec-ecapa-voxceleb."
        )
    return {"features": _features_of(features), "network": _network_of(network)}


def _features_of(features: Fbank) -> dict[str, Any]:
    stft, bank = features.compute_STFT, features.compute_fbanks
    milliseconds = 1000 / stft.sample_rate
    return {
        "sample_rate": stft.sample_rate,
        "n_fft": stft.n_fft,
        "win_length": stft.win_length * milliseconds,
        "hop_length": stft.hop_length * milliseconds,
        "n_mels": bank.n_mels,
        "f_min": bank.f_min,
        "f_max": bank.f_max,
        "filter_shape": bank.filter_shape,
    }


def _network_of(network: ECAPA_TDNN) -> dict[str, Any]:
    first, *residual = network.blocks
    # The convolution in which each block's kernel and dilation, and the one in which its groups, are found.
    wide = [first.conv.conv, *(block.res2net_block.blocks[0].conv.conv for block in residual), network.mfa.conv.conv]
    grouped = [first.conv.conv, *(block.tdnn1.conv.conv for block in residual), network.mfa.conv.conv]
    return {
        "lin_neurons": network.fc.conv.out_channels,
        "channels": [convolution.out_channels for convolution in grouped],
        "kernel_sizes": [convolution.kernel_size[0] for convolution in wide],
        "dilations": [convolution.dilation[0] for convolution in wide],
        "groups": [convolution.groups for convolution in grouped],
        "attention_channels": network.asp.tdnn.conv.conv.out_channels,
        "res2net_scale": residual[0].res2net_block.scale,
        "se_channels": residual[0].se_block.conv1.conv.out_channels,
        "global_context": network.asp.global_context,
    }


def _checked(architecture: dict[str, Any] | None) -> dict[str, Any]:
    if not architecture or not {"features", "network"} <= architecture.keys():
        raise SovitsError("model.speaker_encoder needs a source (for example speechbrain/spkrec-ecapa-voxceleb), or an architecture.")
    return architecture
