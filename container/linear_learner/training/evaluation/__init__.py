"""How good scores are, and what follows from them: the threshold, the choice of a model, calibrated probabilities."""
