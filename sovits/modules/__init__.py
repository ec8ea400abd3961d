"""The networks. Nothing here knows Lightning, Hydra or files."""

from sovits.modules.decoder import FrameRateDecoder, UpsamplingDecoder
from sovits.modules.discriminators import Discriminators
from sovits.modules.duration_predictor import DurationPredictor
from sovits.modules.flow import Flow
from sovits.modules.posterior_encoder import PosteriorEncoder
from sovits.modules.semantic_encoder import SemanticEncoder
from sovits.modules.speaker_encoder import EcapaSpeakerEncoder, SpeakerEncoder
from sovits.modules.synthesizer import Synthesis, Synthesizer, SynthesizerOutput, SynthesizerTrn
from sovits.modules.text_encoder import TextEncoder

__all__ = [
    "Discriminators",
    "DurationPredictor",
    "EcapaSpeakerEncoder",
    "Flow",
    "FrameRateDecoder",
    "PosteriorEncoder",
    "SemanticEncoder",
    "SpeakerEncoder",
    "Synthesis",
    "Synthesizer",
    "SynthesizerOutput",
    "SynthesizerTrn",
    "TextEncoder",
    "UpsamplingDecoder",
]
