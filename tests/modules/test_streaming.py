"""Chunks of a decoder side by side are the whole, and nothing is decoded for nothing."""

from __future__ import annotations

import pytest
import torch

from sovits.modules.streaming import decode_in_chunks
from tests.modules.test_decoder import DECODERS

FRAMES = 90


@pytest.mark.parametrize("name", DECODERS)
@pytest.mark.parametrize(("first", "longest"), [(1, 4), (7, 30), (16, 16), (200, 200)])
@torch.inference_mode()
def test_chunks_side_by_side_are_the_whole(name: str, first: int, longest: int) -> None:
    decoder, speaker, latent = DECODERS[name]().eval(), torch.randn(1, 12), torch.randn(1, 6, FRAMES)
    whole = decoder(latent, None, speaker)
    chunks = list(decode_in_chunks(decoder, latent, speaker, first, longest))
    lengths = [chunk.shape[-1] // decoder.hop_length for chunk in chunks]
    assert lengths[0] == min(first, FRAMES)
    assert max(lengths) <= longest
    torch.testing.assert_close(torch.cat(chunks, -1), whole, rtol=0, atol=1e-5 * float(whole.abs().max()))


@pytest.mark.parametrize("name", DECODERS)
@torch.inference_mode()
def test_the_context_is_what_a_frame_reaches(name: str) -> None:
    decoder, speaker, latent = DECODERS[name]().eval(), torch.randn(1, 12), torch.randn(1, 6, FRAMES)
    middle, hop, context = FRAMES // 2, decoder.hop_length, decoder.context_frames
    excited = decoder.excited(latent, None, speaker)
    other = excited.clone()
    other[:, : decoder.inter_channels, middle] += 10
    changed = (decoder.decode(other, None, speaker) - decoder.decode(excited, None, speaker)).view(FRAMES, hop).abs().amax(1) > 0
    reached = (changed.nonzero().flatten() - middle).abs().max()
    # A frame more than it is: halves of frames are rounded up at every rate.
    assert context - 1 <= reached <= context
