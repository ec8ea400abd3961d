"""DNSMOS on a clip as long as it is: in half of the usual time and less, for sets of thousands of clips."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sovits.errors import SovitsError
from sovits.hearing.clips import as_samples, is_silent
from sovits.hearing.dnsmos import SAMPLE_RATE, WORST, MosScores

_HOP = 160
"""Samples from one frame of the network to the next."""
_FRAMES = 900
LIMITS = (1.0, 9.0)
"""Seconds: with less there is too little to judge, and nine are what the network was trained on."""


class LengthwiseDnsmos:
    """The P.835 network of DNSMOS (Reddy et al. 2022), whose work grows with the clip: 27 ms of a core for each second.

    :class:`~sovits.hearing.Dnsmos` repeats a clip up to nine seconds. The network is convolutions and a maximum over time, which
    need no repetitions; without them (and their seams) 26 clips of speech scored 0.08 lower, one by one 0.1-0.2 apart. Of a longer
    clip the middle is read. Calls from several threads are safe.

    Args:
        seconds: that are read at most, 1-9. On fewer the same clip scores lower, and noise that comes and goes is missed.
        threads: of onnxruntime.

    Raises:
        SovitsError: another length, or a file of the package that this does not know.
    """

    def __init__(self, seconds: float = LIMITS[1], threads: int = 1) -> None:
        import onnxruntime
        from speechmos import dnsmos

        if not LIMITS[0] <= seconds <= LIMITS[1]:
            raise SovitsError(f"mos_seconds={seconds:g} is not between {LIMITS[0]:g} and {LIMITS[1]:g}; choose a length between.")
        path = Path(dnsmos.__file__).parent / "dnsmos_models" / "sig_bak_ovr.onnx"
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        network = _of_any_length(path.read_bytes(), str(path))
        self._session = onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
        # The network's raw scores to opinions: the polynomials that were fitted with it.
        self._scale = dnsmos.DNSMOS.get_polyfit_val
        self._most = round(seconds * SAMPLE_RATE / _HOP) + 1

    def __call__(self, samples: np.ndarray, sample_rate: int) -> MosScores:
        """Scores [T_samples] in [-1, 1]; ``p808``, another network's, is NaN. A silent clip gets 1, the bottom, throughout."""
        clip = as_samples(samples, sample_rate, SAMPLE_RATE)
        if is_silent(clip):
            return WORST
        least = round(LIMITS[0] * SAMPLE_RATE / _HOP) + 1
        hops = min(max(clip.size // _HOP, least), self._most)
        start = max(clip.size - hops * _HOP, 0) // 2
        window = np.resize(clip[start : start + hops * _HOP], hops * _HOP)
        raw = self._session.run(None, {"input_1": window[np.newaxis]})[0][0]
        signal, background, overall = (float(np.clip(value, 1.0, 5.0)) for value in self._scale(None, *raw, False))
        return MosScores(overall, signal, background, float("nan"))


def _of_any_length(network: bytes, path: str) -> bytes:
    """The ONNX file for inputs of any whole number of hops: it spells out in three places a length that its layers do not need.

    Each is replaced by as many bytes, so that nothing around it changes; whole numbers are base-128 varints in it.
    """
    from_the_end, rest, largest = (_varint(number % 2**64) for number in (-_HOP, -1, 2**63 - 1))
    edits = (
        # The input's shape: the length becomes a name.
        (b"\x0a\x04\x08" + _varint((_FRAMES + 1) * _HOP), b"\x0a\x04\x12\x02ns", 1),
        # Where the first halves of the frames end, [all of the batch, 900 hops]: one hop from the end, of up to 128 clips.
        (largest + _varint(_FRAMES * _HOP), _varint(128) + from_the_end, 1),
        # What both halves are cut into, [the rest, 900, 160]: [as many as there are, the rest, 160]; the zero is written with two bytes.
        (rest + _varint(_FRAMES) + _varint(_HOP), b"\x80\x00" + rest + _varint(_HOP), 2),
    )
    for old, new, times in edits:
        if network.count(old) != times:
            raise SovitsError(f"{path} is not the DNSMOS network of speechmos 0.0.1.1; install that version, or switch DNSMOS off.")
        network = network.replace(old, new)
    return network


def _varint(value: int) -> bytes:
    """As protocol buffers write a whole number."""
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    return bytes([*encoded, value])
