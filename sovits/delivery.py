"""How a text is said where nobody asks for another way."""

NOISE_SCALE = 0.333
"""Standard deviations of the prior that latents are drawn with (Glow-TTS, Kim et al. 2020; VITS has 0.667). Half as many make words
clearer; see experiments/base_voice."""
DURATION_NOISE_SCALE = 0.8
"""The same of a stochastic duration predictor (VITS)."""
