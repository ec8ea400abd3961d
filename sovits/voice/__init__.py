"""Speaking with a trained model: checkpoints, the bank of voices, and the voice itself. Nothing imported here needs PyTorch."""

from sovits.voice.request import Request
from sovits.voice.speaker_bank import SpeakerBank
from sovits.voice.speech import Passage, Speech
from sovits.voice.voice import Voice

__all__ = ["Passage", "Request", "SpeakerBank", "Speech", "Voice"]
