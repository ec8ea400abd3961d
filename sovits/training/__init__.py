"""Training: the Lightning module, its optimisation and its callbacks."""
