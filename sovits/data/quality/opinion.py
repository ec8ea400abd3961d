"""DNSMOS on a few seconds of a clip: at a third of the time its usual nine seconds take, for sets of thousands of clips."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sovits.errors import SovitsError
from sovits.metrics.mos_proxy import SAMPLE_RATE, WORST, MosScores
from sovits.metrics.per_speaker import as_samples, is_silent

_HOP = 160
"""Samples from one frame of the network to the next."""
_FRAMES = 900
_LIMITS = (2.0, 9.0)
"""Seconds. The network's convolutions and its maximum over time fit any length; below two seconds there is too little to judge."""


class ShortDnsmos:
    """The P.835 network of DNSMOS (Reddy et al. 2022) on a window of its middle ``seconds``; a shorter clip is repeated up to it.

    It takes the maximum of its features over time, so that on a shorter window the same clip scores a little lower than with
    ``sovits.metrics.mos_proxy.Dnsmos`` (by 0.2-0.3 at 3 s): compare scores of one window length only. Calls from several threads
    are safe.

    Args:
        seconds: 2-9; the work grows with it (27 ms of a core for each second).
        threads: of onnxruntime.

    Raises:
        SovitsError: another length, or a file of the package that this does not know.
    """

    def __init__(self, seconds: float = 4.0, threads: int = 1) -> None:
        import onnxruntime
        from speechmos import dnsmos

        if not _LIMITS[0] <= seconds <= _LIMITS[1]:
            raise SovitsError(f"mos_seconds={seconds:g} is not between {_LIMITS[0]:g} and {_LIMITS[1]:g}; choose a length between.")
        frames = round(seconds * SAMPLE_RATE / _HOP)
        path = Path(dnsmos.__file__).parent / "dnsmos_models" / "sig_bak_ovr.onnx"
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        network = _shortened(path.read_bytes(), frames, str(path))
        self._session = onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
        # The network's raw scores to opinions: the polynomials that were fitted with it.
        self._scale = dnsmos.DNSMOS.get_polyfit_val
        self._window = (frames + 1) * _HOP

    def __call__(self, samples: np.ndarray, sample_rate: int) -> MosScores:
        """Scores [T_samples] in [-1, 1]; ``p808``, another network's, is NaN. A silent clip gets 1, the bottom, throughout."""
        clip = as_samples(samples, sample_rate, SAMPLE_RATE)
        if is_silent(clip):
            return WORST
        start = max(clip.size - self._window, 0) // 2
        window = np.resize(clip[start : start + self._window], self._window)
        raw = self._session.run(None, {"input_1": window[np.newaxis]})[0][0]
        signal, background, overall = (float(np.clip(value, 1.0, 5.0)) for value in self._scale(None, *raw, False))
        return MosScores(overall, signal, background, float("nan"))


def _shortened(network: bytes, frames: int, path: str) -> bytes:
    """The ONNX file for inputs of ``frames`` + 1 hops instead of 901: it spells three lengths out where its layers need none.

    All lengths keep the size of their encoding (base-128 varints), so nothing around them changes.
    """
    largest, any_length = _varint(2**63 - 1), _varint(2**64 - 1)
    edits = (
        (b"\x0a\x04\x08", (_FRAMES + 1) * _HOP, (frames + 1) * _HOP, b"", 1),  # the input's shape
        (largest, _FRAMES * _HOP, frames * _HOP, b"", 1),  # where the first halves of the frames end
        (any_length, _FRAMES, frames, _varint(_HOP), 2),  # the frames that both halves are cut into
    )
    for before, old, new, after, times in edits:
        known = before + _varint(old) + after
        if network.count(known) != times or len(_varint(new)) != len(_varint(old)):
            raise SovitsError(f"{path} is not the DNSMOS network of speechmos 0.0.1.1; install that version, or switch DNSMOS off.")
        network = network.replace(known, before + _varint(new) + after)
    return network


def _varint(value: int) -> bytes:
    """As protocol buffers write a whole number."""
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    return bytes([*encoded, value])
