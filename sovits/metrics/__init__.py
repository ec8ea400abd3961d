"""Judges of speech: each a ``torchmetrics.Metric`` that sums over ranks and keeps speakers apart."""

from sovits.metrics.cepstral_distortion import MelCepstralDistortion
from sovits.metrics.duration_error import DurationError
from sovits.metrics.equal_error_rate import EqualErrorRate
from sovits.metrics.intelligibility import Intelligibility
from sovits.metrics.judge import REAL, RECONSTRUCTION, WORST, Figure, Judge, PairJudge, Reading, Recording, SoundJudge
from sovits.metrics.mel_distance import MelDistance, mel_distance, warped_mel_distance
from sovits.metrics.mos_proxy import MosProxy
from sovits.metrics.panel import Panel
from sovits.metrics.pitch import PitchError
from sovits.metrics.signal_quality import SignalQuality
from sovits.metrics.similarity_opinion import SimilarityOpinion
from sovits.metrics.speaker_confusion import Confusion, NearestSpeaker
from sovits.metrics.speaker_similarity import SpeakerSimilarity, VoiceJudge
from sovits.metrics.voice_encoders import RememberingEncoder, ResemblyzerEncoder, SpeechBrainEncoder, VoiceEncoder
from sovits.metrics.word_coverage import WordCoverage
from sovits.metrics.word_errors import WordErrors

__all__ = [
    "REAL",
    "RECONSTRUCTION",
    "WORST",
    "Confusion",
    "DurationError",
    "EqualErrorRate",
    "Figure",
    "Intelligibility",
    "Judge",
    "MelCepstralDistortion",
    "MelDistance",
    "MosProxy",
    "NearestSpeaker",
    "PairJudge",
    "Panel",
    "PitchError",
    "Reading",
    "Recording",
    "RememberingEncoder",
    "ResemblyzerEncoder",
    "SignalQuality",
    "SimilarityOpinion",
    "SoundJudge",
    "SpeakerSimilarity",
    "SpeechBrainEncoder",
    "VoiceEncoder",
    "VoiceJudge",
    "WordCoverage",
    "WordErrors",
    "mel_distance",
    "warped_mel_distance",
]
