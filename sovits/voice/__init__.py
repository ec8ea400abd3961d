"""Speaking with a trained model: checkpoints, the bank of voices, and the voice itself."""

from sovits.voice.checkpoint import Checkpoint
from sovits.voice.checkpoint_encoder import CheckpointEncoder
from sovits.voice.request import Request
from sovits.voice.speaker_bank import SpeakerBank
from sovits.voice.speech import Passage, Speech
from sovits.voice.voice import Voice

__all__ = ["Checkpoint", "CheckpointEncoder", "Passage", "Request", "SpeakerBank", "Speech", "Voice"]
