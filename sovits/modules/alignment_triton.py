"""Monotonic alignment search on the GPU: one program a clip, from scores to path without the host (Glow-TTS, Kim et al. 2020).

Importing this module needs Triton; :mod:`sovits.modules.alignment` imports it once scores lie on a CUDA device.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

FRAMES_AT_ONCE = 8
"""Frames whose scores are fetched together, so that only the first waits for memory; their directions share one byte."""


@triton.jit
def _search_clip(
    scores,
    path,
    advanced,
    text_lengths,
    frame_lengths,
    T_text,
    T_frames,
    scores_clip,
    scores_phone,
    scores_frame,
    PHONES: tl.constexpr,
    AT_ONCE: tl.constexpr,
):  # pragma: no cover - compiled
    """The clip of this program: scores [B, T_text, T_frames] by their strides -> path [B, T_frames, T_text].

    ``advanced`` [B, ceil(T_frames / AT_ONCE), PHONES] of bytes is scratch: bit k of byte (j, i) says whether the best path with frame
    ``j * AT_ONCE + k`` under phone i had the frame before under phone i - 1. PHONES is a power of two, no less than T_text.
    """
    clip = tl.program_id(0).to(tl.int64)
    phones = tl.load(text_lengths + clip).to(tl.int32)
    frames = tl.load(frame_lengths + clip).to(tl.int32)
    scores += clip * scores_clip
    path += clip * T_frames * T_text
    advanced += clip * tl.cdiv(T_frames, AT_ONCE) * PHONES

    phone = tl.arange(0, PHONES)
    one_less = tl.maximum(phone - 1, 0)
    one_more = tl.minimum(phone + 1, PHONES - 1)
    row = scores + phone.to(tl.int64) * scores_phone
    best = tl.full([PHONES], float("-inf"), tl.float32)
    # `while`, not `for`: Triton's interpreter cannot count to a number that lies in a tensor.
    start = 0
    while start < frames:
        ahead = ()
        for k in tl.static_range(AT_ONCE):
            inside = (phone < phones) & (start + k < frames)
            score = tl.load(row + (start + k).to(tl.int64) * scores_frame, mask=inside, other=0.0).to(tl.float32)
            # Triton knows no unpacking of tuples.
            ahead = ahead + (score,)  # type: ignore[assignment]  # noqa: RUF005
        bits = tl.zeros([PHONES], tl.int32)
        for k in tl.static_range(AT_ONCE):
            # Before the first phone lies one that holds the time before the first frame.
            before_first = tl.where(start + k == 0, 0.0, float("-inf"))
            previous = tl.where(phone == 0, before_first, tl.gather(best, one_less, 0))
            better = previous > best
            best = ahead[k] + tl.where(better, previous, best)
            bits |= (better | (phone == start + k)).to(tl.int32) << k
        tl.store(advanced + (start // AT_ONCE) * PHONES + phone, bits.to(tl.uint8))
        start += AT_ONCE

    # What other threads of this program wrote must be seen below.
    tl.debug_barrier()
    # One for the phone that holds the frame; it steps back as the scores stepped on.
    here = (phone == phones - 1).to(tl.int32)
    start = (T_frames - 1) // AT_ONCE * AT_ONCE
    while start >= 0:
        bits = tl.load(advanced + (start // AT_ONCE) * PHONES + phone, mask=phone < tl.where(start < frames, phones, 0), other=0)
        bits = bits.to(tl.int32)
        for back in tl.static_range(AT_ONCE):
            frame = start + (AT_ONCE - 1 - back)
            spoken = frame < frames
            cell = path + frame.to(tl.int64) * T_text + phone
            tl.store(cell, tl.where(spoken, here, 0).to(tl.float32), mask=(phone < T_text) & (frame < T_frames))
            step = here * ((bits >> (AT_ONCE - 1 - back)) & 1)
            from_next = tl.where(phone < PHONES - 1, tl.gather(step, one_more, 0), 0)
            here = tl.where(spoken, here - step + from_next, here)
        start -= AT_ONCE


def search(log_likelihood: Tensor, text_lengths: Tensor, frame_lengths: Tensor) -> Tensor:
    """As :func:`sovits.modules.alignment.monotonic_alignment`, for scores on the device; nothing waits for it.

    Args:
        log_likelihood: [B, T_text, T_frames] in any memory order; quickest where the phones of a frame lie side by side.
        text_lengths: [B], not checked.
        frame_lengths: [B], not checked.

    Returns:
        [B, T_text, T_frames] of zeros and ones.
    """
    clips, most_phones, most_frames = log_likelihood.shape
    device = log_likelihood.device
    phones = max(triton.next_power_of_2(most_phones), 32)
    path = torch.empty(clips, most_frames, most_phones, device=device, dtype=log_likelihood.dtype)
    advanced = torch.empty(clips, triton.cdiv(most_frames, FRAMES_AT_ONCE), phones, device=device, dtype=torch.uint8)
    # Triton launches on the current device, which need not be that of the scores.
    with torch.cuda.device_of(log_likelihood):
        _search_clip[(clips,)](
            log_likelihood,
            path,
            advanced,
            text_lengths.to(device, non_blocking=True),
            frame_lengths.to(device, non_blocking=True),
            most_phones,
            most_frames,
            *log_likelihood.stride(),
            PHONES=phones,
            AT_ONCE=FRAMES_AT_ONCE,
            # Two phones a thread: more threads would wait longer for one another at every frame.
            num_warps=min(max(phones // 64, 1), 8),
        )
    return path.transpose(1, 2)
