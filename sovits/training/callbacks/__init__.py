"""What happens around training: samples, scores, the speaker bank and the progress bar."""

from sovits.training.callbacks.judging import Judging
from sovits.training.callbacks.progress import GeneratorProgress
from sovits.training.callbacks.sample_logger import SampleLogger
from sovits.training.callbacks.speaker_bank import SpeakerBankKeeper
from sovits.training.callbacks.stop_early import StopEarly

__all__ = ["GeneratorProgress", "Judging", "SampleLogger", "SpeakerBankKeeper", "StopEarly"]
