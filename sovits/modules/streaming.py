"""Latents -> waveform piece by piece, so that the first of it sounds before the last is made."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from sovits.audio.chunks import growing_chunks
from sovits.modules.decoder import Decoder


def decode_in_chunks(decoder: Decoder, latent: Tensor, speaker_embedding: Tensor, first: int, longest: int) -> Iterator[Tensor]:
    """Decodes one clip in chunks that together are what the decoder makes of it at once, but for rounding.

    Each chunk is decoded with the frames around it that it depends on (``context_frames``), and those are cut off again.

    Args:
        latent: [1, inter_channels, T_frames], all of them real.
        speaker_embedding: [1, E].
        first: frames of the first chunk; each one after it is twice as long.
        longest: most frames of a chunk.

    Yields:
        [1, 1, n * hop_length] in float32.
    """
    hop = decoder.hop_length
    excited = decoder.excited(latent, None, speaker_embedding)
    for chunk in growing_chunks(latent.shape[-1], decoder.context_frames, first, longest):
        audio = decoder.decode(excited[..., chunk.first : chunk.last], None, speaker_embedding)
        yield audio[..., (chunk.start - chunk.first) * hop : (chunk.end - chunk.first) * hop]
