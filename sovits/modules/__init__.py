"""The networks. Nothing here knows Lightning, Hydra or files."""

from sovits.modules.decoder import FrameRateDecoder, UpsamplingDecoder
from sovits.modules.discriminators import Discriminators
from sovits.modules.duration_predictor import DurationPredictor
from sovits.modules.flow import Flow
from sovits.modules.harmonic_decoder import HarmonicDecoder
from sovits.modules.posterior_encoder import PosteriorEncoder
from sovits.modules.pretrained_speaker_encoder import PretrainedSpeakerEncoder
from sovits.modules.semantic_encoder import LoraSettings, SemanticEncoder
from sovits.modules.speaker_classifier import SpeakerClassifier
from sovits.modules.speaker_encoder import EcapaSpeakerEncoder, SpeakerEncoder, TrainedSpeakerEncoder
from sovits.modules.speaker_table import SpeakerTable
from sovits.modules.stochastic_duration import StochasticDurationPredictor
from sovits.modules.synthesizer import Synthesis, Synthesizer, SynthesizerOutput
from sovits.modules.synthesizer_trn import SynthesizerTrn
from sovits.modules.text_encoder import TextEncoder

__all__ = [
    "Discriminators",
    "DurationPredictor",
    "EcapaSpeakerEncoder",
    "Flow",
    "FrameRateDecoder",
    "HarmonicDecoder",
    "LoraSettings",
    "PosteriorEncoder",
    "PretrainedSpeakerEncoder",
    "SemanticEncoder",
    "SpeakerClassifier",
    "SpeakerEncoder",
    "SpeakerTable",
    "StochasticDurationPredictor",
    "Synthesis",
    "Synthesizer",
    "SynthesizerOutput",
    "SynthesizerTrn",
    "TextEncoder",
    "TrainedSpeakerEncoder",
    "UpsamplingDecoder",
]
