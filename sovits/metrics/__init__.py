"""Judges of speech: each a ``torchmetrics.Metric`` that sums over ranks and keeps speakers apart."""

from sovits.metrics.judge import REAL, RECONSTRUCTION, WORST, Figure, Judge, PairJudge, Reading, Recording, SoundJudge
from sovits.metrics.mel_distance import MelDistance, mel_distance, warped_mel_distance
from sovits.metrics.mos_proxy import Dnsmos, MosProxy, MosScores
from sovits.metrics.panel import Panel
from sovits.metrics.speaker_similarity import SpeakerSimilarity, VoiceJudge
from sovits.metrics.voice_encoders import RememberingEncoder, ResemblyzerEncoder, SpeechBrainEncoder, VoiceEncoder

__all__ = [
    "REAL",
    "RECONSTRUCTION",
    "WORST",
    "Dnsmos",
    "Figure",
    "Judge",
    "MelDistance",
    "MosProxy",
    "MosScores",
    "PairJudge",
    "Panel",
    "Reading",
    "Recording",
    "RememberingEncoder",
    "ResemblyzerEncoder",
    "SoundJudge",
    "SpeakerSimilarity",
    "SpeechBrainEncoder",
    "VoiceEncoder",
    "VoiceJudge",
    "mel_distance",
    "warped_mel_distance",
]
