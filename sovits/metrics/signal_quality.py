"""How well a recording survives the posterior encoder and the decoder, sample by sample."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from sovits.errors import SovitsError
from sovits.hearing.clips import is_silent
from sovits.metrics.clips import as_samples
from sovits.metrics.judge import RECONSTRUCTION, Figure, Judge, Reading

SAMPLE_RATE = 16000
"""Hz; what wide-band PESQ and STOI hear (STOI 10 kHz of it)."""
_PESQ = "pesq" + RECONSTRUCTION
_STOI = "stoi" + RECONSTRUCTION
_SI_SDR = "si_sdr" + RECONSTRUCTION


class SignalQuality(Judge):
    """PESQ, STOI and SI-SDR of the **reconstruction** beside the recording.

    They compare sounds that run in step, so there is no such figure of speech made from text alone. PESQ: ITU-T P.862.2, wide band;
    STOI: Taal et al. 2011; SI-SDR: Le Roux et al. 2019. A decoder is free to choose phases, which nobody hears and SI-SDR does: of a
    good vocoder it can be below 0 dB. Each is left out where it cannot be taken: silence, PESQ without speech in it, STOI of less
    than about 0.4 s of speech.

    Args:
        speakers: see :class:`~sovits.metrics.judge.Judge`.
        pesq: whether to take PESQ, which needs the package ``pesq``.

    Raises:
        SovitsError: a package is missing.
    """

    figures: tuple[Figure, ...] = (
        Figure(_PESQ, "PESQ, reconstruction", "ITU-T P.862.2 of the reconstruction beside the recording, 1.0 to 4.6", True),
        Figure(
            _STOI, "STOI, reconstruction", "short-time objective intelligibility of the reconstruction beside the recording, 0 to 1", True
        ),
        Figure(_SI_SDR, "SI-SDR, reconstruction", "scale-invariant signal to distortion of the reconstruction, dB", True, 1),
    )
    beside = ()

    def __init__(self, speakers: Sequence[str], pesq: bool = True) -> None:
        if not pesq:
            self.figures = tuple(figure for figure in self.figures if figure.name != _PESQ)
        super().__init__(speakers)
        self.pesq = pesq
        try:
            import pystoi  # noqa: F401
        except ImportError as error:
            raise SovitsError("pystoi is not installed; `pip install pystoi`, or leave out the judge SignalQuality.") from error
        if pesq:
            try:
                import pesq as _  # noqa: F401
            except ImportError as error:
                raise SovitsError("pesq is not installed; `pip install pesq` (it needs a C compiler), or set pesq=false.") from error

    @property
    def settings(self) -> dict[str, Any]:
        """See :class:`~sovits.metrics.judge.Judge`."""
        return {"pesq": "wide band" if self.pesq else None}

    def score(self, reading: Reading) -> dict[str, float]:
        """See :class:`~sovits.metrics.judge.Judge`."""
        if reading.reconstruction is None:
            return {}
        sound, target = (
            as_samples(samples, reading.sample_rate, SAMPLE_RATE) for samples in (reading.reconstruction, reading.recording.samples)
        )
        samples = min(len(sound), len(target))
        sound, target = sound[:samples], target[:samples]
        if is_silent(target) or is_silent(sound):
            return {}
        told = {_STOI: _stoi(sound, target), _SI_SDR: _si_sdr(sound, target)}
        return {_PESQ: _pesq(sound, target), **told} if self.pesq else told


def _pesq(sound: np.ndarray, target: np.ndarray) -> float:
    from pesq import PesqError, pesq

    try:
        return float(pesq(SAMPLE_RATE, target, sound, "wb"))
    except PesqError:
        # It hears no speech in it, or it is shorter than a quarter of a second.
        return math.nan


def _stoi(sound: np.ndarray, target: np.ndarray) -> float:
    from pystoi import stoi

    with warnings.catch_warnings():
        # With too few frames of speech it warns and returns 1e-5, as if that were a figure.
        warnings.simplefilter("error", RuntimeWarning)
        try:
            return float(stoi(target, sound, SAMPLE_RATE))
        except (RuntimeWarning, ValueError):
            return math.nan


def _si_sdr(sound: np.ndarray, target: np.ndarray) -> float:
    from torchmetrics.functional.audio import scale_invariant_signal_distortion_ratio

    ratio = float(scale_invariant_signal_distortion_ratio(torch.from_numpy(sound), torch.from_numpy(target), zero_mean=True))
    return ratio if math.isfinite(ratio) else math.nan
