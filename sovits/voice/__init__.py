"""Speaking with a trained model: checkpoints, the bank of voices, and the voice itself."""

from sovits.voice.checkpoint import Checkpoint
from sovits.voice.checkpoint_encoder import CheckpointEncoder
from sovits.voice.speaker_bank import SpeakerBank
from sovits.voice.voice import Speech, Voice

__all__ = ["Checkpoint", "CheckpointEncoder", "SpeakerBank", "Speech", "Voice"]
