"""Which networks ``training.compile=true`` compiles, and how."""

from __future__ import annotations

import torch

from sovits.modules.discriminators import Discriminators, SpectrogramDiscriminator
from sovits.modules.synthesizer import Synthesizer


def compile_networks(synthesizer: Synthesizer, *discriminators: Discriminators) -> None:
    """Compiles networks in place: those over frames for any length, the others for the one length of a slice.

    Torch 2.11's inductor fails on attention over texts of any length and on Fourier transforms: text encoder, decoder and spectrogram
    discriminators stay as they are.
    """
    any_length = [synthesizer.posterior_encoder, synthesizer.flow]
    judges = [judge for group in discriminators for judge in group.judges]
    one_length = [judge for judge in judges if not isinstance(judge, SpectrogramDiscriminator)]
    # Judges of one class share a limit of graphs, and each needs some: by its period or scale, with gradients and without.
    dynamo = torch._dynamo.config
    dynamo.recompile_limit = max(dynamo.recompile_limit, 8 * len(one_length))
    for part in [*any_length, *one_length]:
        if part._compiled_call_impl is None:  # a second fit finds them compiled
            part.compile(dynamic=True if part in any_length else None)
