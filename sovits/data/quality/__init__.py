"""How good a clip is: what is measured of it, and which figures keep it out of training."""
