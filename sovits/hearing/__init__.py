"""What listens to sound with models that ship in wheels; nothing here needs PyTorch."""

from sovits.hearing.dnsmos import Dnsmos, MosScores
from sovits.hearing.english_recognizer import EnglishRecognizer
from sovits.hearing.lengthwise_dnsmos import LengthwiseDnsmos
from sovits.hearing.word_coverage import Coverage, CoveredWord, find_coverage

__all__ = ["Coverage", "CoveredWord", "Dnsmos", "EnglishRecognizer", "LengthwiseDnsmos", "MosScores", "find_coverage"]
