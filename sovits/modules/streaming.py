"""Latents -> waveform piece by piece, so that the first of it sounds before the last is made."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from sovits.modules.decoder import FrameRateDecoder, UpsamplingDecoder


def decode_in_chunks(
    decoder: UpsamplingDecoder | FrameRateDecoder, latent: Tensor, speaker_embedding: Tensor, first: int, longest: int
) -> Iterator[Tensor]:
    """Decodes one clip in chunks that together are what the decoder makes of it at once, but for rounding.

    Each chunk is decoded with the frames around it that it depends on (``context_frames``), and those are cut off again. Chunks double in
    length, because whoever listens to one has the time to wait for one twice as long.

    Args:
        latent: [1, inter_channels, T_frames], all of them real.
        speaker_embedding: [1, E].
        first: frames of the first chunk.
        longest: most frames of a chunk.

    Yields:
        [1, 1, n * hop_length] in float32.
    """
    frames, hop, context = latent.shape[-1], decoder.hop_length, decoder.context_frames
    start, size = 0, first
    while start < frames:
        end = min(start + size, frames)
        before = max(start - context, 0)
        audio = decoder(latent[..., before : min(end + context, frames)], None, speaker_embedding)
        yield audio[..., (start - before) * hop : (end - before) * hop]
        start, size = end, min(2 * size, longest)
