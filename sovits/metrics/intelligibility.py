"""Whether the words can be made out, without a network: does a sound fit its own text better than other texts?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random
from typing import Any

import numpy as np

from sovits.errors import SovitsError
from sovits.hearing.english_recognizer import EnglishRecognizer, plain_arcs
from sovits.metrics.judge import Figure, Reading, SoundJudge
from sovits.text.language import ENGLISH

_WORDS = (
    "a about after again all also and animal any around ask away back because before best between big bird blue both bring brother "
    "build business but call can carry children city clean close cold colour come country cut dark day different door down each early "
    "easy eat end enough even every eye face family far father feel few field find fire first fish five follow food foot for found four "
    "friend from full garden give glad good great green ground grow half hand happy hard head hear help her high hold home horse hot "
    "hour house how hundred i idea if important in island it just keep kind king know land large last late laugh learn leave left "
    "letter life light like line list little live long look love machine make man many mark measure milk minute money moon morning "
    "mother mountain move much music name near never new night north nothing number ocean of off old on open orange other our out over "
    "own page paper part people picture place plant play point power pull question quick rain reach ready river road rock room round "
    "run school sea second sentence seven she ship short show simple sing sister small snow some soon sound south stand star start "
    "stone story street strong summer sun sure table take talk teach ten that they thing think those thousand three time together town "
    "travel tree true turn two under up use usual valley very voice wait walk want warm watch water we week west wheel where white who "
    "winter with wonder wood work world write year yellow you"
)
"""Everyday words to make other texts of."""
_SMALL_WORDS = "the of and a to in it is was i for you he be with on that by at are not this but had they his from she or her an we"
"""Words that any sentence may have, its own too."""
_SMALL_SHARE = 0.45
"""Of the words of a text, as in running English."""


class Intelligibility(SoundJudge):
    """How much better a sound fits its own text than other texts of the same length, by the acoustic model of a recognizer.

    The sound is aligned with its own text and with ``distractors`` others: everyday words, the larger ones not of its text, drawn at random
    (the same ones for the same text) until they have as many phones. A margin of zero says that the text cannot be made out at all;
    how high clear speech gets depends on voice and microphone: read it beside that of the recording. It is a proxy: a word that
    is slightly wrong still fits, and no meaning is understood.

    English only; a clip of another language gets no figure. Words that the dictionary lacks are pronounced by a guess, see
    :meth:`~sovits.metrics.english_recognizer.EnglishRecognizer.words`. Silence fits all texts the same: margin 0.

    Args:
        speakers: see :class:`~sovits.metrics.judge.Judge`.
        recognizer: aligns; one may be shared between judges.
        distractors: how many other texts.

    Raises:
        SovitsError: less than one distractor.
    """

    figures = (
        Figure(
            "intelligibility",
            "intelligibility",
            "log-likelihood of its own text over other texts, nats a frame of 10 ms; 0: not understood",
            True,
        ),
        Figure("own_text_wins", "own text wins", "share of clips that fit their own text better than every other", True),
    )

    def __init__(self, speakers: Sequence[str], recognizer: EnglishRecognizer, distractors: int = 4) -> None:
        super().__init__(speakers)
        if distractors < 1:
            raise SovitsError(f"distractors={distractors} leaves nothing to compare a text with; give 1 or more.")
        self.recognizer = recognizer
        self.distractors = distractors

    @property
    def settings(self) -> dict[str, Any]:
        """See :class:`~sovits.metrics.judge.Judge`."""
        return {**self.recognizer.settings, "distractors": self.distractors}

    def hear(self, samples: np.ndarray, reading: Reading) -> dict[str, float]:
        """See :class:`~sovits.metrics.judge.SoundJudge`."""
        words = self.recognizer.words(reading.text) if reading.language == ENGLISH else []
        if not words:
            return {}
        own = self._fit(samples, reading.sample_rate, words)
        others = [self._fit(samples, reading.sample_rate, other) for other in other_texts(self.recognizer, words, self.distractors)]
        if math.isnan(own) or any(math.isnan(other) for other in others):
            return {"intelligibility": 0.0, "own_text_wins": 0.0}
        return {"intelligibility": own - float(np.mean(others)), "own_text_wins": float(own > max(others))}

    def _fit(self, samples: np.ndarray, sample_rate: int, words: Sequence[str]) -> float:
        """Log-likelihood, nats a frame; NaN for silence or a sound too short for so many words."""
        heard = self.recognizer.hear(samples, sample_rate, plain_arcs(words), len(words))
        return heard.fit / heard.frames if heard else math.nan


def other_texts(recognizer: EnglishRecognizer, words: Sequence[str], count: int) -> list[list[str]]:
    """Texts of as many phones as ``words``, whose larger words are not among them."""
    small = {word: recognizer.phones(word) for word in _SMALL_WORDS.split()}
    large = {word: recognizer.phones(word) for word in _WORDS.split() if word not in words and word not in small}
    length = sum(recognizer.phones(word) for word in words)
    texts = []
    for number in range(count):
        random = Random(f"{number} {' '.join(words)}")
        left, text = length, list[str]()
        while left > 0 and (fitting := [word for word, phones in {**small, **large}.items() if phones <= left]):
            kind = small if random.random() < _SMALL_SHARE else large
            text.append(random.choice([word for word in fitting if word in kind] or fitting))
            left -= recognizer.phones(text[-1])
        texts.append(text)
    return texts
