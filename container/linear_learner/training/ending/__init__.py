"""All after the last epoch: the chosen model finished, scored, written, and reported on."""
