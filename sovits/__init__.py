"""Few-shot, multi-speaker text-to-speech research: a GPT semantic encoder reads, a SoVITS generator speaks.

Tensor shapes are written in one alphabet everywhere: ``B`` clips, ``T_text`` phones, ``T_tokens`` semantic tokens,
``T_frames`` spectrogram frames, ``T_samples`` audio samples, ``C`` channels.
"""

__version__ = "0.1.0"
