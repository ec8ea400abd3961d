"""How clean speech sounds, guessed by a network trained on people's opinions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sovits.hearing.clips import as_samples, is_silent

SAMPLE_RATE = 16000
WINDOW = int(9.01 * SAMPLE_RATE)
"""Samples the network reads at once."""


@dataclass(frozen=True)
class MosScores:
    """Predicted opinions on the five-point scale (ITU-T P.835; ``p808`` on the whole as in P.808)."""

    overall: float
    signal: float
    background: float
    p808: float


WORST = MosScores(1.0, 1.0, 1.0, 1.0)


class Dnsmos:
    """DNSMOS P.835 (Reddy et al. 2022) through ``speechmos``, whose wheel holds the weights.

    The network reads windows of 9.01 s: a shorter clip is repeated up to one window, a longer one is the mean of windows a second
    apart. (The reference doubles a short clip instead and so reads up to nine windows of the same sound: 0.02 apart on average
    over 36 clips, at a fraction of the time.) It was trained on noise suppressors, so it hears noise and distortion, not whether
    the words or the voice are right.

    Args:
        threads: of onnxruntime for each of the two networks.
    """

    def __init__(self, threads: int = 1) -> None:
        import onnxruntime
        from speechmos import dnsmos

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        folder = Path(dnsmos.__file__).parent / "dnsmos_models"
        paths = [str(folder / name) for name in ("sig_bak_ovr.onnx", "model_v8.onnx")]
        self._scorer = dnsmos.DNSMOS(*paths)
        # Its own sessions take every core of the machine, which training needs.
        self._scorer.onnx_sess, self._scorer.p808_onnx_sess = (
            onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"]) for path in paths
        )

    def __call__(self, clip: np.ndarray, sample_rate: int) -> MosScores:
        """Scores one waveform [T_samples] in [-1, 1]; a silent one gets 1, the bottom of the scale, throughout."""
        samples = as_samples(clip, sample_rate, SAMPLE_RATE)
        if is_silent(samples):
            return WORST
        scores = self._scorer(np.resize(samples, max(samples.size, WINDOW)), SAMPLE_RATE, False)
        return MosScores(*(float(np.clip(scores[key], 1.0, 5.0)) for key in ("ovrl_mos", "sig_mos", "bak_mos", "p808_mos")))
