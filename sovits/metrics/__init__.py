"""Figures of merit: each a ``torchmetrics.Metric`` that sums over ranks and keeps speakers apart."""

from sovits.metrics.mel_distance import DynamicTimeWarpedMelDistance, MelDistance, mel_distance, warped_mel_distance
from sovits.metrics.mos_proxy import Dnsmos, MosProxy, MosScores
from sovits.metrics.speaker_similarity import SpeakerSimilarity, similarity_to_others
from sovits.metrics.voice_encoders import RememberingEncoder, ResemblyzerEncoder, SpeechBrainEncoder, VoiceEncoder

__all__ = [
    "Dnsmos",
    "DynamicTimeWarpedMelDistance",
    "MelDistance",
    "MosProxy",
    "MosScores",
    "RememberingEncoder",
    "ResemblyzerEncoder",
    "SpeakerSimilarity",
    "SpeechBrainEncoder",
    "VoiceEncoder",
    "mel_distance",
    "similarity_to_others",
    "warped_mel_distance",
]
