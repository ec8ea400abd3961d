"""What the service tells of itself: a line for every synthesis, and figures for Prometheus."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from sovits.serving.request_log import RequestLog
from sovits.serving.schemas import TtsRequest
from sovits.serving.speaking import Spoken
from sovits.text.symbols import LANGUAGES

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_BATCHES = (1, 2, 4, 8, 16, 32)


@dataclass
class Trace:
    """All that is known of one request for speech; what is not is null."""

    request_id: str
    key: str | None
    """Name of the API key."""
    asked: TtsRequest
    began: float = field(default_factory=time.monotonic)
    queued: float | None = None
    computed: float | None = None
    batch: int | None = None
    cached: bool = False
    spoken: Spoken | None = None
    seconds: float | None = None
    """Of audio."""
    status: int = 200
    error: str | None = None


class Watch:
    """Figures and log of one service.

    Args:
        waiting: asked for the length of the queue.
        voices: asked for how many there are.
        log_file: JSON lines, a new file begun at ``log_bytes``, four old ones kept; None writes none.
        log_text: whether the text itself stands in the log.
    """

    def __init__(
        self, waiting: Callable[[], int], voices: Callable[[], int], log_file: Path | None, log_text: bool, log_bytes: int = 50_000_000
    ) -> None:
        self.log_text = log_text
        self.registry = CollectorRegistry()
        self._requests = Counter("sovits_requests", "Requests for speech by status.", ["status"], registry=self.registry)
        self._audio = Counter("sovits_audio_seconds", "Seconds of speech sent.", registry=self.registry)
        self._cached = Counter("sovits_cached", "Requests answered from memory.", registry=self.registry)
        self._faults = Counter("sovits_self_check_faults", "Sentences with a fault that the self-check found.", registry=self.registry)
        self._queued = Histogram("sovits_queue_seconds", "Seconds until a batch began.", buckets=_SECONDS, registry=self.registry)
        self._computed = Histogram("sovits_compute_seconds", "Seconds of a batch.", buckets=_SECONDS, registry=self.registry)
        self._batch = Histogram("sovits_batch_size", "Requests of a batch.", buckets=_BATCHES, registry=self.registry)
        self._whole = Histogram("sovits_request_seconds", "Seconds from request to answer.", buckets=_SECONDS, registry=self.registry)
        Gauge("sovits_queue_length", "Requests that wait.", registry=self.registry).set_function(waiting)
        Gauge("sovits_voices", "Voices that can be asked for.", registry=self.registry).set_function(voices)
        self._log = logging.Logger("sovits.serving.requests")
        if log_file is not None:
            self._log.addHandler(RequestLog(log_file, log_bytes))

    def tell(self, trace: Trace) -> None:
        """Counts and logs a request that has ended."""
        took = time.monotonic() - trace.began
        self._requests.labels(str(trace.status)).inc()
        self._whole.observe(took)
        for histogram, value in ((self._queued, trace.queued), (self._computed, trace.computed), (self._batch, trace.batch)):
            if value is not None:
                histogram.observe(value)
        self._audio.inc(trace.seconds or 0.0)
        self._cached.inc(trace.cached)
        verdict = trace.spoken.verdict if trace.spoken else None
        self._faults.inc(bool(verdict and verdict.faults))
        self._log.info("%s", json.dumps(self._row(trace, took), ensure_ascii=False))

    def exposition(self) -> bytes:
        """All figures in Prometheus' text format."""
        return generate_latest(self.registry)

    def close(self) -> None:
        """Ends the log."""
        for handler in self._log.handlers:
            handler.close()

    def _row(self, trace: Trace, took: float) -> dict[str, object]:
        asked, spoken = trace.asked, trace.spoken
        verdict = spoken.verdict if spoken else None
        checked = None
        if verdict is not None:
            checked = {"told": str(verdict), "seed": verdict.seed, "confidence": _rounded(verdict.confidence)}
        languages = sorted({LANGUAGES[one] for one in spoken.speech.text.languages}) if spoken else []
        row: dict[str, object] = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "request_id": trace.request_id,
            "key": trace.key,
            "status": trace.status,
            "speaker": asked.speaker_id,
            "characters": len(asked.text),
            "languages": languages or ([asked.language] if asked.language else []),
            "seed": asked.seed,
            "speed": asked.speed,
            "format": asked.format,
            "stream": asked.stream,
            "cached": trace.cached,
            "batch": trace.batch,
            "queue_seconds": _rounded(trace.queued),
            "compute_seconds": _rounded(trace.computed),
            "total_seconds": _rounded(took),
            "audio_seconds": _rounded(trace.seconds),
            "real_time_factor": _rounded(trace.computed / trace.seconds if trace.computed and trace.seconds else None),
            "self_check": checked,
            "error": trace.error,
        }
        return row | ({"text": asked.text} if self.log_text else {})


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 4)
