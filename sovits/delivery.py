"""How a text is said where nobody asks for another way."""

NOISE_SCALE = 0.667
"""Standard deviations of the prior that latents are drawn with (VITS)."""
DURATION_NOISE_SCALE = 0.8
"""The same of a stochastic duration predictor (VITS)."""
