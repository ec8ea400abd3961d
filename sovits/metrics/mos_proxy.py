"""How clean speech sounds, as a figure of a speaker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sovits.hearing.dnsmos import Dnsmos
from sovits.metrics.judge import Figure, Reading, SoundJudge


class MosProxy(SoundJudge):
    """DNSMOS of clips, overall and in parts.

    Args:
        speakers: see :class:`~sovits.metrics.judge.Judge`.
        scorer: clip and sample rate -> :class:`~sovits.hearing.MosScores`.
    """

    figures = (
        Figure("mos_proxy", "MOS proxy", "DNSMOS: predicted opinion of the whole, 1 to 5", True),
        Figure("mos_proxy_signal", "MOS signal", "DNSMOS: predicted opinion of the voice alone, 1 to 5", True),
        Figure("mos_proxy_background", "MOS background", "DNSMOS: predicted opinion of the background, 1 to 5", True),
        Figure("mos_proxy_p808", "MOS P.808", "DNSMOS: predicted opinion as ITU-T P.808 asks for it, 1 to 5", True),
    )

    def __init__(self, speakers: Sequence[str], scorer: Dnsmos) -> None:
        super().__init__(speakers)
        self.scorer = scorer

    @property
    def settings(self) -> dict[str, Any]:
        """See :class:`~sovits.metrics.judge.Judge`."""
        return {"scorer": type(self.scorer).__name__}

    def hear(self, samples: np.ndarray, reading: Reading) -> dict[str, float]:
        """See :class:`~sovits.metrics.judge.SoundJudge`."""
        scores = self.scorer(samples, reading.sample_rate)
        values = (scores.overall, scores.signal, scores.background, scores.p808)
        return {figure.name: value for figure, value in zip(self.figures, values, strict=True)}
