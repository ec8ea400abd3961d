"""The model behind the queue: batches across speakers, and a bounded memory of what was said."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from cachetools import LRUCache

from sovits.errors import SovitsError
from sovits.serving.grouped_engine import GroupedEngine
from sovits.voice import Request, Speech, Voice
from sovits.voice.self_check import SelfCheck, Verdict, second_try

_READ = 256
"""Texts whose reading is kept: each is looked at before it waits, and again when it is spoken."""


@dataclass(frozen=True)
class Spoken:
    """A sentence and, where it was checked, what was found."""

    speech: Speech
    verdict: Verdict | None = None


class Speaking:
    """Says requests together, each as it would sound alone.

    Args:
        voice: of the model; every request brings the embedding it is to be said in.
        check: listens to each sentence, which is said once more where something is wrong; None trusts the model.
        cache_bytes: of samples that are kept for repeated requests, the least recently used dropped first; 0 keeps none.
        frames: that are decoded at a time; see :class:`GroupedEngine`. None decodes all of a batch at once.
    """

    def __init__(self, voice: Voice, check: SelfCheck | None, cache_bytes: int, frames: int | None = None) -> None:
        if cache_bytes < 0:
            raise SovitsError(f"cache_megabytes={cache_bytes / 1e6:g} must not be negative; 0 keeps nothing.")
        engine = voice.engine if frames is None else GroupedEngine(voice.engine, frames)
        self.voice = Voice(engine, lru_cache(_READ)(voice.front_end), voice.bank)
        self.check = check
        self._said: LRUCache[tuple[object, ...], Spoken] = LRUCache(max(cache_bytes, 1), lambda spoken: spoken.speech.samples.nbytes)
        self._lock = threading.Lock()
        # pocketsphinx keeps state while it listens.
        self._listening = threading.Lock()

    def remembered(self, request: Request) -> Spoken | None:
        """The answer to the same request, if it was given not long ago."""
        with self._lock:
            return self._said.get(_key(request))

    def require_readable(self, request: Request) -> None:
        """Raises a ``SovitsError`` where the text cannot be read, before it waits with others."""
        self.voice.front_end(request.text, request.language)

    def length(self, request: Request) -> float:
        """About how long it will be, in phones at the speaker's own speed.

        Raises:
            SovitsError: the text cannot be read.
        """
        return len(self.voice.front_end(request.text, request.language).phones) / request.speed

    def __call__(self, requests: Sequence[Request]) -> list[Spoken | Exception]:
        """For each request its speech or what went wrong with it alone."""
        return [self._checked(request, said) for request, said in zip(requests, self._together(requests), strict=True)]

    def _together(self, requests: Sequence[Request]) -> Sequence[Speech | Exception]:
        try:
            return self.voice.speak_all(requests)
        except Exception as error:  # one request must not fail its neighbours: each is tried by itself and told of its own mistake
            if len(requests) == 1:
                return [error]
            return [self._together([request])[0] for request in requests]

    def _checked(self, request: Request, said: Speech | Exception) -> Spoken | Exception:
        if isinstance(said, Exception):
            return said
        spoken = Spoken(said)
        if self.check is not None:
            spoken = Spoken(*second_try(lambda again: self.voice.speak_all([again])[0], request, said, self._listen))
        with self._lock:
            # What is larger than the whole memory is not kept.
            if spoken.speech.samples.nbytes <= self._said.maxsize:
                self._said[_key(request)] = spoken
        return spoken

    def _listen(self, request: Request, said: Speech) -> Verdict:
        assert self.check is not None
        with self._listening:
            return self.check(request, said)


def _key(request: Request) -> tuple[object, ...]:
    """All that the samples depend on: the voice by its numbers, for a name may be given to another."""
    speaker = request.speaker if isinstance(request.speaker, str) else request.speaker.tobytes()
    delivery = (request.language, request.seed, request.noise_scale, request.duration_noise_scale, request.speed)
    return (request.text, speaker, *delivery)
